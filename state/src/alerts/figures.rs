//! Figures that the script of a change counts together with it.

use domain::Timestamp;
use domain::alert::state::{Phase, State};

use super::change::Change;
use crate::names;
use crate::wire::entry::Alert;

/// The upper bounds of the histograms' buckets, milliseconds; the last bucket has none and is named `inf`.
pub const BUCKETS_MS: [u64; 14] =
    [10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 86_400_000];

/// Counts a call by its outcome.
pub fn attempted(change: &mut Change, channel: &str, outcome: &str) {
    change.command(["HINCRBY", names::ATTEMPTS, &format!("{channel}|{outcome}"), "1"]);
}

/// Adds a duration to a histogram.
fn lag(change: &mut Change, what: &str, state: &State, from: Timestamp, to: Timestamp) {
    let (ms, severity) = (to.ms_since(from), state.severity().as_str());
    let bucket = BUCKETS_MS.iter().find(|bucket| ms <= **bucket).map_or("inf".to_owned(), u64::to_string);
    change.command(["HINCRBY", names::LAG, &format!("{what}|{severity}|{bucket}"), "1"]);
    change.command(["HINCRBY", names::LAG, &format!("{what}|{severity}|sum"), &ms.to_string()]);
}

/// Counts the stages that a step completes: from report to alert, from alert to delivered, from delivered to
/// acknowledged.
pub(super) fn count(change: &mut Change, alert: &Alert, before: Option<&State>, state: &State, now: Timestamp) {
    match before {
        None => {
            if let Some(received) = Timestamp::parse(&alert.received_at) {
                lag(change, "report-to-alert", state, received, now);
            }
        }
        Some(before) => {
            if let (None, Some(at)) = (before.delivered_at(), state.delivered_at()) {
                lag(change, "alert-to-delivered", state, state.opened_at(), at);
            }
            if *state.phase() == Phase::Acknowledged
                && *before.phase() != Phase::Acknowledged
                && let Some(at) = before.delivered_at()
            {
                lag(change, "delivered-to-acknowledged", state, at, now);
            }
        }
    }
}
