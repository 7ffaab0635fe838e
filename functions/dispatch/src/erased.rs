//! Alerts of erased submissions: nobody is told any more.

use platform::kv::Batch;
use platform::queue::{Claimed, Finished};
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

/// Takes out the entries of submissions that were erased since.
pub(crate) async fn split(redis: &Redis, entries: Vec<Claimed>) -> Result<(Vec<Claimed>, Vec<Done>), Error> {
    let source = |entry: &Claimed| match serde_json::from_slice::<Source<'_>>(&entry.payload) {
        Ok(source) => source.alert.submission_id.to_owned(),
        Err(_) => String::new(),
    };
    let sources: Vec<String> = entries.iter().map(source).collect();
    let ids: Vec<&str> = sources.iter().map(String::as_str).collect();
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
