//! A batch of claimed entries: from what was claimed to what is stored, and what follows.
//!
//! Guarantee: of a submission that was erased nothing is left in the store, whether the erasure came before the batch or
//! in the middle of it.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::Error;
use platform::erasure::{self, Erasure};
use platform::kv::{self, Batch};
use platform::queue::{Claimed, Finished};
use platform::redis::Redis;
use platform::settings::Settings;
use platform::trace::Trace;

use crate::amend::Supersede;
use crate::gather::{Extra, gather};
use crate::record::{self, Scorer, Work};
use crate::risk;

/// How long the risk service may hold up a batch at most.
const GATHERING: Duration = Duration::from_secs(10);

/// Scores a batch and stores it. What is given is to be finished.
pub(crate) async fn store(
    redis: &Redis,
    settings: &Settings,
    scorer: &mut Scorer,
    risk: &risk::Config,
    max_attempts: u32,
    lease: Duration,
    entries: Vec<Claimed>,
) -> Result<Vec<Finished>, Error> {
    let work: Vec<Work> = entries.into_iter().map(Work::read).collect();
    for submission in work.iter().filter_map(Work::submission) {
        scorer.meet(redis, settings, submission).await?;
    }
    let ids: Vec<String> = work.iter().filter_map(Work::submission).map(|it| it.submission_id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let erased = erasure::find(redis, &ids).await?;
    let extras = gather(redis, scorer, risk, &work, &erased, (lease / 3).min(GATHERING)).await?;
    let mut extras = extras.into_iter();
    let mut batch = Batch::default();
    let mut finished = Vec::with_capacity(work.len());
    let mut dropped = Vec::new();
    for work in work {
        if let Work::Score(_, entry) = &work
            && erased.contains_key(&entry.submission.submission_id)
        {
            dropped.extend(scorer.alert_ids(entry));
        }
        let id = work.submission().map(|it| it.submission_id.clone()).unwrap_or_default();
        let extra = extras.next().unwrap_or_default();
        finished.push((id, one(work, extra, redis, scorer, max_attempts, &erased, &mut batch).await?));
    }
    erasure::clear(redis, &erased, dropped).await?;
    kv::put_all(&mut batch)?;
    // An erasure that began in the meantime has not seen what was stored just now.
    let mut late = erasure::find(redis, &ids).await?;
    late.retain(|id, _| !erased.contains_key(id));
    let raised = late.keys().flat_map(|id| erasure::alerts_in(&batch, id)).collect();
    erasure::clear(redis, &late, raised).await?;
    let finished = finished.into_iter().map(|(id, mut finished)| {
        if late.contains_key(&id) {
            finished.follow_ups.clear();
        }
        finished
    });
    Ok(finished.collect())
}

/// What becomes of one entry: what is to be stored goes into the batch.
async fn one(
    work: Work,
    extra: Extra,
    redis: &Redis,
    scorer: &mut Scorer,
    max_attempts: u32,
    erased: &BTreeMap<String, Erasure>,
    batch: &mut Batch,
) -> Result<Finished, Error> {
    match work {
        Work::Score(claimed, entry) if erased.contains_key(&entry.submission.submission_id) => {
            Ok(Finished { id: claimed.id, follow_ups: Vec::new() })
        }
        Work::Score(claimed, entry) => {
            let supersede = Supersede::of(&entry.submission);
            let trace = Trace::known(&entry.trace);
            let finish = async {
                let mut finished = scorer.finish(claimed, *entry, extra, max_attempts, batch)?;
                if let Some(supersede) = supersede {
                    finished.follow_ups.extend(supersede.apply(redis, batch).await?);
                }
                Ok(finished)
            };
            trace.around(finish).await
        }
        Work::Supersede(claimed, supersede) => {
            let follow_ups = supersede.apply(redis, batch).await?.into_iter().collect();
            Ok(Finished { id: claimed.id, follow_ups })
        }
        Work::Unreadable(claimed) => Ok(record::give_up("unreadable-entry", "", claimed)),
    }
}
