//! A subject's earlier submissions: which they are. What they scored is in their records.
//!
//! Guarantee: of what was finished before the question, the one that was written last before a submission and the first
//! of all are named, whatever order they came in. Erased and superseded submissions do not count. Where the index no
//! longer holds what would decide it, that is said.
//!
//! Mechanism: a sorted set for each subject and instrument, by the time of writing, kept by `finish.lua`. It holds the
//! first and the latest [`MOST`]; those between fall out. It can be derived again from the records.

use crate::error::Error;
use crate::names;
use crate::queue::{integer, nonsense, string};
use crate::redis::{Redis, number, text};

/// The most submissions an index holds.
pub const MOST: u32 = 100;

/// A submission in an index: when it was written, milliseconds since the epoch, and its id. They are ordered by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was written.
    pub at: i64,
    /// Its id.
    pub id: String,
}

/// An earlier submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// There is none.
    None,
    /// There may be one that the index no longer holds.
    Unknown,
    /// This one.
    Known(Place),
}

/// What precedes a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// It is superseded itself, and counts for nobody.
    pub superseded: bool,
    /// The one before.
    pub previous: Past,
    /// The first.
    pub baseline: Past,
}

/// What precedes submissions, each with its index key, in their order: one script.
///
/// # Errors
/// [`Kind::Away`](crate::error::Kind::Away).
pub async fn find(redis: &Redis, asked: &[(String, Place)]) -> Result<Vec<Found>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&str> = std::iter::once(names::ERASED).chain(asked.iter().map(|(key, _)| key.as_str())).collect();
    let mut arguments = vec![text(names::superseded_mark("")), number(MOST.into())];
    arguments.extend(asked.iter().flat_map(|(_, place)| [number(place.at), text(&place.id)]));
    let reply = redis.eval(include_str!("history.lua"), &keys, arguments).await?;
    let (parts, rest) = reply.as_chunks::<5>();
    let found: Option<Vec<Found>> = parts
        .iter()
        .map(|[superseded, previous, previous_at, baseline, baseline_at]| {
            let past = |id, at| match string(id)?.as_str() {
                "" => Some(Past::None),
                "?" => Some(Past::Unknown),
                id => Some(Past::Known(Place { at: integer(at)?, id: id.to_owned() })),
            };
            Some(Found {
                superseded: string(superseded)? == "1",
                previous: past(previous, previous_at)?,
                baseline: past(baseline, baseline_at)?,
            })
        })
        .collect();
    found.filter(|found| rest.is_empty() && found.len() == asked.len()).ok_or_else(|| nonsense("history"))
}
