//! Findings: the faults of an input, one finding per fault, all faults of an input together.

use alloc::string::String;

/// The kind of a [`Finding`], as clients see it in `errors[].code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "kebab-case", inline))]
pub enum Code {
    /// A required member is missing.
    Required,
    /// A member that the rules do not define.
    Unknown,
    /// The value has the wrong JSON type.
    Type,
    /// A number or a length is outside its bounds.
    Range,
    /// A text does not have the required format.
    Format,
    /// A value is not in the list of allowed values.
    Choice,
    /// Two values contradict each other.
    Conflict,
    /// The sender is not allowed to give this value.
    Forbidden,
}

impl Code {
    /// The code's name in a problem document.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Required => "required",
            Code::Unknown => "unknown",
            Code::Type => "type",
            Code::Range => "range",
            Code::Format => "format",
            Code::Choice => "choice",
            Code::Conflict => "conflict",
            Code::Forbidden => "forbidden",
        }
    }
}

/// One fault of an input.
///
/// `pointer` is a JSON pointer (RFC 6901) from the root of the checked document. `detail` states the rule and never
/// repeats the value that broke it, because findings reach logs and clients, and values are patient data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The place: a JSON pointer, `""` for the document itself.
    pub pointer: String,
    /// The kind of fault.
    pub code: Code,
    /// The rule in words, without the value.
    pub detail: String,
}

impl Finding {
    /// A finding at `pointer`.
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Finding { pointer: pointer.into(), code, detail: detail.into() }
    }
}
