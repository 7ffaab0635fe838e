//! Schemas for the API description, with the feature `schema` alone: the forms of texts, and the words of closed sets,
//! as `as_str` gives them.

mod forms;

use alloc::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

pub use forms::*;

use crate::Severity;
use crate::alert::state::Phase;

macro_rules! words {
    ($($name:ident = $words:expr,)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "enum": $words})
            }
        }
    )*};
}

words! {
    Severity = Severity::ALL.map(Severity::as_str),
    Phase = Phase::WORDS,
}
