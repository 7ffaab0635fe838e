//! Alerts of erased submissions: nobody is told any more.

use platform::kv::Batch;
use platform::queue::{Claimed, Finished, FollowUp};
use platform::redis::Redis;
use platform::{Error, erasure};
use serde::Deserialize;

use crate::Done;

/// As much of a claimed entry as tells where it comes from.
#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    alert: Raised<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raised<'a> {
    submission_id: &'a str,
}

/// The submission an entry comes from, empty if nobody can tell.
fn source(payload: &[u8]) -> &str {
    serde_json::from_slice::<Source<'_>>(payload).map_or("", |source| source.alert.submission_id)
}

/// Lets nothing wait for its time, or lie with what was given up, that was erased during the call.
pub(crate) async fn forget(redis: &Redis, finished: &mut [Finished]) -> Result<(), Error> {
    let left = |finished: &&mut Finished| {
        finished.follow_ups.iter().any(|it| matches!(it, FollowUp::Delay(..) | FollowUp::Dead(..)))
    };
    let mut waiting: Vec<&mut Finished> = finished.iter_mut().filter(left).collect();
    let ids: Vec<&str> = waiting
        .iter()
        .map(|finished| match finished.follow_ups.first() {
            Some(FollowUp::Delay(_, payload) | FollowUp::Push(payload)) => source(payload.as_bytes()),
            Some(FollowUp::Dead(_, payload)) => source(payload),
            Some(FollowUp::Index(..) | FollowUp::Count(..) | FollowUp::Seen(..) | FollowUp::Unseen(..)) | None => "",
        })
        .collect();
    let erased = erasure::known(redis, &ids).await?;
    for (finished, erased) in waiting.iter_mut().zip(erased) {
        if erased {
            finished.follow_ups.clear();
        }
    }
    Ok(())
}

/// Takes out the entries of submissions that were erased since.
pub(crate) async fn split(redis: &Redis, entries: Vec<Claimed>) -> Result<(Vec<Claimed>, Vec<Done>), Error> {
    let ids: Vec<&str> = entries.iter().map(|entry| source(&entry.payload)).collect();
    let erased = erasure::known(redis, &ids).await?;
    let (mut left, mut dropped) = (Vec::with_capacity(entries.len()), Vec::new());
    for (entry, erased) in entries.into_iter().zip(erased) {
        if erased {
            let finished = Finished { id: entry.id, follow_ups: Vec::new() };
            dropped.push(Done { finished, batch: Batch::default() });
        } else {
            left.push(entry);
        }
    }
    Ok((left, dropped))
}
