//! Overdue submissions. A subject's first diary or response to an instrument, under a study rule on missing
//! submissions, makes the next one expected. A look follows when that one is overdue.
//!
//! Guarantee: a missing submission raises one alert, by the rules in force when it is noticed, in the script that also
//! sets the time of the next look. Submissions of the site that came in before that time but are not finished are
//! waited for, at most a minute. An erased submission does not count: the one before it does. If all submissions of a
//! subject are erased, no more are expected. Linked subjects are one person: a submission of one counts for the others,
//! and a silence is reported at the site that received the last submission.
//!
//! Mechanism: scoring an expected submission schedules a *look*, one for each subject and kind of expected submission;
//! the next submission moves it. The clock puts a due look onto the queue of submissions. A look that comes too early,
//! or twice, changes nothing: the alert's id follows from the last submission, the rule, and the length of the silence.
//! The record `submission/<id>/overdue` names the alerts that were raised after a submission.
//!
//! Not for: a subject that never sent anything. Vigil does not know that it exists.

use domain::ids::{KeyId, Pseudonym, StudyId, SubmissionId};
use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::overdue::{self, Missed};
use futures::future::join_all;
use platform::digest::{digest, hex};
use platform::kv::{self, Store};
use platform::redis::{Redis, text};
use platform::trace::Trace;
use platform::{Error, clock};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use spin_sdk::redis::RedisResult;
use state::figures::monthly;
use state::identity::alert_id;
use state::journal::{Event, Kind};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Claimed, Finished, FollowUps};
use state::subjects::{expected, links};
use state::wire::entry::{Alert, Outline, Overdue, State, Submission};
use state::wire::queued::{self, DispatchEntry, ScoreEntry};

use crate::score::context::READS;
use crate::score::record::Work;
use crate::score::rules::Rules;
use crate::score::work::Scored;

/// The index of the last of the 100 latest submissions. Among these, the latest that was not erased is chosen.
const LATEST: &str = "99";
/// The longest wait for submissions that came in before the miss and are not finished.
const PATIENCE_MS: u64 = 60_000;
/// The pause before the next look, if a look came too early.
const AGAIN_MS: u64 = 1000;

/// A look, with its result.
pub(crate) struct Check {
    asked: queued::Check,
    found: Finding,
}

/// The result of a look.
#[derive(Default)]
enum Finding {
    /// No submission is expected.
    #[default]
    Nothing,
    /// Nothing to report before this time.
    Wait(Timestamp),
    Silence(Box<Silence>),
}

/// A silence to be reported.
#[derive(Serialize, Deserialize)]
struct Silence {
    /// The last submission before the silence.
    last: SubmissionId,
    month: Option<String>,
    /// Alerts that were raised before, perhaps by a worker that died before it handed them over.
    stored: Vec<String>,
    raised: Vec<Alert>,
    told: Overdue,
    /// The time of the next look, milliseconds since the epoch.
    next: Option<i64>,
}

/// The follow-ups that schedule the look after a submission; none if its study expects no next one.
pub(crate) fn follow_up<C>(rules: &Rules, submission: &Submission<C>, follow_ups: &mut FollowUps) -> Result<(), Error> {
    let rules = |what: &str| rules.overdue(&submission.study_id, what);
    let Some((look, received, at)) = expected::after(submission, rules) else { return Ok(()) };
    follow_ups.index(&look.received(), received.millis(), submission.submission_id.as_str());
    again(&look, at, follow_ups)
}

/// Schedules the look at another time.
fn again(look: &queued::Check, at: Timestamp, follow_ups: &mut FollowUps) -> Result<(), Error> {
    follow_ups.delay(at.millis(), &look.flow(), &ScoreEntry::Check(look).line()?);
    Ok(())
}

/// Looks, if the work is a look. A silence is pinned before it is stored, because a later look finds a longer one.
pub(crate) async fn look(
    (redis, holder): (&Redis, &Holder),
    rules: &Rules,
    work: &mut [Work<'_>],
) -> Result<(), Error> {
    let mut looks: Vec<(&Claimed, &mut Check)> = work
        .iter_mut()
        .filter_map(|work| if let Work::Check(claimed, look) = work { Some((*claimed, look)) } else { None })
        .collect();
    let (store, now) = (Store::open().await?, clock::now());
    let aside: Vec<&str> = looks.iter().map(|(claimed, _)| claimed.id.as_str()).collect();
    let sites: BTreeSet<String> = looks.iter().map(|(_, look)| look.site()).collect();
    let sites: Vec<String> = sites.into_iter().collect();
    let oldest = queue::oldest_of(redis, Queue::Score, &aside, &sites).await?;
    let oldest: BTreeMap<String, Option<i64>> = sites.into_iter().zip(oldest).collect();
    for some in looks.chunks_mut(READS) {
        let found = some.iter().map(|(claimed, look)| {
            let oldest = oldest.get(&look.site()).copied().flatten();
            let by = By { redis, store: &store, rules, now, oldest, again: claimed.attempt > 1 };
            async move { look.find(&by).await }
        });
        let found = join_all(found).await;
        for ((_, look), found) in some.iter_mut().zip(found) {
            look.found = found?;
        }
    }
    let mut silences: Vec<(&str, &mut Silence)> = looks
        .iter_mut()
        .filter_map(|(claimed, look)| match &mut look.found {
            Finding::Silence(silence) => Some((claimed.id.as_str(), &mut **silence)),
            Finding::Nothing | Finding::Wait(_) => None,
        })
        .collect();
    let pins = silences.iter().map(|(id, silence)| Ok(((*id).to_owned(), kv::json(silence)?)));
    let pins = pins.collect::<Result<Vec<_>, Error>>()?;
    for ((_, silence), standing) in silences.iter_mut().zip(queue::pin(redis, holder, &pins).await?) {
        if let Some(Ok(standing)) = standing.as_deref().map(serde_json::from_str) {
            **silence = standing;
        }
    }
    Ok(())
}

/// The facts for deciding a look.
struct By<'a> {
    redis: &'a Redis,
    store: &'a Store,
    rules: &'a Rules,
    now: Timestamp,
    /// The arrival of the site's oldest unfinished entry.
    oldest: Option<i64>,
    /// Whether the look was handed out before.
    again: bool,
}

/// A submission without its content.
type Received = Submission<IgnoredAny>;

impl Check {
    /// A look that has no result yet.
    pub(crate) fn asked(asked: queued::Check) -> Self {
        Check { asked, found: Finding::Nothing }
    }

    /// Its study.
    pub(crate) fn study(&self) -> &StudyId {
        &self.asked.study
    }

    /// Its site, in the form that flows use.
    fn site(&self) -> String {
        let flow = self.asked.flow();
        flow.split_once('|').map_or_else(String::new, |(_, site)| site.to_owned())
    }

    async fn find(&self, by: &By<'_>) -> Result<Finding, Error> {
        let rules = by.rules.overdue(&self.asked.study, &self.asked.expected);
        if rules.is_empty() {
            return Ok(Finding::Nothing);
        }
        let Some((last, received)) = self.last_of_person(by).await? else { return Ok(Finding::Nothing) };
        let verdict = overdue::judge(rules, &self.asked.expected, by.now.ms_since(received));
        let next = verdict.look_after_ms.map(|after| received.plus_ms(after));
        if last.subject != self.asked.subject {
            // The subject that sent it has a look of its own. This look continues, in case the link is taken back.
            return Ok(Finding::Wait(next.unwrap_or_else(|| by.now.plus_ms(overdue::LOOK_MS))));
        }
        let Some(latest) = verdict.missed.iter().map(|missed| received.plus_ms(missed.after_ms)).max() else {
            return Ok(next.map_or(Finding::Nothing, Finding::Wait));
        };
        if by.oldest.is_some_and(|oldest| oldest <= latest.millis()) && by.now < latest.plus_ms(PATIENCE_MS) {
            return Ok(Finding::Wait(by.now.plus_ms(AGAIN_MS)));
        }
        let mut told: Overdue = by.store.get(&names::overdue(&last.submission_id)).await?.unwrap_or_default();
        let mut stored = Vec::new();
        // At the last attempt, the worker may have died between storing and handing over.
        for id in told.alerts.iter().filter(|_| by.again) {
            if let Some(alert) = by.store.get::<Alert>(&names::alert(id)).await? {
                stored.push(DispatchEntry::Alert(&alert).line()?);
            }
        }
        let mut raised = Vec::new();
        for missed in verdict.missed {
            let alert = self.alert(&last, received, missed);
            if !told.alerts.contains(&alert.alert_id) {
                told.alerts.push(alert.alert_id.clone());
                raised.push(alert);
            }
        }
        let month = monthly::submission(&latest.rfc3339(), &last.site_id).map(|(month, _)| month.to_owned());
        let last = last.submission_id;
        let next = next.map(Timestamp::millis);
        Ok(Finding::Silence(Box::new(Silence { last, month, stored, raised, told, next })))
    }

    /// The latest submission of the subject or of a subject linked to it, with its time of receipt; none if all of them
    /// are erased.
    async fn last_of_person(&self, by: &By<'_>) -> Result<Option<(Received, Timestamp)>, Error> {
        let subject = &self.asked.subject;
        let Some(mut last) = self.last_received(by, subject).await? else { return Ok(None) };
        let person = links::person(by.redis, subject).await?;
        for member in person.iter().filter(|member| member.subject != *subject) {
            let other = self.last_received(by, &member.subject).await?;
            last = other.filter(|other| other.1 > last.1).unwrap_or(last);
        }
        Ok(Some(last))
    }

    /// The subject's latest submission that was not erased, with its time of receipt.
    async fn last_received(&self, by: &By<'_>, subject: &Pseudonym) -> Result<Option<(Received, Timestamp)>, Error> {
        let key = names::received(subject, &self.asked.expected);
        let ids = by.redis.command("ZREVRANGE", [key.as_str(), "0", LATEST].map(text).into()).await?;
        for id in ids {
            let RedisResult::Binary(id) = id else { continue };
            let record = by
                .store
                .get::<Outline>(&names::submission(&SubmissionId::from(&*String::from_utf8_lossy(&id))))
                .await?;
            if let Some(record) = record.filter(|record| record.state != State::Erased) {
                let received = Timestamp::parse(&record.submission.received_at);
                return Ok(received.map(|received| (record.submission, received)));
            }
        }
        Ok(None)
    }

    fn alert(&self, last: &Received, received: Timestamp, missed: Missed<'_>) -> Alert {
        let Missed { alert, after_ms } = missed;
        Alert {
            alert_id: alert_id(&last.submission_id, &format!("{}:{after_ms}", alert.rule)),
            submission_id: last.submission_id.clone(),
            study_id: self.asked.study.clone(),
            site_id: last.site_id.clone(),
            subject: self.asked.subject.clone(),
            instrument: self.asked.expected.trim_start_matches('/').to_owned(),
            rule: alert.rule.to_owned(),
            severity: alert.severity.as_str().to_owned(),
            text_key: alert.text_key.to_owned(),
            reason: alert.reason,
            // Nothing came in, so this is the time at which it should have come.
            received_at: received.plus_ms(after_ms).rfc3339(),
            key: KeyId::default(),
            trace: Trace::accept(None, clock::random_bits()).as_str().to_owned(),
        }
    }

    /// The follow-ups of the result. Records to be stored go into the batch.
    pub(crate) fn finish(self, claimed: &Claimed, scored: &mut Scored) -> Result<Finished, Error> {
        let (mut follow_ups, mut submission) = (FollowUps::default(), None);
        match self.found {
            Finding::Nothing => {}
            Finding::Wait(until) => again(&self.asked, until, &mut follow_ups)?,
            Finding::Silence(silence) => {
                follow_ups.unpin(&claimed.id);
                for line in &silence.stored {
                    follow_ups.push(line);
                    // The bytes of the record, as they stand in a `DispatchEntry`.
                    let record = line.strip_prefix("{\"alert\":").and_then(|rest| rest.strip_suffix('}'));
                    let alert = record.and_then(|record| Some((record, serde_json::from_str(record).ok()?)));
                    if let Some((record, alert)) = alert {
                        journal(&alert, hex(&digest(record.as_bytes())), &mut follow_ups);
                    }
                }
                if !silence.raised.is_empty() {
                    scored.batch.put(names::overdue(&silence.last), &silence.told)?;
                    let known = scored.raised.entry(silence.last.clone()).or_default();
                    known.extend(silence.raised.iter().map(|alert| alert.alert_id.clone()));
                }
                for alert in silence.raised {
                    if let Some(month) = &silence.month {
                        follow_ups.count(&names::month(&alert.study_id, month), &monthly::alert(&alert.severity));
                    }
                    let hash = scored.batch.put_hashed(names::alert(&alert.alert_id), &alert)?;
                    journal(&alert, hash, &mut follow_ups);
                    follow_ups.push(&DispatchEntry::Alert(&alert).line()?);
                }
                if let Some(next) = silence.next {
                    again(&self.asked, Timestamp::from_millis(next), &mut follow_ups)?;
                }
                // If this submission is erased meanwhile, its alerts are removed with it.
                submission = Some(silence.last);
            }
        }
        Ok(Finished { id: claimed.id.clone(), submission, follow_ups })
    }
}

/// Adds the entry of the study's journal; `hash` is that of the alert's record.
fn journal(alert: &Alert, hash: String, follow_ups: &mut FollowUps) {
    let (site, submission) = (alert.site_id.clone(), alert.submission_id.clone());
    let (kind, what, alerts) = (Kind::Missed, alert.alert_id.to_string(), String::new());
    follow_ups.journal(&alert.study_id, &Event { kind, site, what, submission, hash, alerts }.line());
}
