//! The evaluation in a submission's record: grades, the rules that were applied, the history that they used, and the
//! answer of an external risk service.
//!
//! The result may differ at another time, because rules change and services answer differently. Therefore the first
//! stored evaluation stands: a worker that finds the record of its claimed submission hands over that record's alerts.

use domain::ids::SubmissionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole evaluation. Empty for a response of an instrument whose own rules need no history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Evaluation {
    /// Laboratory results by CTCAE v5.0, one for each result; what is not graded says why, such as `analyte not known`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<Grade>,
    /// The study's own alert rules by which it was judged.
    #[serde(rename = "alertRules", default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesUsed>,
    /// The subject's earlier submissions, where a rule asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryUsed>,
    /// The answer of the external risk service, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

impl Evaluation {
    /// Whether it is empty.
    pub fn is_nothing(&self) -> bool {
        *self == Evaluation::default()
    }
}

/// A result's grade by CTCAE v5.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Grade {
    /// The number of the result in the report, from 0.
    pub result: usize,
    /// The result's code.
    pub code: String,
    /// The panel's LOINC code for the analyte, if the result has another code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyte: Option<String>,
    /// Whether it has a grade.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["graded", "not-graded"])))]
    pub status: String,
    /// 0 to 4.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 4)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<u8>,
    /// It may be worse: the figure is open to that side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_more: bool,
    /// The CTCAE term of a grade above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// The version of the document `alert-rules`, or of the study's own document, that a submission was evaluated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct RulesUsed {
    /// Version of the document.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub version: u64,
    /// The document is the study's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_study: bool,
    /// They do not fit the instrument's definition; only its own rules were applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

/// Whether earlier submissions could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryStatus {
    /// They were.
    #[default]
    Available,
    /// They were not: rules that need them say so in alerts of their own.
    HistoryUnavailable,
}

/// The earlier submissions of the same subject that rules used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct HistoryUsed {
    /// Whether they could be read.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["available", "history-unavailable"])))]
    pub status: HistoryStatus,
    /// The one before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    pub previous: Option<SubmissionId>,
    /// The first; none for the first itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    pub baseline: Option<SubmissionId>,
}

/// The outcome of a call of the risk service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskStatus {
    /// It answered.
    Ok,
    /// It did not answer in time.
    Late,
    /// There is no answer; see `reason`.
    Failed,
}

/// The result of calling the risk service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Risk {
    /// The outcome of the call.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["ok", "late", "failed"])))]
    pub status: RiskStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["answered", "unreachable", "refused", "unreadable"])))]
    pub reason: Option<String>,
    /// Its answer, any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}
