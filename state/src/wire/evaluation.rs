//! The evaluation in a submission's record: grades, the rules that were applied, the history that they used, and the
//! answer of an external risk service.
//!
//! The result may differ at another time, because rules change and services answer differently. Therefore the first
//! stored evaluation stands: a worker that finds the record of its claimed submission hands over that record's alerts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole evaluation. Empty for a response of an instrument whose own rules need no history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// CTCAE grades of laboratory results, one for each, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<Grade>,
    /// The study's own rules, if it has some for this.
    #[serde(rename = "alertRules", default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesUsed>,
    /// The earlier submissions, if a rule needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryUsed>,
    /// The risk service's answer, if the instrument is sent to it.
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
pub struct Grade {
    /// Which result of the report, from 0.
    pub result: usize,
    /// The result's code.
    pub code: String,
    /// The panel's LOINC code for the analyte, if the result has another code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyte: Option<String>,
    /// `graded` or `not-graded`.
    pub status: String,
    /// 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<u8>,
    /// The true grade may be higher.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_more: bool,
    /// The CTCAE term of a grade above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// The version of the document `alert-rules` that a submission was evaluated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesUsed {
    /// Its number.
    pub version: u64,
    /// They do not fit the instrument's definition; only its own rules were applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

/// The earlier submissions of the same subject that rules used.
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

/// The result of calling the risk service.
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
