//! Alerts of erased submissions are not delivered, nor notifications of erased analyses.
//!
//! A worker checks for erasures before it works on claimed entries, and again after it has stored the results. Either
//! one of the checks sees the erasure, or the erasure began after the store had the results and removes them itself.

use domain::ids::{AlertId, AnalysisId, SubmissionId};
use platform::kv::{self, Store};
use platform::{Error, log};
use state::alerts::change::Change;
use state::erasure;
use state::names;
use state::wire::entry::{Alert, Work};
use state::wire::queued::{About, Notification};

use crate::dispatch::config::Config;
use crate::dispatch::intake::Entries;

/// Removes the entries of submissions and analyses that were erased, with everything that may be stored of their alerts.
pub(crate) async fn split(config: &Config, store: &Store, mut entries: Entries) -> Result<Entries, Error> {
    let raised = entries.raised.iter().map(|(_, alert)| &alert.submission_id);
    let due = entries.due.iter().map(|(_, due)| &due.submission_id);
    // Erasures are noted under one kind of id, that of submissions. An event looks at the content itself.
    let analyses = entries.notifications.iter().filter_map(|it| analysis_of(&it.notification));
    let analyses: Vec<SubmissionId> = analyses.map(|id| id.clone().into_submission()).collect();
    let ids: Vec<&SubmissionId> = raised.chain(due).chain(&analyses).collect();
    let mut erased = erasure::known(&config.redis, &ids).await?.into_iter();
    let mut gone = Vec::new();
    let mut end = |entry: &str, alert: Option<&AlertId>| {
        let mut change = Change::default();
        change.end(entry);
        entries.changes.push(change);
        gone.extend(alert.cloned());
    };
    entries.raised.retain(|(entry, alert)| {
        let erased = erased.next().unwrap_or_default();
        if erased {
            end(entry, Some(&alert.alert_id));
        }
        !erased
    });
    entries.due.retain(|(entry, due)| {
        // Alerts that were grouped with an erased alert's message still need their work.
        let erased = erased.next().unwrap_or_default() && due.work != Work::Carry;
        if erased {
            end(entry, Some(&due.alert_id));
        }
        !erased
    });
    let mut outcomes = Vec::new();
    entries.notifications.retain(|it| {
        let Some(id) = analysis_of(&it.notification) else { return true };
        let erased = erased.next().unwrap_or_default();
        if erased {
            log::info("analysis-dropped").submission(id).outcome("erased").write();
            outcomes.push(names::analysis_webhook(id));
            end(&it.entry, None);
        }
        !erased
    });
    kv::remove_all(&outcomes)?;
    remove(config, store, gone).await?;
    Ok(entries)
}

fn analysis_of(notification: &Notification) -> Option<&AnalysisId> {
    match &notification.about {
        About::Analysis(end) => Some(&end.analysis_id),
        About::Event(_) => None,
    }
}

/// Removes the stored data of alerts whose submissions were erased meanwhile.
pub(crate) async fn after(
    config: &Config,
    store: &Store,
    alerts: impl Iterator<Item = &Alert> + Clone,
) -> Result<(), Error> {
    let ids: Vec<&SubmissionId> = alerts.clone().map(|alert| &alert.submission_id).collect();
    let erased = erasure::known(&config.redis, &ids).await?;
    let gone = alerts.zip(erased).filter(|(_, erased)| *erased).map(|(alert, _)| alert.alert_id.clone());
    remove(config, store, gone.collect()).await
}

async fn remove(config: &Config, store: &Store, alerts: Vec<AlertId>) -> Result<(), Error> {
    for alert in &alerts {
        log::info("alert-dropped").alert(alert).outcome("erased").write();
    }
    if alerts.is_empty() { Ok(()) } else { erasure::remove_alerts(&config.redis, store, alerts).await }
}
