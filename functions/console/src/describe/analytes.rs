//! The answer with the laboratory results that Vigil knows. `domain::lab::panel` makes it.

use schemars::JsonSchema;
use serde::Serialize;
use state::edge::describe::*;

/// Known laboratory results.
#[derive(JsonSchema, Serialize)]
pub(super) struct Analytes {
    /// The source of codes and names.
    source: String,
    /// LOINC's copyright notice.
    notice: String,
    analytes: Vec<Analyte>,
}

/// A known laboratory result.
#[derive(JsonSchema, Serialize)]
struct Analyte {
    /// The panel's LOINC code. Rules on it hold for all `codes`; a rule on another of them for that one only.
    code: String,
    name: String,
    /// UCUM codes. They are converted into each other.
    units: Vec<String>,
    codes: Vec<CodeOf>,
    /// Its terms in CTCAE v5.0; empty if none.
    ctcae: Vec<Term>,
    /// The rules on it that come with Vigil; a study may replace them.
    rules: Vec<RuleOn>,
}

/// A LOINC code of a result.
#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct CodeOf {
    /// LOINC code.
    code: String,
    /// Its long name in LOINC.
    name: String,
    /// Those that agree with the code's property; a result in another is refused.
    units: Vec<String>,
}

/// A term of CTCAE.
#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct Term {
    term: String,
    /// A grade begins on this side of its limit.
    #[schemars(extend("enum" = ["below", "above"]))]
    side: String,
    /// Empty where no figure tells the grade.
    grades: Vec<GradeLimit>,
}

/// The limit at which a grade begins.
#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct GradeLimit {
    #[schemars(range(min = 1, max = 4))]
    grade: u8,
    /// The limit is so many times the limit of normal that the result brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["lower-limit", "upper-limit"]))]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    printed: Option<Vec<Printed>>,
}

/// A limit as CTCAE prints it.
#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct Printed {
    unit: String,
    limit: f64,
}

/// A rule on a result.
#[derive(JsonSchema, Serialize)]
#[schemars(inline)]
struct RuleOn {
    id: String,
    #[schemars(with = "domain::Severity")]
    severity: String,
    #[schemars(with = "Object")]
    when: (),
}
