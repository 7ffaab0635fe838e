//! The timeline: the submissions of a subject, or of several subjects that are one person, in the order in which they
//! were written.
//!
//! Guarantee: a list that is read page by page shows each submission that stays in it exactly once, even if others are
//! added or erased meanwhile.
//!
//! Mechanism: a sorted set for each subject, written by `finish.lua`. A cursor names the last submission shown. Each
//! set continues after its position, even if the set does not contain it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::Pseudonym;
use platform::Error;
use platform::redis::{Redis, integer, string, text};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::wire::entry::Submission;

/// A submission of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T = String> {
    /// The time of writing, milliseconds since the epoch; the time of arrival if the clock of its writer was wrong.
    pub at_ms: i64,
    /// The site.
    pub site: T,
    /// The instrument, or the kind of report.
    pub what: T,
    /// The submission's id.
    pub id: T,
    /// Whether its clock was wrong, so that no other is compared with it.
    pub skewed: bool,
}

/// The last word of a member whose clock was wrong.
const SKEWED: &str = "skewed";

impl<'a> Listed<&'a str> {
    /// The timeline entry of a submission; none if it does not say when it was written.
    pub fn of<C>(submission: &'a Submission<C>) -> Option<Self> {
        Some(Listed {
            at_ms: submission.placed_at()?.millis(),
            site: submission.site_id.as_str(),
            what: submission.topic(),
            id: submission.submission_id.as_str(),
            skewed: submission.is_skewed(),
        })
    }
}

impl<T: AsRef<str>> Listed<T> {
    /// Its member in the set.
    pub fn member(&self) -> String {
        let end = if self.skewed { [" ", SKEWED].concat() } else { String::new() };
        [self.id.as_ref(), " ", self.site.as_ref(), " ", self.what.as_ref(), &end].concat()
    }
}

impl Listed {
    fn read(at_ms: i64, member: &str) -> Option<Self> {
        let mut parts = member.split(' ').map(str::to_owned);
        let (id, site, what) = (parts.next()?, parts.next()?, parts.next()?);
        let (end, rest) = (parts.next(), parts.next());
        let skewed = end.as_deref() == Some(SKEWED);
        (rest.is_none() && skewed == end.is_some()).then_some(Listed { at_ms, site, what, id, skewed })
    }

    /// The cursor that continues after this submission, for clients.
    pub fn cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {}", self.at_ms, self.member()))
    }

    /// The submission that a cursor names.
    pub fn from_cursor(cursor: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (at_ms, member) = text.split_once(' ')?;
        Listed::read(at_ms.parse().ok()?, member)
    }
}

/// The filter of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Only those of this instrument or kind.
    pub what: Option<&'a str>,
    /// The latest first.
    pub latest_first: bool,
    /// Those after this one.
    pub after: Option<&'a Listed>,
    /// The most submissions.
    pub limit: usize,
}

/// Lists the submissions of subjects. Returns also whether there are more.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn list(redis: &Redis, subjects: &[Pseudonym], wanted: Filter<'_>) -> Result<(Vec<Listed>, bool), Error> {
    let (mut all, mut more) = (Vec::new(), false);
    for subject in subjects {
        let (filed, further) = of_one(redis, subject, wanted).await?;
        all.extend(filed);
        more |= further;
    }
    let place = |filed: &Listed| (filed.at_ms, filed.member());
    if subjects.len() > 1 {
        all.sort_by_key(place);
        if wanted.latest_first {
            all.reverse();
        }
    }
    let limit = wanted.limit;
    more |= all.len() > limit;
    all.truncate(limit);
    Ok((all, more))
}

async fn of_one(redis: &Redis, pseudonym: &Pseudonym, wanted: Filter<'_>) -> Result<(Vec<Listed>, bool), Error> {
    let (at, member) = wanted.after.map_or((0, String::new()), |after| (after.at_ms, after.member()));
    let script = TimelineScript {
        timeline: names::filed(pseudonym),
        latest_first: wanted.latest_first,
        at,
        member,
        most: wanted.limit,
        what: wanted.what.unwrap_or_default(),
    };
    script.run(redis).await
}

script! {
    TimelineScript<'a> = "subjects/timeline.lua",
    keys { timeline: String }
    args { latest_first: bool, at: i64, member: String, most: usize, what: &'a str }
    reply (Vec<Listed>, bool), by |reply| listed(&reply)
}

fn listed(reply: &[RedisResult]) -> Option<(Vec<Listed>, bool)> {
    let (more, entries) = reply.split_first()?;
    let (pairs, rest) = entries.as_chunks::<2>();
    let filed = pairs.iter().map(|[at, member]| Listed::read(integer(at)?, &string(member)?));
    let filed: Option<Vec<Listed>> = filed.collect();
    Some((filed.filter(|_| rest.is_empty())?, string(more)? == "1"))
}

/// Removes a submission from its subject's list, where it is stored as this member.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn remove(redis: &Redis, pseudonym: &Pseudonym, member: String) -> Result<(), Error> {
    redis.command("ZREM", vec![text(names::filed(pseudonym)), text(member)]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_a_submission_and_nothing_else_is_one() {
        for skewed in [false, true] {
            let filed = Listed { at_ms: -5, site: "1".into(), what: "phq-9".into(), id: "a-b".into(), skewed };
            assert_eq!(Listed::from_cursor(&filed.cursor()), Some(filed));
        }
        for text in [
            "",
            "AAAA",
            "not base64!",
            &URL_SAFE_NO_PAD.encode("x a 1 phq-9"),
            &URL_SAFE_NO_PAD.encode("1 a 1"),
            &URL_SAFE_NO_PAD.encode("1 a 1 w late"),
        ] {
            assert_eq!(Listed::from_cursor(text), None, "{text}");
        }
    }
}
