//! What is wrong with an input: one finding per fault, all faults of an input together.

use alloc::string::String;

/// The kind of a [`Finding`], as clients see it in `errors[].code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A member that must be there is not.
    Required,
    /// A member that no rule names.
    Unknown,
    /// The value has another JSON type than the rule asks for.
    Type,
    /// A number or a length outside its bounds.
    Range,
    /// A text that does not have the form the rule asks for.
    Format,
    /// A value that is not one of the listed ones.
    Choice,
    /// Two values that contradict each other.
    Conflict,
    /// A value that the sender may not give.
    Forbidden,
}

impl Code {
    /// The code as it is written in a problem document.
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
/// `pointer` is a JSON pointer (RFC 6901) from the root of the checked document. `detail` says what the rule is and
/// never repeats the value that broke it: findings reach logs and clients, values are patient data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: a JSON pointer, `""` for the document itself.
    pub pointer: String,
    /// What kind of fault.
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
