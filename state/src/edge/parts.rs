//! The parts of an answer that several services give, each with how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every part by its name: how it ended, and what it said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Parts(pub BTreeMap<String, Part>);

/// The outcome of a part, and its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, deny_unknown_fields))]
pub struct Part {
    /// `refused`: it answered with an error. `cancelled`: it was given up because another part failed.
    pub status: PartStatus,
    /// The status of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Its answer, any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// The outcome of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum PartStatus {
    /// It answered with JSON.
    Ok,
    /// It answered with an error.
    Refused,
    /// No answer before the deadline.
    TimedOut,
    /// It was given up, because another part had failed.
    Cancelled,
    /// No connection, or it broke.
    Unreachable,
    /// The answer is not JSON, or too long.
    Unreadable,
}

impl PartStatus {
    /// The word, for problems and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            PartStatus::Ok => "ok",
            PartStatus::Refused => "refused",
            PartStatus::TimedOut => "timed-out",
            PartStatus::Cancelled => "cancelled",
            PartStatus::Unreachable => "unreachable",
            PartStatus::Unreadable => "unreadable",
        }
    }
}
