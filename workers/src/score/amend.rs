//! The effect of an amendment on the submission that it replaces: a mark, and a record in the audit chain, written
//! together.
//!
//! An amendment may be scored before the submission that it amends is stored, because another worker holds or lost that
//! one. The amendment's own scores and alerts do not wait; only the mark is set later.

use std::time::Duration;

use platform::kv::{Batch, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use state::audit::{self, Action, Change};
use state::journal::{Event, Kind};
use state::names;
use state::queue::FollowUps;
use state::wire::entry::{Submission, Superseded};
use state::wire::queued::{ScoreEntry, Supersede};

/// The pause before the next check for a submission that is not stored yet.
const LOOK: Duration = Duration::from_secs(1);
/// The most such checks.
const MOST_LOOKS: u32 = 86_400;

/// The mark that an amending submission needs; none for others.
pub(crate) fn supersede(submission: &Submission) -> Option<Supersede> {
    Some(Supersede {
        superseded: submission.amends.clone()?,
        by: submission.submission_id.clone(),
        at: submission.received_at.clone(),
        key: submission.key.clone(),
        reason: submission.amends_reason.clone(),
        study: submission.study_id.clone(),
        site: submission.site_id.clone(),
        looks: 0,
    })
}

/// Adds mark and record to the batch. If it is too early, adds a later attempt to the follow-ups.
pub(crate) async fn apply(
    supersede: Supersede,
    redis: &Redis,
    batch: &mut Batch,
    follow_ups: &mut FollowUps,
) -> Result<(), Error> {
    let store = Store::open().await?;
    let key = names::superseded(&supersede.superseded);
    let mark = Superseded { by: supersede.by.clone(), at: supersede.at.clone() };
    let journaled = |hash: String, follow_ups: &mut FollowUps| {
        let Supersede { superseded, study, site, .. } = &supersede;
        let (site, submission) = (site.clone(), superseded.clone());
        let (what, alerts) = (String::new(), String::new());
        let event = Event { kind: Kind::Superseded, site, what, submission, hash, alerts };
        follow_ups.journal(study, &event.line());
    };
    if store.get::<Superseded>(&key).await?.is_some_and(|stored| stored.by == mark.by) {
        // An earlier worker stored it and did not end the entry.
        journaled(String::new(), follow_ups);
        return Ok(());
    }
    let entity = names::submission(&supersede.superseded);
    if !batch.holds(&entity) && store.bytes(&entity).await?.is_none() {
        let later = Supersede { looks: supersede.looks.saturating_add(1), ..supersede };
        let payload = ScoreEntry::Supersede(&later).line()?;
        if later.looks > MOST_LOOKS {
            follow_ups.dead("amended-never-stored", payload.as_bytes());
            return Ok(());
        }
        let after = i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX);
        let flow = names::flow(&later.key, &later.study, &later.site);
        follow_ups.delay(clock::now().millis().saturating_add(after), &flow, &payload);
        return Ok(());
    }
    let change = Change {
        reason: supersede.reason.as_deref(),
        refers_to: Some(&names::submission(&supersede.by)),
        ..Change::new(&supersede.at, &supersede.key, Action::Superseded)
    };
    audit::append(redis, &store, batch, &entity, &change).await?;
    let hash = batch.put_hashed(key, &mark)?;
    journaled(hash, follow_ups);
    Ok(())
}
