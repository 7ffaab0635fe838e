//! The earlier submissions of a subject: which ones they are. Their scores are in their records.
//!
//! Guarantee: among the submissions finished before the call, it names the last one written before a submission and the
//! first of all, in whatever order they came in. Erased and superseded submissions do not count, nor do those whose clock
//! was wrong; those of linked subjects do. If the submissions it examined do not settle the answer, the result is [`Past::Unknown`].
//!
//! Mechanism: the lists of the person's subjects (see [`crate::subjects::timeline`], [`crate::subjects::links`]). It
//! reads each from the submission backwards and from the beginning, at most 1,000 each way.

use domain::ids::{Pseudonym, SiteId, SubmissionId};
use platform::Error;
use platform::redis::{Redis, flat, integer, string, unexpected};
use spin_sdk::redis::RedisResult;

use crate::names;

/// The most submissions of a list that are examined from each end.
const MOST: u32 = 1000;

/// A submission in a list: when it was written, milliseconds since the epoch, and its id. Lists are ordered by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The time of writing.
    pub at: i64,
    /// Its id.
    pub id: SubmissionId,
    /// Its site.
    pub site: SiteId,
}

/// An earlier submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// There is none.
    None,
    /// There may be one beyond those that were examined.
    Unknown,
    /// This one.
    Known(Position),
}

/// The submissions before a given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    /// It is superseded itself, and does not count for others.
    pub superseded: bool,
    /// The same pseudonym for all subjects of one person: one of theirs.
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
    pub subject: Pseudonym,
    /// The instrument, or the kind of report.
    pub what: String,
}

/// Finds the submissions before each of these, in their order, in one script.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn find(redis: &Redis, asked: &[(Line, Position)]) -> Result<Vec<Neighbours>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let script = PreviousScript {
        erased: names::ERASED,
        links: names::LINKS,
        lists: asked.iter().map(|(line, _)| names::filed(&line.subject)).collect(),
        marks: names::superseded_mark(&SubmissionId::default()),
        list: names::filed(&Pseudonym::default()),
        most: MOST,
        asked: asked
            .iter()
            .map(|(line, place)| (place.at, place.id.as_str(), &*line.what, line.subject.as_str()))
            .collect(),
    };
    let reply = script.run(redis).await?;
    let (parts, rest) = reply.as_chunks::<8>();
    let found: Option<Vec<Neighbours>> = parts
        .iter()
        .map(|[superseded, person, previous @ .., first, first_site, first_at]| {
            let past = |[id, site, at]: [&RedisResult; 3]| match string(id)?.as_str() {
                "" => Some(Past::None),
                "?" => Some(Past::Unknown),
                id => Some(Past::Known(Position { at: integer(at)?, id: id.into(), site: string(site)?.into() })),
            };
            Some(Neighbours {
                superseded: string(superseded)? == "1",
                person: string(person)?,
                previous: past(previous.each_ref())?,
                baseline: past([first, first_site, first_at])?,
            })
        })
        .collect();
    found
        .filter(|found| rest.is_empty() && found.len() == asked.len())
        .ok_or_else(|| unexpected("subjects/previous.lua"))
}

script! {
    PreviousScript<'a> = "subjects/previous.lua",
    keys { erased: &'static str, links: &'static str, lists: Vec<String> }
    args { marks: String, list: String, most: u32, asked: Vec<(i64, &'a str, &'a str, &'a str)> }
    reply Vec<RedisResult>, by flat
}
