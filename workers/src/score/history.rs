//! A subject's earlier scores, for rules that ask for a change.
//!
//! Guarantee: a submission is compared with the one written last before it and with the first one. Erased and
//! superseded submissions do not count. Submissions finished before and those in the same batch count alike, and so do
//! those of linked subjects. If they cannot be read in time, the record says so, and the submission is evaluated
//! without them.
//!
//! Not for: a strict order between workers. Submissions that another worker holds at this moment are not seen.

use domain::ids::{SiteId, SubmissionId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use domain::History;
use domain::lab::{Baseline, Measured};
use futures::future::join_all;
use platform::deadline::Deadline;
use platform::kv::Store;
use platform::redis::Redis;
use platform::{Error, log};
use serde_json::{Map, Value};
use state::names;
use state::subjects::previous::{self, Line, Neighbours, Position};
use state::wire::entry::{State, Submission};
use state::wire::evaluation::{HistoryStatus, HistoryUsed};
use state::wire::sealed::{KeyRing, Opener, StoredRecord, without_content};

use crate::score::context::{Past, READS, Wanting};

/// The time that reading the earlier submissions of a batch may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The line of a submission, and its place there; none for submissions that are never compared.
fn placed(submission: &Submission) -> Option<(Line, Position)> {
    if submission.instrument.is_none() && submission.kind != "lab" {
        return None;
    }
    let at = submission.placed_at()?.millis();
    let line = Line { subject: submission.subject.clone(), what: submission.topic().to_owned() };
    Some((line, Position { at, id: submission.submission_id.clone(), site: submission.site_id.clone() }))
}

/// The part of an earlier submission that is compared. Its content may be large, and is not kept.
#[derive(Clone)]
struct Earlier {
    scores: Numbers,
    baselines: Vec<Baseline>,
}

impl Earlier {
    fn of<'a>(scores: impl Iterator<Item = (&'a String, &'a Option<Value>)>, content: &Map<String, Value>) -> Self {
        Earlier { scores: numbers(scores), baselines: Baseline::of(&Measured::list(content)) }
    }
}

/// Numeric scores, by their ids.
type Numbers = BTreeMap<String, f64>;

fn numbers<'a>(scores: impl Iterator<Item = (&'a String, &'a Option<Value>)>) -> Numbers {
    scores.filter_map(|(id, value)| Some((id.clone(), value.as_ref()?.as_f64()?))).collect()
}

/// Reads the earlier submissions and the laboratory baselines of all that want them, in their order.
pub(crate) async fn read(
    redis: &Redis,
    store: &Store,
    ring: &Rc<KeyRing>,
    wanting: &[Wanting<'_>],
) -> Vec<(Option<Past>, Vec<Baseline>)> {
    let asked: Vec<(&Wanting<'_>, (Line, Position))> = wanting
        .iter()
        .filter(|wanting| wanting.needs.history)
        .filter_map(|wanting| Some((wanting, placed(&wanting.entry.submission)?)))
        .collect();
    let mut found = Vec::new();
    if !asked.is_empty() {
        let unavailable =
            |cause: &dyn Display| log::warn("history-unavailable").count(asked.len()).cause(cause).write();
        match Deadline::after(PATIENCE).run(find(redis, (store, ring), &asked)).await {
            Ok(Ok(had)) => found = had,
            Ok(Err(error)) => unavailable(&error),
            Err(timed_out) => unavailable(&timed_out),
        }
    }
    let mut found = found.into_iter();
    let of = |wanting: &Wanting<'_>| {
        if !wanting.needs.history {
            return (None, Vec::new());
        }
        let placed = placed(&wanting.entry.submission).is_some();
        let (past, baselines) = placed.then(|| found.next()).flatten().unwrap_or((Past::Unavailable, Vec::new()));
        (Some(past), baselines)
    };
    wanting.iter().map(of).collect()
}

/// For each of those that ask, in their order: the submissions before it, and its baselines.
type Earliers = Vec<(Past, Vec<Baseline>)>;

async fn find(
    redis: &Redis,
    (store, ring): (&Store, &Rc<KeyRing>),
    asked: &[(&Wanting<'_>, (Line, Position))],
) -> Result<Earliers, Error> {
    let opener = Opener::new(ring);
    let places: Vec<(Line, Position)> = asked.iter().map(|(_, placed)| placed.clone()).collect();
    let found = previous::find(&redis.within(PATIENCE), &places).await?;
    let mut batch: BTreeMap<(String, &str), BTreeMap<&Position, &Wanting<'_>>> = BTreeMap::new();
    for ((wanting, (line, place)), found) in asked.iter().zip(&found) {
        if !found.superseded && !wanting.entry.submission.is_skewed() {
            batch.entry((found.person.clone(), &line.what)).or_default().insert(place, wanting);
        }
    }
    let chosen: Vec<(previous::Past, previous::Past)> = places
        .iter()
        .zip(found)
        .map(|((line, place), found)| {
            let beside = batch.get(&(found.person.clone(), line.what.as_str()));
            let before =
                || beside.into_iter().flat_map(|beside| beside.range::<&Position, _>(..place)).map(|(place, _)| *place);
            choose(found, before().next_back(), before().next())
        })
        .collect();
    let known = |past: &previous::Past| match past {
        previous::Past::Known(place) => Some(place.id.clone()),
        previous::Past::None | previous::Past::Unknown => None,
    };
    let here: BTreeMap<&SubmissionId, &Wanting<'_>> =
        batch.values().flatten().map(|(place, wanting)| (&place.id, *wanting)).collect();
    let stored: BTreeSet<SubmissionId> = chosen
        .iter()
        .flat_map(|(previous, baseline)| [known(previous), known(baseline)])
        .flatten()
        .filter(|id| !here.contains_key(id))
        .collect();
    let stored: Vec<SubmissionId> = stored.into_iter().collect();
    let mut records: BTreeMap<&SubmissionId, Earlier> = BTreeMap::new();
    for some in stored.chunks(READS) {
        let read = some.iter().map(async |id| {
            let record: StoredRecord = store.get(&names::submission(id)).await.ok()??;
            // Only laboratory results are compared by their content.
            let record = match record.submission.kind == "lab" {
                true => opener.open(store, record).await.ok()?,
                false => without_content(record),
            };
            let scores = record.scores.iter().map(|score| (&score.id, &score.value));
            (record.state == State::Scored).then(|| Earlier::of(scores, &record.submission.content))
        });
        let read = some.iter().zip(join_all(read).await);
        records.extend(read.filter_map(|(id, earlier)| Some((id, earlier?))));
    }
    let earlier = |id: &SubmissionId| match (here.get(id), records.get(id)) {
        (Some(here), _) => {
            let scores = here.scores.iter().map(|score| (&score.id, &score.value));
            Some(Earlier::of(scores, &here.entry.submission.content))
        }
        (None, earlier) => earlier.cloned(),
    };
    // None: it should be there, but is not.
    let had = |past: &previous::Past| match past {
        previous::Past::None => Some(None),
        previous::Past::Unknown => None,
        previous::Past::Known(place) => earlier(&place.id).map(|earlier| Some((place.id.clone(), earlier))),
    };
    let elsewhere =
        |past: &previous::Past, site: &SiteId| matches!(past, previous::Past::Known(place) if place.site != *site);
    let of = |((previous, baseline), (_, place)): (&(previous::Past, previous::Past), &(Line, Position))| {
        let previous_elsewhere = elsewhere(previous, &place.site);
        let baseline_elsewhere = elsewhere(baseline, &place.site);
        let (Some(previous), Some(baseline)) = (had(previous), had(baseline)) else {
            return (Past::Unavailable, Vec::new());
        };
        let used = HistoryUsed {
            status: HistoryStatus::Available,
            previous: previous.as_ref().map(|(id, _)| id.clone()),
            baseline: baseline.as_ref().map(|(id, _)| id.clone()),
        };
        let scores = |earlier: &Option<(SubmissionId, Earlier)>| {
            earlier.as_ref().map(|(_, earlier)| earlier.scores.clone()).unwrap_or_default()
        };
        let (previous, first) = (scores(&previous), scores(&baseline));
        let history = History { previous, baseline: first, previous_elsewhere, baseline_elsewhere };
        (Past::Had(history, used), baseline.map(|(_, earlier)| earlier.baselines).unwrap_or_default())
    };
    Ok(chosen.iter().zip(&places).map(of).collect())
}

/// Chooses the previous and the first submission, among those of the list and those of the batch.
fn choose(found: Neighbours, last: Option<&Position>, first: Option<&Position>) -> (previous::Past, previous::Past) {
    use previous::Past;
    let either = |index: Past, beside: Option<&Position>, later: bool| match (index, beside) {
        (Past::Known(known), Some(beside)) if (*beside > known) == later => Past::Known(beside.clone()),
        (Past::None, Some(beside)) => Past::Known(beside.clone()),
        (index, _) => index,
    };
    (either(found.previous, last, true), either(found.baseline, first, false))
}

#[cfg(test)]
mod tests {
    use previous::Past;

    use super::*;

    fn place(at: i64, id: &str) -> Position {
        Position { at, id: id.into(), site: "1".into() }
    }

    fn check(index: (Past, Past), batch: Option<(Position, Position)>, expected: (Past, Past)) {
        let found = Neighbours { superseded: false, person: "p".to_owned(), previous: index.0, baseline: index.1 };
        let (last, first) = batch.unzip();
        assert_eq!(choose(found, last.as_ref(), first.as_ref()), expected);
    }

    #[test]
    fn of_index_and_batch_the_latest_precedes_and_the_earliest_is_the_baseline() {
        let known = |at, id| Past::Known(place(at, id));
        check((Past::None, Past::None), None, (Past::None, Past::None));
        check((known(5, "a"), known(1, "b")), None, (known(5, "a"), known(1, "b")));
        let batch = || Some((place(7, "c"), place(3, "d")));
        check((known(5, "a"), known(1, "b")), batch(), (known(7, "c"), known(1, "b")));
        check((known(9, "a"), known(4, "b")), batch(), (known(9, "a"), known(3, "d")));
        check((Past::None, Past::None), batch(), (known(7, "c"), known(3, "d")));
        // If the times are equal, the ids decide.
        check((known(7, "b"), known(3, "e")), batch(), (known(7, "c"), known(3, "d")));
        // If the list did not settle the answer, it stays unknown.
        check((Past::Unknown, Past::Unknown), batch(), (Past::Unknown, Past::Unknown));
    }
}
