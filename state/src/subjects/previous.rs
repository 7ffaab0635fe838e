//! A subject's earlier submissions: which they are. What they scored is in their records.
//!
//! Guarantee: of what was finished before the question, the one that was written last before a submission and the first
//! of all are named, whatever order they came in. Erased and superseded submissions do not count; those of linked subjects
//! do. Where those that are looked at do not tell, that is said.
//!
//! Mechanism: the lists of the person's subjects (see [`crate::subjects::timeline`], [`crate::subjects::links`]), from the submission backwards
//! and from the beginning, at most 1,000 of each either way.

use spin_sdk::redis::RedisResult;

use crate::names;
use platform::Error;
use platform::redis::{Redis, integer, number, string, text, unexpected};

/// The most submissions of a list that are looked at from either end.
const MOST: u32 = 1000;

/// A submission in a list: when it was written, milliseconds since the epoch, and its id. They are ordered by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was written.
    pub at: i64,
    /// Its id.
    pub id: String,
    /// Its site.
    pub site: String,
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
    /// Stands for all subjects of its person: one of their pseudonyms.
    pub person: String,
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
/// [`Kind::Away`](platform::Kind::Away).
pub async fn find(redis: &Redis, asked: &[(Line, Place)]) -> Result<Vec<Found>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let lists: Vec<String> = asked.iter().map(|(line, _)| names::filed(&line.subject)).collect();
    let keys = [names::ERASED, names::LINKS].into_iter().chain(lists.iter().map(String::as_str)).collect::<Vec<_>>();
    let mut arguments = vec![text(names::superseded_mark("")), text(names::filed("")), number(MOST.into())];
    for (line, place) in asked {
        arguments.extend([number(place.at), text(&place.id), text(&line.what), text(&line.subject)]);
    }
    let reply = redis.eval(lua!("subjects/previous.lua"), &keys, arguments).await?;
    let (parts, rest) = reply.as_chunks::<8>();
    let found: Option<Vec<Found>> = parts
        .iter()
        .map(|[superseded, person, previous @ .., first, first_site, first_at]| {
            let past = |[id, site, at]: [&RedisResult; 3]| match string(id)?.as_str() {
                "" => Some(Past::None),
                "?" => Some(Past::Unknown),
                id => Some(Past::Known(Place { at: integer(at)?, id: id.to_owned(), site: string(site)? })),
            };
            Some(Found {
                superseded: string(superseded)? == "1",
                person: string(person)?,
                previous: past(previous.each_ref())?,
                baseline: past([first, first_site, first_at])?,
            })
        })
        .collect();
    found.filter(|found| rest.is_empty() && found.len() == asked.len()).ok_or_else(|| unexpected("history"))
}
