//! The receiver of the self-check. It is inside Vigil, and notes when the self-check's alert arrived.
//!
//! Guarantee: an alert counts as arrived only if the submission that raised it is in the store. The alert ends with the
//! entry that brought it, and is neither raised nor listed.

use platform::kv::Store;
use platform::{Error, clock, log};
use serde::Deserialize;
use state::alerts::change::Change;
use state::health::self_check;
use state::names;
use state::wire::entry::Alert;

/// The part of the record that identifies the self-check.
#[derive(Deserialize)]
struct StoredRecord {
    submission: StoredSubmission,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSubmission {
    received_at: String,
}

/// Notes the arrival of self-checks, given with the entries that brought them.
pub(crate) async fn note(store: &Store, probes: Vec<(String, Alert)>) -> Result<Vec<Change>, Error> {
    if probes.is_empty() {
        return Ok(Vec::new());
    }
    let record: Option<StoredRecord> = store.get(names::SELF_CHECK_RECORD).await?;
    let mut changes = Vec::with_capacity(probes.len());
    for (entry, alert) in probes {
        let mut change = Change::default();
        // A later self-check may have replaced it.
        if record.as_ref().is_some_and(|record| record.submission.received_at >= alert.received_at) {
            self_check::arrived(&mut change, &alert, clock::now());
        } else {
            log::error("self-check-failed").outcome("not-stored").write();
        }
        change.end(&entry);
        changes.push(change);
    }
    Ok(changes)
}
