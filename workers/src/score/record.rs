//! One submission: its scores, its alerts, its record.

use domain::ids::{AlertId, InstrumentId, Pseudonym, StudyId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use domain::intake::ReportKind;
use domain::{Answers, Instrument};
use platform::digest::{digest, hex};
use platform::kv::Batch;
use platform::redis::Redis;
use platform::{Error, Kind, log};
use serde::Deserialize;
use state::health::self_check;
use state::journal::{self, Event};
use state::names;
use state::queue::holder::Holder;
use state::queue::subject_keys::HeldKeys;
use state::queue::{Claimed, Finished, FollowUps};
use state::settings::Settings;
use state::wire::entry::{Entry, Record, Score, ScoredWith, State, Subject, Submission};
use state::wire::queued::{DispatchEntry, ScoreEntry, Supersede};
use state::wire::sealed::{Content, StoredSubmission};

use crate::score::context::{Context, Known, Needs};
use crate::score::decide::{self, Decided};
use crate::score::index_updates;
use crate::score::overdue::{self, Check};
use crate::score::risk;
use crate::score::rules::Rules;
use crate::score::work::Scored;

/// Scores submissions. Caches the instruments it has read, and the keys of subjects.
pub(crate) struct Scorer {
    pub(crate) keys: HeldKeys,
    pub(crate) rules: Rules,
    /// By id, then by the version that a submission names.
    instruments: BTreeMap<InstrumentId, BTreeMap<Option<String>, Option<Rc<Instrument>>>>,
    /// The sealed identities already put into a batch, by pseudonym. If a batch cannot be stored, the drain ends, and
    /// this memory with it.
    subjects: HashMap<Pseudonym, String>,
}

/// The most subjects that are remembered.
const MOST_SUBJECTS: usize = 20_000;

/// The part of a stored alert that is counted and named.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raised {
    alert_id: AlertId,
    severity: String,
}

/// The result of scoring a response by an instrument.
#[derive(Default)]
pub(crate) struct Outcome<'a> {
    pub(crate) scored_with: Option<ScoredWith<&'a str>>,
    pub(crate) scores: Vec<Score<&'a str>>,
    pub(crate) decided: Decided,
}

impl<'a> Outcome<'a> {
    fn of(computed: Option<Computed<'a>>, decided: Decided) -> Self {
        let Some(Computed { scored_with, scores, .. }) = computed else {
            return Outcome { scored_with: None, scores: Vec::new(), decided };
        };
        Outcome { scored_with: Some(scored_with), scores: scores.iter().map(Score::of).collect(), decided }
    }
}

/// A claimed entry, parsed.
pub(crate) enum Work<'a> {
    Score(&'a Claimed, Box<Entry>),
    Supersede(&'a Claimed, Supersede),
    Check(&'a Claimed, Check),
    Unreadable(&'a Claimed),
}

impl<'a> Work<'a> {
    pub(crate) fn read(claimed: &'a Claimed) -> Self {
        match platform::json::read::<ScoreEntry>(&claimed.payload) {
            Ok(ScoreEntry::Submission(entry)) => Work::Score(claimed, entry),
            Ok(ScoreEntry::Supersede(supersede)) => Work::Supersede(claimed, supersede),
            Ok(ScoreEntry::Check(check)) => Work::Check(claimed, Check::asked(check)),
            Err(_) => Work::Unreadable(claimed),
        }
    }

    /// The study whose rules are needed.
    pub(crate) fn study(&self) -> Option<&StudyId> {
        match self {
            Work::Score(_, entry) => Some(&entry.submission.study_id),
            Work::Check(_, check) => Some(check.study()),
            Work::Supersede(..) | Work::Unreadable(_) => None,
        }
    }

    /// The entry.
    pub(crate) fn claimed(&self) -> &'a Claimed {
        match self {
            Work::Score(claimed, _)
            | Work::Supersede(claimed, _)
            | Work::Check(claimed, _)
            | Work::Unreadable(claimed) => claimed,
        }
    }

    /// The submission, if there is one to score.
    pub(crate) fn submission(&self) -> Option<&Submission> {
        match self {
            Work::Score(_, entry) => Some(&entry.submission),
            Work::Supersede(..) | Work::Check(..) | Work::Unreadable(_) => None,
        }
    }
}

/// Ends an unusable entry with a dead letter.
pub(crate) fn give_up(reason: &'static str, id: &str, claimed: &Claimed) -> Finished {
    let mut finished = Finished { id: claimed.id.clone(), submission: None, follow_ups: FollowUps::default() };
    dead(reason, id, claimed, &mut finished.follow_ups);
    finished
}

fn dead(reason: &'static str, id: &str, claimed: &Claimed, follow_ups: &mut FollowUps) {
    log::error("submission-dead").submission(id).outcome(reason).attempt(claimed.attempt).write();
    follow_ups.dead(reason, &claimed.payload);
}

impl Scorer {
    pub(crate) fn new(keys: HeldKeys) -> Self {
        Scorer { keys, rules: Rules::default(), instruments: BTreeMap::new(), subjects: HashMap::new() }
    }

    /// Loads the keys of the subjects of a batch. Returns the entries that must wait, because no key of the installation
    /// opens the keys of a subject.
    pub(crate) async fn load_keys(
        &mut self,
        redis: &Redis,
        holder: &Holder,
        work: &[Work<'_>],
    ) -> Result<BTreeSet<String>, Error> {
        let submissions = work.iter().filter_map(Work::submission);
        let real = submissions.filter(|submission| !self_check::is_probe(&submission.study_id));
        let subjects = real.map(|submission| &submission.subject).collect();
        for destroyed in self.keys.load(redis, holder, subjects).await? {
            self.subjects.remove(&destroyed);
        }
        let unopened = self.keys.unopened();
        let must_wait = |work: &&Work<'_>| work.submission().is_some_and(|it| unopened.contains(&it.subject));
        let waiting: BTreeSet<String> = work.iter().filter(must_wait).map(|work| work.claimed().id.clone()).collect();
        if !waiting.is_empty() {
            log::error("subject-keys-unopened").count(waiting.len()).write();
        }
        Ok(waiting)
    }

    /// Loads the instrument of a submission, if there is one of its name and version.
    pub(crate) async fn load(
        &mut self,
        redis: &Redis,
        settings: &Settings,
        submission: &Submission,
    ) -> Result<(), Error> {
        let Submission { instrument: Some(id), instrument_version: version, .. } = submission else { return Ok(()) };
        if self.instruments.get(id).is_some_and(|versions| versions.contains_key(version)) {
            return Ok(());
        }
        let found = settings.instrument(redis, id.as_str(), version.as_deref()).await?;
        self.instruments.entry(id.clone()).or_default().insert(version.clone(), found);
        Ok(())
    }

    /// Scores an entry, adds its records to the batch and returns its follow-ups.
    pub(crate) fn finish(
        &mut self,
        claimed: &Claimed,
        entry: Entry,
        known: Known,
        max_attempts: u32,
        scored: &mut Scored,
    ) -> Result<Finished, Error> {
        if self_check::is_probe(&entry.submission.study_id) {
            return self.probe(claimed, &entry, max_attempts, scored);
        }
        let (batch, submission) = (&mut scored.batch, &entry.submission);
        let id = submission.submission_id.clone();
        let mut follow_ups = FollowUps::default();
        if !matches!(known, Known::Nothing) {
            follow_ups.unpin(id.as_str());
        }
        if let Known::Stored { alerts, hash } = known {
            let kept: Vec<Raised> = alerts.iter().filter_map(|alert| serde_json::from_str(alert).ok()).collect();
            index_updates::follow_ups(submission, kept.iter().map(|it| it.severity.as_str()), &mut follow_ups);
            let records: Vec<String> = alerts.iter().map(|alert| hex(&digest(alert.as_bytes()))).collect();
            journal(submission, journal::Kind::Scored, hash, &records, &mut follow_ups);
            // The bytes of a `DispatchEntry`, without reading the alert.
            alerts.iter().for_each(|alert| follow_ups.push(&format!("{{\"alert\":{alert}}}")));
            if !kept.is_empty() {
                scored.raised.insert(id.clone(), kept.into_iter().map(|it| it.alert_id).collect());
            }
            overdue::follow_up(&self.rules, submission, &mut follow_ups)?;
            return Ok(Finished { id: claimed.id.clone(), submission: Some(id), follow_ups });
        }
        let exhausted = claimed.attempt > max_attempts;
        let instrument = self.instrument(submission);
        let scored_by = instrument.as_deref();
        let outcome = if exhausted { Err("attempts-exhausted") } else { self.outcome(&entry, scored_by, known) };
        self.put_subject(batch, &entry, &mut follow_ups)?;
        // From here on nothing reads the content.
        let submission = self.sealed(entry.submission)?;
        let failed = outcome.as_ref().err().copied();
        let outcome = outcome.unwrap_or_default();
        let alerts: Vec<AlertId> = outcome.decided.alerts.iter().map(|alert| alert.alert_id.clone()).collect();
        let severities = outcome.decided.alerts.iter().map(|alert| alert.severity.as_str());
        match failed {
            Some(reason) => {
                dead(reason, id.as_str(), claimed, &mut follow_ups);
                index_updates::came(&submission, false, &mut follow_ups);
            }
            None => index_updates::follow_ups(&submission, severities, &mut follow_ups),
        }
        let mut records = Vec::with_capacity(alerts.len());
        for alert in outcome.decided.alerts {
            records.push(batch.put_hashed(names::alert(&alert.alert_id), &alert)?);
            follow_ups.push(&DispatchEntry::Alert(&alert).line()?);
        }
        if !alerts.is_empty() {
            scored.raised.insert(id.clone(), alerts.clone());
        }
        let record = Record {
            state: if failed.is_some() { State::Failed } else { State::Scored },
            reason: failed.map(str::to_owned),
            submission: &submission,
            scored_with: outcome.scored_with,
            scores: outcome.scores,
            alerts,
            evaluation: outcome.decided.evaluation,
        };
        let hash = batch.put_hashed(names::submission(&id), &record)?;
        let kind = if failed.is_some() { journal::Kind::Failed } else { journal::Kind::Scored };
        journal(&submission, kind, hash, &records, &mut follow_ups);
        overdue::follow_up(&self.rules, &submission, &mut follow_ups)?;
        Ok(Finished { id: claimed.id.clone(), submission: Some(id), follow_ups })
    }

    /// A submission as it is stored.
    fn sealed(&self, submission: Submission) -> Result<StoredSubmission, Error> {
        let keys = self.keys.get(&submission.subject);
        let content = keys.map(|keys| keys.seal_content(&submission.submission_id, &submission.content)).transpose()?;
        let content =
            content.ok_or_else(|| Error::new("seal", Kind::Refused, "the keys of a subject were not loaded"))?;
        Ok(submission.map(|_| Content::Sealed(content)))
    }

    /// Adds a subject to the batch, unless the last record put there for it in this drain was the same. Its keys are
    /// stored with it, if they are new.
    fn put_subject(&mut self, batch: &mut Batch, entry: &Entry, follow_ups: &mut FollowUps) -> Result<(), Error> {
        let submission = &entry.submission;
        let Submission { subject, study_id, site_id, .. } = submission;
        let sealed = &entry.sealed;
        // A pseudonym belongs to one study and site.
        if self.subjects.get(subject) == Some(sealed) {
            return Ok(());
        }
        if self.subjects.len() >= MOST_SUBJECTS {
            self.subjects.clear();
        }
        let keys = self.keys.put(subject, batch, follow_ups)?;
        let (subject, study_id, site_id) = (subject.clone(), study_id.clone(), site_id.clone());
        let twice = keys.seal_identity(&subject, sealed)?;
        let record = Subject { subject, study_id, site_id, sealed: twice };
        batch.put(names::subject(&record.subject), &record)?;
        self.subjects.insert(record.subject, sealed.clone());
        Ok(())
    }

    /// The context that an entry needs before it is scored.
    pub(crate) fn needs(&mut self, entry: &Entry, risk: &risk::Config) -> Needs {
        let submission = &entry.submission;
        if self_check::is_probe(&submission.study_id) {
            return Needs::default();
        }
        let Some(id) = &submission.instrument else {
            let kind = ReportKind::parse(&submission.kind);
            let changed = kind.is_some_and(|kind| self.rules.changes_report(&submission.study_id, kind));
            let history = kind == Some(ReportKind::Lab) && self.rules.lab_baseline(&submission.study_id);
            return Needs { maybe_decided: changed, history, risk: false };
        };
        let Some(instrument) = self.instrument(submission) else { return Needs::default() };
        let rules = self.rules.of_response(&submission.study_id, &instrument);
        let history = rules.all(&instrument).iter().any(domain::Rule::needs_history);
        Needs { maybe_decided: rules.used.is_some(), history, risk: risk.covers(id) }
    }

    /// The scores of an entry as they will be stored; `None` if it cannot be scored.
    pub(crate) fn scores(&self, entry: &Entry) -> Option<Vec<Score>> {
        let instrument = self.instrument(&entry.submission);
        let computed = compute(entry, instrument.as_deref()).ok()?;
        let scores = computed.iter().flat_map(|computed| &computed.scores);
        Some(scores.map(|score| Score::of(score).owned()).collect())
    }

    /// Scores an entry. An earlier decision on it stands.
    fn outcome<'a>(
        &mut self,
        entry: &Entry,
        instrument: Option<&'a Instrument>,
        known: Known,
    ) -> Result<Outcome<'a>, &'static str> {
        match known {
            Known::Decided(decided) => Ok(Outcome::of(compute(entry, instrument)?, decided)),
            Known::Nothing | Known::Stored { .. } => self.score(entry, instrument, &Context::default()),
        }
    }

    /// Scores an entry by its own instrument and decides on it. The reason of an error is a fixed word.
    pub(crate) fn score<'a>(
        &mut self,
        entry: &Entry,
        instrument: Option<&'a Instrument>,
        context: &Context,
    ) -> Result<Outcome<'a>, &'static str> {
        let computed = compute(entry, instrument)?;
        let decided = match &computed {
            Some(Computed { instrument, answers, scores, .. }) => {
                decide::response(&mut self.rules, entry, instrument, answers, scores, context)
            }
            None => decide::report(&mut self.rules, entry, context),
        };
        Ok(Outcome::of(computed, decided))
    }

    /// The instrument of a submission, which [`Scorer::load`] has loaded.
    pub(crate) fn instrument(&self, submission: &Submission) -> Option<Rc<Instrument>> {
        self.instruments.get(submission.instrument.as_ref()?)?.get(&submission.instrument_version)?.clone()
    }
}

/// A response, scored.
struct Computed<'a> {
    instrument: &'a Instrument,
    answers: Answers,
    scored_with: ScoredWith<&'a str>,
    scores: Vec<domain::Score<'a>>,
}

/// Scores a response by its instrument; `None` for a report, which has no score.
fn compute<'a>(entry: &Entry, instrument: Option<&'a Instrument>) -> Result<Option<Computed<'a>>, &'static str> {
    let submission = &entry.submission;
    if submission.instrument.is_none() {
        return Ok(None);
    }
    let instrument = instrument.ok_or("instrument-unknown")?;
    let answers = instrument.read(&submission.content).map_err(|_| "answers-invalid")?;
    let parameters = instrument.parameters(&submission.parameters).map_err(|_| "parameters-invalid")?;
    let scores = instrument.score(&answers, &parameters);
    Ok(Some(Computed { instrument, answers, scored_with: ScoredWith::of(instrument, &parameters), scores }))
}

/// Adds the entry of the study's journal; `records` are the hashes of the alerts' records.
fn journal<C>(
    submission: &Submission<C>,
    kind: journal::Kind,
    hash: String,
    records: &[String],
    follow_ups: &mut FollowUps,
) {
    let Submission { submission_id, study_id, site_id, .. } = submission;
    let what = submission.topic().to_owned();
    let (site, submission) = (site_id.clone(), submission_id.clone());
    let alerts = journal::hash_of_alerts(records);
    follow_ups.journal(study_id, &Event { kind, site, what, submission, hash, alerts }.line());
}
