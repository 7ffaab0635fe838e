//! The course of a person's scores: what the submissions of a timeline scored.
//!
//! Guarantee: it has nothing of a submission that was erased or superseded, and nothing of a site that the reader may not
//! see.
//!
//! Mechanism: the ids come from [`crate::subjects::timeline`]; the records are read without their contents, some at the
//! same time.

use domain::ids::{Pseudonym, SiteId, StudyId};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use platform::Error;
use platform::kv::Store;
use platform::redis::Redis;

use crate::names;
use crate::subjects::links;
use crate::subjects::timeline::Listed;
use crate::wire::entry::{Outline, State, Subject, Superseded};
use crate::wire::evaluation::Evaluation;

/// The number of records that are read at the same time: each may be as long as the longest report.
const READS: usize = 8;

/// The subjects of the same person of which a reader may see the study and site; none if not this one.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn subjects(
    redis: &Redis,
    store: &Store,
    pseudonym: &Pseudonym,
    covers: impl Fn(&StudyId, &SiteId) -> bool,
) -> Result<Option<Vec<Pseudonym>>, Error> {
    let subject: Option<Subject> = store.get(&names::subject(pseudonym)).await?;
    let Some(subject) = subject.filter(|subject| covers(&subject.study_id, &subject.site_id)) else {
        return Ok(None);
    };
    links::covered(redis, &subject.subject, |site| covers(&subject.study_id, site)).await.map(Some)
}

/// The records of submissions, in the given order, without those that are unknown or erased.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn records(store: &Store, listed: &[Listed]) -> Result<Vec<Outline>, Error> {
    let ids = listed.iter().map(|listed| names::submission(&listed.id.as_str().into()));
    let read = stream::iter(ids.map(async |key| store.get::<Outline>(&key).await)).buffered(READS);
    let read = read.try_filter_map(async |record| {
        let record = record.filter(|record| record.state != State::Erased);
        Ok(record.map(|record| Outline { evaluation: Evaluation::default(), ..record }))
    });
    read.try_collect().await
}

/// The same, without those of superseded submissions.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn standing(store: &Store, listed: &[Listed]) -> Result<Vec<Outline>, Error> {
    let mut records = records(store, listed).await?;
    let mut superseded = Vec::with_capacity(records.len());
    for some in records.chunks(READS) {
        let marks = some.iter().map(|record| names::superseded(&record.submission.submission_id));
        superseded.extend(try_join_all(marks.map(async |key| store.get::<Superseded>(&key).await)).await?);
    }
    let mut superseded = superseded.iter();
    records.retain(|_| superseded.next().is_none_or(Option::is_none));
    Ok(records)
}
