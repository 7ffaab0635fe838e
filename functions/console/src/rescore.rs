//! `POST /v1/instruments/{id}/rescore`: scores the stored responses of a study by another version of the instrument.
//!
//! Guarantee: the original scores of a response stay unchanged; the new scores are kept beside them, with an audit
//! chain of their own. A request is a dry run unless it says otherwise, so that the differences can be seen before
//! anything is stored. No alert is raised: old responses are reviewed, they ring nobody.
//!
//! Mechanism: page by page along the study's journal; each page is one transaction.

use domain::ids::{InstrumentId, NAME_RULE, Pseudonym, StudyId, SubmissionId, is_name};
use std::rc::Rc;
use std::time::Duration;

use domain::reading::{self, Json, Limits, Object};
#[cfg(feature = "schema")]
use domain::schema::{Name, ScoreForm};
use domain::{Answers, Code, Finding, Instrument, Parameters};
use platform::digest::{digest, hex};
use platform::http::{Incoming, Reply};
use platform::kv::{self, Batch, Store};
use platform::redis::Redis;
use platform::{Error, clock};
use serde::Serialize;
use serde_json::Value;
use state::audit::{self, Action as Audited, Change};
use state::edge::auth::Principal;
use state::edge::problem::{Findings, Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, reason, unavailable};
use state::journal::{Event, Kind, Position, Reader};
use state::lock::Lock;
use state::settings::Settings;
use state::wire::entry::{Record, Rescore, Rescored, Score, ScoredWith, State, Submission};
use state::wire::sealed::Opener;
use state::{erasure, names};

use crate::config::Config;

/// The longest body, bytes.
const LARGEST: usize = 4096;
/// The most responses of one request, and how many if it does not say.
const MOST: u64 = 500;
/// The most entries of the journal that one request looks at.
const MOST_LOOKED_AT: usize = 5_000;
/// The time that a page may take before another may begin.
const LEASE: Duration = Duration::from_secs(10);

/// The parameters of the request.
struct Request {
    study: StudyId,
    version: String,
    dry_run: bool,
    limit: usize,
    cursor: Option<Position>,
}

/// The result of a page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Rescoring<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    instrument: &'a InstrumentId,
    version: &'a str,
    /// SHA-256 of the version's definition.
    sha256: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    dry_run: bool,
    #[serde(flatten)]
    report: Report,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// The result of a page.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Report {
    /// Responses that were scored again.
    looked: usize,
    /// Those whose scores stay the same.
    unchanged: usize,
    changed: Vec<ChangedScores>,
    /// Responses whose answers this version does not take.
    invalid: Vec<Invalid>,
}

/// A response whose scores differ.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct ChangedScores {
    submission_id: String,
    /// The patient's pseudonym in this study.
    subject: Pseudonym,
    /// The version that scored it when it came in.
    version: Option<String>,
    differences: Vec<Difference>,
}

/// A score that differs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Difference {
    score: String,
    /// Null if the version has no such score.
    before: Option<Shown>,
    /// Null if the version has no such score.
    after: Option<Shown>,
}

/// A score, as far as it is compared.
#[derive(PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Shown {
    #[cfg_attr(feature = "schema", schemars(with = "ScoreForm"))]
    value: Option<Value>,
    band: Option<String>,
    status: String,
}

/// A response that this version does not take.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct Invalid {
    submission_id: String,
    errors: Findings,
}

/// Scores a page of a study's responses again.
pub(crate) async fn answer(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    Query::none(&incoming.query)?;
    let reason = reason(&incoming)?;
    let wanted = Request::read(Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?)?;
    if !principal.covers(&wanted.study, &"*".into()) {
        return Err(Problem::new(ProblemType::Forbidden, "the key does not cover the whole study"));
    }
    let settings = Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))?;
    let known = settings.instrument(&config.redis, id, None).await.map_err(|error| unavailable(&error))?;
    known.ok_or_else(Problem::not_found)?;
    let found =
        settings.instrument(&config.redis, id, Some(&wanted.version)).await.map_err(|error| unavailable(&error))?;
    let unknown = || Problem::invalid(vec![Finding::new("/version", Code::Choice, "is no version of this instrument")]);
    let instrument = found.ok_or_else(unknown)?;
    let lock = if wanted.dry_run {
        None
    } else {
        let lock = Lock::take(&config.redis, names::rescore_lock(&wanted.study), LEASE).await;
        let busy = || Problem::new(ProblemType::Busy, "the study is being scored again, send it again");
        Some(lock.map_err(|error| unavailable(&error))?.ok_or_else(busy)?)
    };
    let done = page(config, principal, reason.as_deref(), &wanted, &instrument).await;
    if let Some(lock) = lock {
        lock.release(&config.redis).await.map_err(|error| unavailable(&error))?;
    }
    let (report, next) = done.map_err(|error| unavailable(&error))?;
    let rescoring = Rescoring {
        instrument: instrument.id(),
        version: instrument.version(),
        sha256: instrument.hash(),
        study_id: &wanted.study,
        dry_run: wanted.dry_run,
        report,
        cursor: next.as_ref().map(Position::to_string),
        more: next.is_some(),
    };
    Ok(Reply::json(200, &rescoring))
}

async fn page(
    config: &Config,
    principal: &Principal,
    reason: Option<&str>,
    wanted: &Request,
    instrument: &Rc<Instrument>,
) -> Result<(Report, Option<Position>), Error> {
    let (redis, store, opener) = (&config.redis, Store::open().await?, Opener::new(&config.ring));
    let (ids, next) = responses(redis, &store, wanted, instrument.id()).await?;
    let (mut report, mut batch, mut stored) = (Report::default(), Batch::default(), Vec::new());
    for id in ids {
        let record = opener.submission(&store, &id).await?;
        let Some(record) = record.filter(|record| record.state == State::Scored) else { continue };
        report.looked += 1;
        let Some(rescore) = report.compare(&record, instrument, principal) else { continue };
        if wanted.dry_run {
            continue;
        }
        if put(redis, &store, &mut batch, &record, rescore, reason).await? {
            stored.push(id);
        }
    }
    kv::put_all(&mut batch)?;
    // An erasure that began meanwhile did not see the scores that were just stored.
    let ids: Vec<&SubmissionId> = stored.iter().collect();
    let erased = erasure::find(redis, &ids).await?;
    kv::remove_all(&erased.keys().map(names::rescored).collect::<Vec<_>>())?;
    Ok((report, next))
}

/// The next scored responses of a study to an instrument, and where to go on if there are more.
async fn responses(
    redis: &Redis,
    store: &Store,
    wanted: &Request,
    instrument: &InstrumentId,
) -> Result<(Vec<SubmissionId>, Option<Position>), Error> {
    let mut journal = Reader::open(redis, store, &wanted.study).await?;
    let (mut ids, mut after, mut looked_at) = (Vec::new(), wanted.cursor.unwrap_or_default(), 0);
    loop {
        let events = journal.after(after).await?;
        if events.is_empty() {
            return Ok((ids, None));
        }
        for (at, Event { kind, what, submission, .. }) in events {
            if ids.len() == wanted.limit || looked_at == MOST_LOOKED_AT {
                return Ok((ids, Some(after)));
            }
            (after, looked_at) = (at, looked_at + 1);
            if kind == Kind::Scored && what == instrument.as_str() {
                ids.push(submission);
            }
        }
    }
}

impl Report {
    /// Scores a response again and notes the differences. `None` if the response cannot be scored.
    fn compare(&mut self, record: &Record, instrument: &Instrument, principal: &Principal) -> Option<Rescore> {
        let submission = &record.submission;
        let (answers, parameters) = match readable(submission, instrument) {
            Ok(readable) => readable,
            Err(faults) => {
                self.invalid
                    .push(Invalid { submission_id: submission.submission_id.to_string(), errors: Findings(faults) });
                return None;
            }
        };
        let scores: Vec<Score> =
            instrument.score(&answers, &parameters).iter().map(|score| Score::of(score).owned()).collect();
        let differences = differences(&record.scores, &scores);
        if differences.is_empty() {
            self.unchanged += 1;
        } else {
            self.changed.push(ChangedScores {
                submission_id: submission.submission_id.to_string(),
                subject: submission.subject.clone(),
                version: record.scored_with.as_ref().map(|with| with.version.clone()),
                differences,
            });
        }
        Some(Rescore {
            scored_with: ScoredWith::of(instrument, &parameters).owned(),
            scores,
            at: clock::now().rfc3339(),
            by: principal.actor.clone(),
        })
    }
}

/// Reads the stored answers and parameters by a version of the instrument.
fn readable(submission: &Submission, instrument: &Instrument) -> Result<(Answers, Parameters), Vec<Finding>> {
    match (instrument.read(&submission.content), instrument.parameters(&submission.parameters)) {
        (Ok(answers), Ok(parameters)) => Ok((answers, parameters)),
        (answers, parameters) => {
            let mut faults = answers.err().unwrap_or_default();
            let placed = |fault: Finding| Finding { pointer: reading::pointer("parameters") + &fault.pointer, ..fault };
            faults.extend(parameters.err().unwrap_or_default().into_iter().map(placed));
            Err(faults)
        }
    }
}

/// The scores that differ, before and after.
fn differences(before: &[Score], after: &[Score]) -> Vec<Difference> {
    let find = |scores: &[Score], id: &str| scores.iter().find(|score| score.id == id).cloned();
    let shown = |score: Option<Score>| score.map(|Score { value, band, status, .. }| Shown { value, band, status });
    let mut ids: Vec<&str> = before.iter().map(|score| score.id.as_str()).collect();
    ids.extend(after.iter().map(|score| score.id.as_str()).filter(|id| find(before, id).is_none()));
    let mut differences = Vec::new();
    for id in ids {
        let (old, new) = (shown(find(before, id)), shown(find(after, id)));
        if old != new {
            differences.push(Difference { score: id.to_owned(), before: old, after: new });
        }
    }
    differences
}

/// Adds scores to a submission, unless it already has scores by this definition, original or added.
async fn put(
    redis: &platform::redis::Redis,
    store: &Store,
    batch: &mut Batch,
    record: &Record,
    rescore: Rescore,
    reason: Option<&str>,
) -> Result<bool, Error> {
    let submission = &record.submission;
    let entity = names::rescored(&submission.submission_id);
    let before = store.bytes(&entity).await?;
    let mut rescored: Rescored = store.get(&entity).await?.unwrap_or_else(|| Rescored {
        submission_id: submission.submission_id.clone(),
        study_id: submission.study_id.clone(),
        site_id: submission.site_id.clone(),
        rescored: Vec::new(),
    });
    let hash = &rescore.scored_with.hash;
    let first = record.scored_with.as_ref().is_some_and(|with| with.hash == *hash);
    if first || rescored.rescored.iter().any(|known| known.scored_with.hash == *hash) {
        return Ok(false);
    }
    let (at, actor) = (rescore.at.clone(), rescore.by.clone());
    rescored.rescored.push(rescore);
    let old = before.map(|bytes| hex(&digest(&bytes)));
    let new = batch.put_hashed(entity.clone(), &rescored)?;
    let of = names::submission(&submission.submission_id);
    let change = Change {
        reason,
        refers_to: Some(&of),
        old: old.as_deref(),
        new: Some(&new),
        ..Change::new(&at, &actor, Audited::Changed)
    };
    audit::append(redis, store, batch, &entity, &change).await?;
    Ok(true)
}

impl Request {
    fn read(document: Json) -> Result<Self, Problem> {
        let Json { value, mut faults, .. } = document;
        let mut members = Object::root(&value).map_err(|fault| Problem::invalid(vec![fault]))?;
        let mut name = |member| {
            members.require(&mut faults, member);
            members.form(&mut faults, member, NAME_RULE, |text| is_name(text).then(|| text.to_owned()))
        };
        let (study, version) = (name("studyId"), name("version"));
        let flag = (Code::Type, "must be true or false");
        let dry_run = members.read(&mut faults, "dryRun", flag, Value::as_bool).unwrap_or(true);
        let rule = format!("must be 1 to {MOST}");
        let limit = members.read(&mut faults, "limit", (Code::Range, &rule), |limit| {
            domain::whole(limit).and_then(|limit| u64::try_from(limit).ok()).filter(|limit| (1..=MOST).contains(limit))
        });
        let limit = limit.unwrap_or(MOST);
        let cursor = members.form(&mut faults, "cursor", "must be the cursor of an earlier answer", Position::parse);
        members.finish(&mut faults);
        match (study, version) {
            (Some(study), Some(version)) if faults.is_empty() => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                Ok(Request { study: study.into(), version, dry_run, limit, cursor })
            }
            _ => Err(Problem::invalid(faults)),
        }
    }
}
