//! The self-check: scored and stored as any submission, but not listed, counted or audited.

use platform::Error;
use platform::log;
use state::names;
use state::queue::{Claimed, Finished, FollowUps};
use state::wire::entry::{Entry, Record, State};
use state::wire::queued::DispatchEntry;

use crate::score::context::Context;
use crate::score::record::Scorer;
use crate::score::work::Scored;

impl Scorer {
    /// Scores a self-check. Its record replaces the one before, and its alert is the follow-up. A failed self-check is
    /// no dead letter: it does not come back, and its absence shows the failure.
    pub(crate) fn probe(
        &mut self,
        claimed: &Claimed,
        entry: &Entry,
        max_attempts: u32,
        scored: &mut Scored,
    ) -> Result<Finished, Error> {
        scored.probes += 1;
        let instrument = self.instrument(&entry.submission);
        let outcome = match self.score(entry, instrument.as_deref(), &Context::default()) {
            _ if claimed.attempt > max_attempts => Err("attempts-exhausted"),
            Ok(outcome) if outcome.decided.alerts.is_empty() => Err("no-alert"),
            outcome => outcome,
        };
        let mut follow_ups = FollowUps::default();
        match outcome {
            Ok(outcome) => {
                let alerts = outcome.decided.alerts;
                let record = Record {
                    state: State::Scored,
                    reason: None,
                    submission: &entry.submission,
                    scored_with: outcome.scored_with,
                    scores: outcome.scores,
                    alerts: alerts.iter().map(|alert| alert.alert_id.clone()).collect(),
                    evaluation: outcome.decided.evaluation,
                };
                scored.batch.put(names::SELF_CHECK_RECORD.to_owned(), &record)?;
                for alert in alerts {
                    follow_ups.push(&DispatchEntry::Alert(&alert).line()?);
                }
            }
            Err(reason) => log::error("self-check-failed").outcome(reason).attempt(claimed.attempt).write(),
        }
        Ok(Finished { id: claimed.id.clone(), submission: None, follow_ups })
    }
}
