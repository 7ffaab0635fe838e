//! Rebuilds from the submissions in the store: the timelines of subjects, the journals of studies, the marks of
//! superseded and erased submissions, the expected next submissions, and the counters of months.

use domain::Timestamp;
use domain::ids::{StudyId, SubmissionId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::Result;
use domain::study_rules::StudyRules;
use platform::clock;
use platform::digest::{digest, hex};
use platform::kv::{self, Store};
use platform::redis::{Redis, text};
use serde::Deserialize;
use spin_sdk::redis::RedisResult;
use state::audit::{self, Action};
use state::erasure::{self, Erasure};
use state::figures::monthly;
use state::health::self_check;
use state::journal::{self, Event, Kind, Position, Reader, hash_of_alerts};
use state::names;
use state::settings::Settings;
use state::settings::studies::Own;
use state::subjects::timeline::Listed;
use state::subjects::{expected, pages};
use state::wire::entry::{Record, State, Submission, Superseded};
use state::wire::idempotency::{self, Content, IdempotencyRecord, Topic};
use state::wire::sealed::{StoredRecord, without_content};

use super::{Counts, erasures};
use crate::PAGE;

/// The submissions of a study's journal, and the stored ones that it lacks, by when they came in.
#[derive(Default)]
struct Journal {
    known: BTreeSet<SubmissionId>,
    missing: Vec<(String, Event)>,
}

/// The number of entries that one script appends.
const APPENDED: usize = 500;

/// Counters by study and month, as the store has them.
type Months = BTreeMap<(StudyId, String), BTreeMap<String, u64>>;

#[derive(Deserialize)]
struct Raised {
    severity: String,
}

/// Puts into Redis what it lost of them.
pub(super) async fn put_back(redis: &Redis, store: &Store, counts: &mut Counts) -> Result<()> {
    let settings = Settings::in_force(redis).await?;
    let rules = settings.document::<StudyRules>(redis).await?;
    let (months, journals, remembered) = (Months::new(), BTreeMap::new(), Vec::new());
    let mut work = Rebuild { redis, store, rules, months, journals, remembered, counts };
    let mut listing = kv::list("submission/")?;
    loop {
        let page = listing.next_page(PAGE)?;
        if page.is_empty() {
            break;
        }
        for (key, value) in &page {
            let Some(id) = key.strip_prefix("submission/") else { continue };
            if let Some(id) = id.strip_suffix("/superseded") {
                work.superseded(&id.into(), value).await?;
            } else if !id.contains('/') {
                work.submission(value).await?;
            }
        }
        let remembered = std::mem::take(&mut work.remembered);
        work.counts.remembered += u64::try_from(idempotency::put_back(redis, &remembered).await?)?;
    }
    let Rebuild { months, journals, counts, .. } = work;
    for (study, mut journal) in journals {
        journal.missing.sort_by(|(one, _), (other, _)| one.cmp(other));
        let missing: Vec<Event> = journal.missing.into_iter().map(|(_, event)| event).collect();
        // Without anything missing, too: what comes next stands after what is sealed.
        for some in std::iter::once(&[][..]).chain(missing.chunks(APPENDED)) {
            journal::append(redis, store, &study, some).await?;
        }
        counts.journaled += u64::try_from(missing.len())?;
    }
    for ((study, month), counters) in months {
        counts.counters += monthly::raise(redis, &study, &month, &counters).await?;
    }
    Ok(())
}

struct Rebuild<'a> {
    redis: &'a Redis,
    store: &'a Store,
    /// The rules in force on what does not come.
    rules: Option<Rc<StudyRules>>,
    months: Months,
    journals: BTreeMap<StudyId, Journal>,
    /// Those of this page that the door must know.
    remembered: Vec<(SubmissionId, IdempotencyRecord)>,
    counts: &'a mut Counts,
}

impl Rebuild<'_> {
    async fn submission(&mut self, value: &[u8]) -> Result<()> {
        let Ok(record) = serde_json::from_slice::<StoredRecord>(value).map(without_content) else {
            self.counts.unreadable += 1;
            return Ok(());
        };
        self.count(&record).await?;
        self.remember(&record.submission);
        self.journal(&record, value).await?;
        if matches!(record.state, State::Scored | State::Failed) && !self_check::is_probe(&record.submission.study_id) {
            erasures::submitted(self.redis, &record.submission, record.state).await?;
        }
        match record.state {
            State::Scored => {
                self.list(&record).await?;
                self.expected(&record).await
            }
            State::Erased => self.erased(&record, value).await,
            State::Queued | State::Failed => self.expected(&record).await,
        }
    }

    /// Notes what the door must know of a submission, so that a resend is one. An erasure says it by itself.
    fn remember(&mut self, submission: &Submission) {
        let Some(received_at) = Timestamp::parse(&submission.received_at) else { return };
        if submission.hash.is_empty() {
            return;
        }
        let topic = match &submission.instrument {
            Some(instrument) => Topic::Instrument(instrument.to_string()),
            None => Topic::Kind(submission.kind.clone()),
        };
        let (hash, subject) = (submission.hash.clone(), submission.subject.as_str().to_owned());
        let [study, site] = [submission.study_id.as_str(), submission.site_id.as_str()].map(str::to_owned);
        let record = IdempotencyRecord { study, site, received_at, content: Some(Content { hash, subject, topic }) };
        self.remembered.push((submission.submission_id.clone(), record));
    }

    /// Notes whether the journal of its study has the submission.
    async fn journal(&mut self, record: &Record, value: &[u8]) -> Result<()> {
        let Submission { submission_id, study_id, site_id, received_at, .. } = &record.submission;
        if record.state == State::Queued || self_check::is_probe(study_id) {
            return Ok(());
        }
        if !self.journals.contains_key(study_id) {
            let mut known = BTreeSet::new();
            let (mut reader, mut after) = (Reader::open(self.redis, self.store, study_id).await?, Position::default());
            loop {
                let events = reader.after(after).await?;
                let Some((last, _)) = events.last() else { break };
                after = *last;
                let of_submissions = events.into_iter().filter(|(_, event)| !event.kind.is_of_alert());
                known.extend(of_submissions.map(|(_, event)| event.submission));
            }
            self.journals.insert(study_id.clone(), Journal { known, missing: Vec::new() });
        }
        let Some(journal) = self.journals.get_mut(study_id) else { return Ok(()) };
        if !journal.known.contains(submission_id) {
            let mut records = Vec::with_capacity(record.alerts.len());
            for id in &record.alerts {
                let stored = self.store.bytes(&names::alert(id)).await?;
                records.extend(stored.map(|alert| hex(&digest(&alert))));
            }
            let kind_of = if record.state == State::Failed { Kind::Failed } else { Kind::Scored };
            let event = Event {
                kind: kind_of,
                site: site_id.clone(),
                what: record.submission.topic().to_owned(),
                submission: submission_id.clone(),
                hash: hex(&digest(value)),
                alerts: hash_of_alerts(&records),
            };
            journal.missing.push((received_at.clone(), event));
        }
        Ok(())
    }

    async fn superseded(&mut self, id: &SubmissionId, value: &[u8]) -> Result<()> {
        let Ok(Superseded { by, .. }) = serde_json::from_slice(value) else { return Ok(()) };
        let arguments = vec![text(names::superseded_mark(id)), text(by.as_str()), text("NX")];
        let reply = self.redis.command("SET", arguments).await?;
        self.counts.superseded += u64::from(matches!(reply.first(), Some(RedisResult::Status(_))));
        Ok(())
    }

    async fn list(&mut self, record: &Record) -> Result<()> {
        let submission = &record.submission;
        self.counts.submissions += 1;
        if let Some(filed) = Listed::of(submission) {
            let list = names::filed(&submission.subject);
            self.counts.listed += u64::from(pages::add(self.redis, &list, filed.at_ms, &filed.member()).await?);
        }
        Ok(())
    }

    /// Remembers that a submission came in, and when to look.
    async fn expected(&mut self, record: &Record) -> Result<()> {
        let submission = &record.submission;
        let own = Own::recent(self.redis, &submission.study_id).await?.section::<StudyRules>()?;
        let rules = own.as_ref().or(self.rules.as_ref());
        let Some(rules) = rules.and_then(|rules| rules.study(submission.study_id.as_str())) else {
            return Ok(());
        };
        if let Some((look, received, at)) = expected::after(submission, |what| rules.overdue(what)) {
            let new = expected::put_back(self.redis, &submission.submission_id, &look, received, at).await?;
            self.counts.expected += u64::from(new);
        }
        Ok(())
    }

    /// Remembers an erasure as it was remembered when it was made, so that no resend and no worker brings back what is gone.
    async fn erased(&mut self, record: &Record, tombstone: &[u8]) -> Result<()> {
        let submission = &record.submission;
        let id = &submission.submission_id;
        let entity = names::submission(id);
        let mut n = 0;
        while let Some(change) = self.store.bytes(&names::audit(&entity, n)).await? {
            n += 1;
            let Ok(change) = serde_json::from_slice::<audit::Record>(&change) else { continue };
            if change.action != Action::Erased.as_str() {
                continue;
            }
            if erasure::known(self.redis, &[id]).await? != [true] {
                let erasure = Erasure {
                    at: change.at,
                    actor: change.actor.into(),
                    reason: change.reason.unwrap_or_default(),
                    meaning: change.meaning,
                    tombstone: String::from_utf8_lossy(tombstone).into_owned(),
                };
                let Submission { study_id, site_id, received_at, .. } = submission;
                let (study, site) = (study_id.as_str(), site_id.as_str());
                let received_at = Timestamp::parse(received_at).unwrap_or_else(clock::now);
                let record = IdempotencyRecord { study, site, received_at, content: None };
                erasure::erase(self.redis, id, &record, &erasure).await?;
                self.counts.erased += 1;
            }
            return Ok(());
        }
        self.counts.unreadable += 1;
        Ok(())
    }

    /// Counts a submission as the script does that finishes it. One that was erased stays counted; its alerts are not known
    /// any more.
    async fn count(&mut self, record: &Record) -> Result<()> {
        let submission = &record.submission;
        if record.state == State::Failed {
            return Ok(());
        }
        let Some((month, field)) = monthly::submission(&submission.received_at, &submission.site_id) else {
            return Ok(());
        };
        let mut fields = vec![field];
        for id in &record.alerts {
            let alert = self.store.bytes(&names::alert(id)).await?;
            let alert = alert.and_then(|alert| serde_json::from_slice::<Raised>(&alert).ok());
            fields.extend(alert.map(|alert| monthly::alert(&alert.severity)));
        }
        let counters = self.months.entry((submission.study_id.clone(), month.to_owned())).or_default();
        for field in fields {
            *counters.entry(field).or_default() += 1;
        }
        Ok(())
    }
}
