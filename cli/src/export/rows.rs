//! Reads the journal of a study: the rows of its submissions, and what was superseded or erased.

use std::collections::BTreeSet;

use anyhow::Result;
use domain::ids::{SiteId, StudyId, SubmissionId};
use platform::kv::Store;
use platform::redis::Redis;
use serde::Serialize;
use state::journal::{Event, Kind, Position, Reader};
use state::wire::row::{Include, Row, superseded};
use state::wire::sealed::Opener;

/// The number of entries that one look at the marks is for.
const CHUNK: usize = 256;

/// A submission was superseded or erased after it had been stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    submission_id: SubmissionId,
    site_id: SiteId,
    /// `superseded` or `erased`.
    change: &'static str,
    /// The cursor after it.
    cursor: String,
}

/// The news of an entry of the journal.
pub(super) enum Told {
    /// A submission was stored.
    Row(Box<Row>),
    /// It changed later.
    Change(Change),
}

/// The journal of a study.
pub(super) struct Rows<'a> {
    redis: &'a Redis,
    store: &'a Store,
    sites: &'a BTreeSet<SiteId>,
    opener: Opener,
    journal: Reader<'a>,
    /// The cursor after what was read.
    pub(super) after: Position,
}

impl<'a> Rows<'a> {
    /// Opens a journal. None if the study never had a submission.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub(super) async fn open(
        redis: &'a Redis,
        (store, opener): (&'a Store, Opener),
        study: &'a StudyId,
        sites: &'a BTreeSet<SiteId>,
        after: Option<Position>,
    ) -> Result<Option<Self>> {
        let mut journal = Reader::open(redis, store, study).await?;
        let is_there = !journal.after(Position::default()).await?.is_empty();
        let after = after.unwrap_or_default();
        Ok(is_there.then_some(Rows { redis, store, sites, opener, journal, after }))
    }

    /// About how many entries are left.
    pub(super) fn about(&self) -> u64 {
        self.journal.about(self.after)
    }

    /// Gives `take` what each entry tells, in their order, up to the end of the journal, with the number of entries read so
    /// far. One row is held at a time.
    ///
    /// # Errors
    /// When Redis or the store is unavailable. As `take`.
    pub(super) async fn each(&mut self, mut take: impl AsyncFnMut(Told, u64) -> Result<()>) -> Result<()> {
        let mut read = 0;
        loop {
            let events = self.journal.after(self.after).await?;
            let Some((last, _)) = events.last() else { return Ok(()) };
            for some in events.chunks(CHUNK) {
                let ids: Vec<&SubmissionId> = some.iter().map(|(_, event)| &event.submission).collect();
                for ((at, event), by) in some.iter().zip(superseded(self.redis, &ids).await?) {
                    read += 1;
                    if let Some(told) = self.told(*at, event, by).await? {
                        take(told, read).await?;
                    }
                }
            }
            self.after = *last;
        }
    }

    /// Reads the news of an entry; none of other sites, or if a later entry has it.
    async fn told(&self, at: Position, event: &Event, by: Option<SubmissionId>) -> Result<Option<Told>> {
        let Event { kind, submission, site, .. } = event;
        if !self.sites.is_empty() && !self.sites.contains(site) {
            return Ok(None);
        }
        let cursor = at.to_string();
        let change = match kind {
            Kind::Scored | Kind::Failed => {
                let entry = (submission, *kind == Kind::Failed);
                let row = Row::load((self.store, &self.opener), Include::ALL, entry, by, cursor).await?;
                return Ok(row.map(|row| Told::Row(Box::new(row))));
            }
            Kind::Superseded => "superseded",
            Kind::Erased => "erased",
            // An export has the alerts as they are now.
            Kind::Acknowledged | Kind::Resolved | Kind::Reopened | Kind::Missed | Kind::KeyExpiring => return Ok(None),
        };
        let (submission_id, site_id) = (submission.clone(), site.clone());
        Ok(Some(Told::Change(Change { submission_id, site_id, change, cursor })))
    }
}
