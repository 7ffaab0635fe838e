//! The forms of texts in requests and answers, and what FHIR's own documents look like. A member names its form by
//! `#[schemars(with = "Name")]`.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A form: its name where the description names it, and its schema.
macro_rules! forms {
    ($($(#[$about:meta])* $name:ident $($named:literal)? = $schema:tt)*) => {$(
        $(#[$about])*
        pub struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                <[&str]>::is_empty(&[$($named,)?])
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

forms! {
    /// The name of a study, a site or another thing.
    Name "named" = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "examples": ["A"]}
    /// The name of a study or a site that a key covers, or `*` for all.
    NameOrAll = {"type": "string", "pattern": "^(\\*|[A-Za-z0-9._-]{1,64})$"}
    /// An id that a site or a sender gives.
    Identifier "named" = {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$",
        "description": "Read in NFC. No space at either end, no control or format characters, no other blanks and hyphens than ' ' and '-', nothing in full or half width.",
        "examples": ["P-001"]
    }
    /// An id that Vigil gives.
    Uuid = {"type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
    /// A subject.
    Pseudonym = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    /// A time by RFC 3339.
    Time = {"type": "string", "format": "date-time"}
    /// A SHA-256.
    Sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    /// Any text.
    Text = {"type": "string"}
    /// Any JSON.
    Any = {}
    /// Any JSON object.
    Object = {"type": "object"}
    /// The value of a score.
    ScoreForm = {"type": ["number", "string", "boolean", "null"]}
    /// The urgency of an analysis.
    Priority = {"type": "string", "enum": ["stat", "routine"], "default": "routine"}
    /// The attributes of a DICOM file.
    Metadata = {
        "type": "object",
        "description": "The DICOM JSON model, PS3.18 annex F; bulk data has no value.",
        "patternProperties": {
            "^[0-9A-F]{8}$": {
                "type": "object",
                "required": ["vr"],
                "properties": {"vr": {"type": "string"}, "Value": {"type": "array"}}
            }
        },
        "additionalProperties": false
    }
    /// The parameters of an instrument.
    Parameters = {"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}}
    /// A remark on the times of a submission.
    Flag = {"enum": ["late", "clock-skewed"]}
    /// The removals from a content.
    Removed "named" = {
        "type": "object",
        "description": "How often each class of identity was taken out of the content; `dropped`, `pseudonymised`, `generalised` and `shifted` count whole members, and `broken-character` counts characters that were cut in half, for which U+FFFD stands.",
        "additionalProperties": {"type": "integer", "minimum": 1}
    }
    /// A resource of FHIR R4.
    FhirResource "named" = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
    /// FHIR's form of a refusal.
    OperationOutcome "named" = {
        "type": "object",
        "required": ["resourceType", "issue"],
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "extension": {
                "type": "array",
                "description": "The trace of the request.",
                "items": {
                    "type": "object",
                    "required": ["url", "valueString"],
                    "properties": {"url": {"const": "urn:vigil:traceparent"}, "valueString": {"type": "string"}}
                }
            },
            "issue": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["severity", "code"],
                    "properties": {
                        "severity": {"enum": ["fatal", "error", "warning", "information"]},
                        "code": {"type": "string"},
                        "diagnostics": {"type": "string"},
                        "expression": {"type": "array", "items": {"type": "string"}}
                    }
                }
            }
        }
    }
}

/// A member of a request that may be null, which says the same as its absence.
pub struct Nullable<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [generator.subschema_for::<T>(), {"type": "null"}]})
    }

    fn _schemars_private_is_option() -> bool {
        true
    }
}

/// A request that needs a reason.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct WithReason {
    /// One line; it is kept in the audit chain.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
}
