//! A subject's earlier submissions: which they are. What they scored is in their records.
//!
//! Guarantee: of what was finished before the question, the one that was written last before a submission and the first
//! of all are named, whatever order they came in. Erased and superseded submissions do not count. Where those that are
//! looked at do not tell, that is said.
//!
//! Mechanism: the subject's list (see [`crate::filed`]), from the submission backwards and from the beginning, at most
//! 1,000 of it either way.

use crate::error::Error;
use crate::names;
use crate::queue::{integer, nonsense, string};
use crate::redis::{Redis, number, text};

/// The most submissions of a subject that are looked at from either end.
const MOST: u32 = 1000;

/// A submission in a list: when it was written, milliseconds since the epoch, and its id. They are ordered by both.
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
    /// There may be one beyond those that were looked at.
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

/// A subject's submissions of one instrument, or of one kind of report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The subject's pseudonym.
    pub subject: String,
    /// The instrument, or the kind of report.
    pub what: String,
}

/// What precedes submissions, in their order: one script.
///
/// # Errors
/// [`Kind::Away`](crate::error::Kind::Away).
pub async fn find(redis: &Redis, asked: &[(Line, Place)]) -> Result<Vec<Found>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let lists: Vec<String> = asked.iter().map(|(line, _)| names::filed(&line.subject)).collect();
    let keys: Vec<&str> = std::iter::once(names::ERASED).chain(lists.iter().map(String::as_str)).collect();
    let mut arguments = vec![text(names::superseded_mark("")), number(MOST.into())];
    arguments.extend(asked.iter().flat_map(|(line, place)| [number(place.at), text(&place.id), text(&line.what)]));
    let reply = redis.eval(lua!("history.lua"), &keys, arguments).await?;
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
