//! What a submission's record says beside its scores: grades, by which rules it was judged, on what history, and what an
//! external risk service said.
//!
//! All of it may come out otherwise at another time, for rules change and services answer differently. Therefore what was
//! stored first stands: a worker that finds the record of the submission it claimed hands over what that record says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All of it. Nothing, for a response of an instrument whose own rules ask for no history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// CTCAE grades of laboratory results, one for each, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<Grade>,
    /// The study's own rules, where it has some for this.
    #[serde(rename = "alertRules", default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesUsed>,
    /// The earlier submissions, where a rule asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryUsed>,
    /// The risk service's part, where the instrument is sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

impl Evaluation {
    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        *self == Evaluation::default()
    }
}

/// A result's grade by CTCAE v5.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grade {
    /// Which result of the report, from 0.
    pub result: usize,
    /// The result's code.
    pub code: String,
    /// The panel's LOINC code for the analyte, where the result has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyte: Option<String>,
    /// `graded` or `not-graded`.
    pub status: String,
    /// 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<u8>,
    /// It may be worse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_more: bool,
    /// The CTCAE term of a grade above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// The version of the document `alert-rules` by which a submission was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesUsed {
    /// Its number.
    pub version: u64,
    /// They do not fit the instrument's definition; its own rules were used alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

/// The earlier submissions of the same subject that rules were decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryUsed {
    /// `available` or `history-unavailable`.
    pub status: String,
    /// The one before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The first; none for the first itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
}

/// What the risk service said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// `ok`, `late` or `failed`.
    pub status: String,
    /// Why it failed: `answered`, `unreachable`, `refused`, `unreadable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}
