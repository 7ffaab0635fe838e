//! The effect of an amendment on the submission that it replaces: a mark, and a record in the audit chain, written
//! together.
//!
//! An amendment may be scored before the submission that it amends is stored, because another worker holds or lost that
//! one. The amendment's own scores and alerts do not wait; only the mark is set later.

use std::time::Duration;

use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use serde::{Deserialize, Serialize};
use state::audit::{self, Action, Change};
use state::names;
use state::queue::FollowUps;
use state::wire::entry::{Submission, Superseded};

/// The pause before the next check for a submission that is not stored yet.
const LOOK: Duration = Duration::from_secs(1);
/// The most such checks.
const MOST_LOOKS: u32 = 86_400;

/// A mark to be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Supersede {
    superseded: String,
    by: String,
    at: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    flow: String,
    looks: u32,
}

impl Supersede {
    /// The mark that an amending submission needs; none for others.
    pub(crate) fn of(submission: &Submission) -> Option<Self> {
        Some(Supersede {
            superseded: submission.amends.clone()?,
            by: submission.submission_id.clone(),
            at: submission.received_at.clone(),
            key: submission.key.clone(),
            reason: submission.amends_reason.clone(),
            flow: names::flow(&submission.key, &submission.study_id, &submission.site_id),
            looks: 0,
        })
    }

    /// Adds mark and record to the batch. If it is too early, adds a later attempt to the follow-ups.
    pub(crate) async fn apply(
        mut self,
        redis: &Redis,
        batch: &mut Batch,
        follow_ups: &mut FollowUps,
    ) -> Result<(), Error> {
        let store = Store::open().await?;
        let key = names::superseded(&self.superseded);
        if store.get::<Superseded>(&key).await?.is_some_and(|stored| stored.by == self.by) {
            return Ok(());
        }
        let entity = names::submission(&self.superseded);
        let first = names::audit(&entity, 0);
        if !batch.holds(&first) && store.bytes(&first).await?.is_none() {
            self.looks = self.looks.saturating_add(1);
            let payload = kv::json(&self)?;
            if self.looks > MOST_LOOKS {
                follow_ups.dead("amended-never-stored", payload.as_bytes());
                return Ok(());
            }
            let after = i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX);
            follow_ups.delay(clock::now().millis().saturating_add(after), &self.flow, &payload);
            return Ok(());
        }
        let change = Change {
            at: &self.at,
            actor: &self.key,
            action: Action::Superseded,
            reason: self.reason.as_deref(),
            refers_to: Some(&names::submission(&self.by)),
            old: None,
            new: None,
        };
        audit::append(redis, &store, batch, &entity, &change).await?;
        batch.put(key, &Superseded { by: self.by.clone(), at: self.at.clone() })
    }
}
