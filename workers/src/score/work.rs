//! A batch of claimed entries: from claim to store, with the follow-ups.
//!
//! Guarantee: nothing of an erased submission stays in the store, whether the erasure came before the batch or during
//! it. The script that ends the entries names the erased ones. Their stored data is removed first; only then their
//! entries end. What was sealed with keys that were destroyed meanwhile waits again. Entries whose study's own rules cannot be
//! read, or whose subjects' keys do not open, wait, and hold up no others.

use domain::ids::{AlertId, Pseudonym, StudyId, SubmissionId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use platform::Error;
use platform::kv::{self, Batch};
use platform::prefetch::Prefetch;
use platform::redis::Redis;
use platform::trace::Trace;
use state::erasure;
use state::names::Queue;
use state::queue::holder::Holder;
use state::queue::subject_keys::{self, Destructions};
use state::queue::{self, Claimed, Finished, FollowUps};
use state::settings::Settings;

use crate::score::PAUSE;
use crate::score::amend;
use crate::score::context::{self, Known};
use crate::score::overdue;
use crate::score::record::{self, Scorer, Work};
use crate::score::risk;

/// The longest time that the risk service may delay a batch.
const GATHERING: Duration = Duration::from_secs(10);

/// A batch that was scored.
#[derive(Default)]
pub(crate) struct Scored {
    /// The records to be stored.
    pub(crate) batch: Batch,
    finished: Vec<Finished>,
    /// The alerts of the submissions that raised some.
    pub(crate) raised: BTreeMap<SubmissionId, Vec<AlertId>>,
    /// The number of self-checks among them.
    pub(crate) probes: usize,
    /// The subjects whose keys sealed something, with the entries.
    sealed: Vec<(Pseudonym, String)>,
    /// The subjects whose keys are stored with the batch.
    new_keys: BTreeSet<Pseudonym>,
    /// The last destruction of keys of which the batch knows.
    keys_as_of: Option<Destructions>,
}

/// The entries of these studies.
fn of_studies(studies: &BTreeSet<StudyId>, work: &[Work<'_>]) -> BTreeSet<String> {
    let of_them = work.iter().filter(|work| work.study().is_some_and(|study| studies.contains(study)));
    of_them.map(|work| work.claimed().id.clone()).collect()
}

/// Shared by all batches of a drain.
pub(crate) struct Batches<'a> {
    pub(crate) redis: &'a Redis,
    pub(crate) risk: &'a risk::Config,
    pub(crate) holder: &'a Holder,
    pub(crate) max_attempts: u32,
}

impl Batches<'_> {
    /// Scores a batch. `before` ends the batch before it; this call waits for it only if it needs its effects.
    pub(crate) async fn score<T>(
        &self,
        scorer: &mut Scorer,
        revision: &str,
        entries: &[Claimed],
        before: &mut Prefetch<'_, T>,
    ) -> Result<Scored, Error> {
        let settings = Settings::at(self.redis, revision).await?;
        let mut work: Vec<Work<'_>> = entries.iter().map(Work::read).collect();
        let studies = work.iter().filter_map(Work::study).collect();
        let unreadable = scorer.rules.load(self.redis, &settings, &studies).await?;
        let waiting = of_studies(&unreadable, &work);
        self.put_off(&mut work, waiting).await?;
        for submission in work.iter().filter_map(Work::submission) {
            scorer.load(self.redis, &settings, submission).await?;
        }
        if work.iter().any(|work| matches!(work, Work::Check(..))) {
            before.settle().await;
            overdue::look((self.redis, self.holder), &scorer.rules, &mut work).await?;
        }
        let waiting = scorer.load_keys(self.redis, self.holder, &work).await?;
        self.put_off(&mut work, waiting).await?;
        let wanted = context::wanted(scorer, self.risk, &work);
        let mut known = Vec::new();
        if !wanted.is_empty() {
            before.settle().await;
            let gathering =
                context::gather((self.redis, self.holder), scorer, self.risk, work.len(), wanted, GATHERING);
            known = self.holder.keep(self.redis, gathering).await?;
        }
        let mut known = known.into_iter();
        let mut scored = Scored { keys_as_of: Some(scorer.keys.since()), ..Scored::default() };
        scored.finished.reserve(work.len());
        for work in work {
            let known = known.next().unwrap_or_default();
            let finished = self.one(work, known, scorer, &mut scored).await?;
            scored.finished.push(finished);
        }
        scored.new_keys = scorer.keys.take_new();
        Ok(scored)
    }

    /// Lets entries wait that cannot be worked on now. With them wait the other submissions in them, and nothing else.
    async fn put_off(&self, work: &mut Vec<Work<'_>>, waiting: BTreeSet<String>) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        work.retain(|work| !waiting.contains(&work.claimed().id));
        queue::release(self.redis, Queue::Score, self.holder, waiting, PAUSE).await
    }

    /// Handles one entry. Its records go into the batch.
    async fn one(
        &self,
        work: Work<'_>,
        known: Known,
        scorer: &mut Scorer,
        scored: &mut Scored,
    ) -> Result<Finished, Error> {
        match work {
            Work::Score(claimed, entry) => {
                let supersede = amend::supersede(&entry.submission);
                let trace = Trace::known(&entry.trace);
                scored.sealed.push((entry.submission.subject.clone(), claimed.id.clone()));
                let finish = async {
                    let mut finished = scorer.finish(claimed, *entry, known, self.max_attempts, scored)?;
                    if let Some(supersede) = supersede {
                        amend::apply(supersede, self.redis, &mut scored.batch, &mut finished.follow_ups).await?;
                    }
                    Ok(finished)
                };
                trace.around(finish).await
            }
            Work::Supersede(claimed, supersede) => {
                let mut follow_ups = FollowUps::default();
                amend::apply(supersede, self.redis, &mut scored.batch, &mut follow_ups).await?;
                Ok(Finished { id: claimed.id.clone(), submission: None, follow_ups })
            }
            Work::Check(claimed, _) if claimed.attempt > self.max_attempts => {
                Ok(record::give_up("attempts-exhausted", "", claimed))
            }
            Work::Check(claimed, look) => look.finish(claimed, scored),
            Work::Unreadable(claimed) => Ok(record::give_up("unreadable-entry", "", claimed)),
        }
    }

    /// Stores a batch's records, unless the worker was declared dead since its claim. Writes in parts, each shorter
    /// than the lease, even if the disk is slow. New keys that were destroyed meanwhile are not stored.
    pub(crate) async fn store(&self, scored: &mut Scored) -> Result<(), Error> {
        let mut batch = std::mem::take(&mut scored.batch);
        if let Some(since) = scored.keys_as_of {
            subject_keys::drop_destroyed(self.redis, since, &scored.new_keys, &mut batch).await?;
        }
        kv::put_in_parts(&mut batch, async || self.holder.still_holds(self.redis).await).await
    }

    /// The entries of a batch that were sealed with keys that do not exist any more.
    async fn destroyed(&self, scored: &Scored) -> Result<BTreeSet<String>, Error> {
        let Some(since) = scored.keys_as_of.filter(|_| !scored.sealed.is_empty()) else { return Ok(BTreeSet::new()) };
        let (_, destroyed) = subject_keys::destroyed(self.redis, since).await?;
        let sealed = scored.sealed.iter().filter(|(subject, _)| destroyed.contains(subject));
        Ok(sealed.map(|(_, entry)| entry.clone()).collect())
    }

    /// Ends the entries of a stored batch. Returns how many submissions ended.
    pub(crate) async fn end(&self, scored: Scored) -> Result<usize, Error> {
        let again = self.destroyed(&scored).await?;
        let Scored { mut finished, mut raised, probes, .. } = scored;
        if !again.is_empty() {
            finished.retain(|one| !again.contains(&one.id));
            queue::release(self.redis, Queue::Score, self.holder, again, Duration::ZERO).await?;
        }
        let mut count = 0;
        loop {
            let ended = queue::finish(self.redis, Queue::Score, self.holder, &finished).await?;
            count += ended.count;
            if ended.erased.is_empty() {
                return Ok(count.saturating_sub(probes));
            }
            let ids: Vec<&SubmissionId> = ended.erased.iter().collect();
            let erased = erasure::find(self.redis, &ids).await?;
            let alerts = ids.iter().filter_map(|id| raised.remove(*id)).flatten().collect();
            erasure::clear(self.redis, &erased, alerts).await?;
            // Their entries must still be ended, with the other submissions in them.
            let is_erased = |one: &Finished| one.submission.as_ref().is_some_and(|id| ids.contains(&id));
            let entries: Vec<String> = finished.iter().filter(|one| is_erased(one)).map(|one| one.id.clone()).collect();
            finished.retain(|one| entries.contains(&one.id));
            for one in &mut finished {
                if is_erased(one) {
                    let mut follow_ups = FollowUps::default();
                    follow_ups.unpin(one.submission.as_ref().map_or("", SubmissionId::as_str));
                    *one = Finished { id: one.id.clone(), submission: None, follow_ups };
                }
            }
        }
    }
}
