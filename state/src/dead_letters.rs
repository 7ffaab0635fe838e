//! Dead letters: entries and deliveries that were given up. They can be listed and replayed.
//!
//! Guarantee: the script that puts a dead letter back onto its queue also removes it from the dead letters. A dead
//! letter of an alert is replayed by the alert's state, and removed with it
//! ([`crate::alerts::change::Change::unbury`]).
//!
//! Not for: showing a dead letter's payload. A queued submission contains answers and a sealed identity.

use std::time::Duration;

use domain::ids::{AlertId, AnalysisId, ReceiverId, SiteId, StudyId, SubmissionId, SubscriptionId};
use domain::{Severity, Timestamp};
use platform::redis::{Redis, integer, string, text, unexpected, whole};
use platform::{Error, json};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};
use crate::queue::{BELL, CLOCK, announcement};
use crate::wire::entry::{DeadAlert, Due, Submission};
use crate::wire::queued::{self, DispatchEntry, ImagingEntry, QueuedEvent, ScoreEntry};

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id, by which it can be replayed: `<milliseconds>-<number>`.
    pub id: String,
    /// The queue on which it was given up.
    pub queue: String,
    /// Why.
    pub reason: String,
    payload: Vec<u8>,
}

/// The things that a dead letter is about, as far as they may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The submission.
    pub submission: Option<SubmissionId>,
    /// The alert.
    pub alert: Option<AlertId>,
    /// The analysis.
    pub analysis: Option<AnalysisId>,
    /// The receiver to which delivery was given up.
    pub receiver: Option<ReceiverId>,
    /// The subscription of the event.
    pub subscription: Option<SubscriptionId>,
    /// Its study and site, if the dead letter itself names them.
    pub place: Option<(StudyId, SiteId)>,
    /// The severity of an alert that was not raised: the dead letter itself names it.
    pub severity: Option<Severity>,
}

impl Letter {
    /// The time when it was given up.
    pub fn at(&self) -> Option<Timestamp> {
        self.id.split('-').next()?.parse().ok().map(Timestamp::from_millis)
    }

    /// The things that it is about; none if it cannot be read.
    pub fn about(&self) -> About {
        if self.queue == Queue::Score.name()
            && let Ok(ScoreEntry::Submission(entry)) = json::read::<ScoreEntry>(&self.payload)
        {
            let Submission { submission_id, study_id, site_id, .. } = entry.submission;
            return About { submission: Some(submission_id), place: Some((study_id, site_id)), ..About::default() };
        }
        if [Queue::Imaging, Queue::ImagingStat].map(Queue::name).contains(&&*self.queue)
            && let Ok(ImagingEntry::Analysis(queued)) = json::read::<ImagingEntry>(&self.payload)
        {
            let job = queued.job;
            let place = Some((job.study_id, job.site_id));
            return About { analysis: Some(job.analysis_id), place, ..About::default() };
        }
        match self.dispatch() {
            Some(DispatchEntry::Alert(alert)) => About {
                submission: Some(alert.submission_id),
                alert: Some(alert.alert_id),
                place: Some((alert.study_id, alert.site_id)),
                severity: Severity::parse(&alert.severity),
                ..About::default()
            },
            Some(DispatchEntry::Notification(notification)) => {
                let place = Some((notification.study_id, notification.site_id));
                match notification.about {
                    queued::About::Analysis(end) => {
                        let receiver = Some(end.receiver());
                        About { analysis: Some(end.analysis_id), receiver, place, ..About::default() }
                    }
                    queued::About::Event(QueuedEvent { submission, alert, subscription, .. }) => {
                        // An event of a key has none.
                        let submission = Some(submission).filter(|id| !id.as_str().is_empty());
                        let subscription = Some(subscription);
                        About { submission, alert, subscription, place, ..About::default() }
                    }
                }
            }
            Some(DispatchEntry::Due(Due { submission_id, alert_id, .. })) => {
                About { submission: Some(submission_id), alert: Some(alert_id), ..About::default() }
            }
            Some(DispatchEntry::GivenUp(DeadAlert { submission_id, alert_id, receiver })) => {
                About { submission: Some(submission_id), alert: Some(alert_id), receiver, ..About::default() }
            }
            None => About::default(),
        }
    }

    /// The alert whose delivery was given up; its state does the replay. None if the dead letter is an entry of its
    /// queue.
    pub fn given_up(&self) -> Option<DeadAlert> {
        match self.dispatch()? {
            DispatchEntry::GivenUp(dead) => Some(dead),
            DispatchEntry::Alert(_) | DispatchEntry::Due(_) | DispatchEntry::Notification(_) => None,
        }
    }

    fn dispatch(&self) -> Option<DispatchEntry> {
        (self.queue == Queue::Dispatch.name()).then(|| json::read(&self.payload).ok())?
    }
}

/// Whether a text has the form of a dead letter's id.
pub fn is_id(text: &str) -> bool {
    let digits = |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(at, number)| digits(at) && digits(number))
}

/// The newest dead letters before the one with this id, or of all.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn before(redis: &Redis, id: Option<&str>, most: usize) -> Result<Vec<Letter>, Error> {
    let from = id.map_or("+".to_owned(), |id| format!("({id}"));
    read(redis, "XREVRANGE", &from, "-", most).await
}

/// The oldest dead letters that were given up at `since_ms` or later, milliseconds since the epoch, and after `after`
/// if that is given.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn since(redis: &Redis, since_ms: i64, after: Option<&str>, most: usize) -> Result<Vec<Letter>, Error> {
    let from = after.map_or_else(|| since_ms.max(0).to_string(), |after| format!("({after}"));
    read(redis, "XRANGE", &from, "+", most).await
}

/// The dead letters with these ids that exist.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn find(redis: &Redis, ids: &[String]) -> Result<Vec<Letter>, Error> {
    let mut found = Vec::new();
    for id in ids {
        found.extend(read(redis, "XRANGE", id, id, 1).await?);
    }
    Ok(found)
}

/// Reads dead letters from Spin's flat reply: an id, then fields and values; every dead letter has three fields.
async fn read(redis: &Redis, command: &str, from: &str, to: &str, most: usize) -> Result<Vec<Letter>, Error> {
    let most = most.to_string();
    let arguments = [names::DEAD, from, to, "COUNT", &most].map(text).to_vec();
    let reply = redis.command(command, arguments).await?;
    let letters: Option<Vec<Letter>> = reply.chunks(7).map(letter).collect();
    letters.ok_or_else(|| unexpected("XRANGE"))
}

fn letter(words: &[RedisResult]) -> Option<Letter> {
    let [id, _, queue, _, reason, _, RedisResult::Binary(payload)] = words else { return None };
    Some(Letter { id: string(id)?, queue: string(queue)?, reason: string(reason)?, payload: payload.clone() })
}

script! {
    CountScript = "dead_letters/count.lua",
    keys { dead: &'static str }
    args { since_ms: i64 }
    reply Vec<(String, String, u64)>, by |reply| counted(&reply)
}

script! {
    RequeueScript<'a> = after flows "dead_letters/requeue.lua",
    keys { dead: &'static str, clock: &'static str, bells: [&'static str; Queue::ALL.len()] }
    args {
        bell_lasts: Duration,
        clock_channel: &'static str,
        clock_lasts: Duration,
        announcement: String,
        count: usize,
        queues: [(&'static str, &'static str); Queue::ALL.len()],
        ids: &'a [&'a str],
    }
    reply usize, by whole
}

/// Counts the dead letters since a time, by queue and reason.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn count(redis: &Redis, since_ms: i64) -> Result<Vec<(String, String, u64)>, Error> {
    CountScript { dead: names::DEAD, since_ms: since_ms.max(0) }.run(redis).await
}

fn counted(reply: &[RedisResult]) -> Option<Vec<(String, String, u64)>> {
    let one = |words: &[RedisResult]| {
        let [queue, reason, count] = words else { return None };
        Some((string(queue)?, string(reason)?, u64::try_from(integer(count)?).ok()?))
    };
    reply.chunks(3).map(one).collect()
}

/// Puts dead letters back onto their queues, if they still exist. Returns how many.
///
/// # Errors
/// [`platform::Kind::Unavailable`]; doing it again is safe.
pub async fn requeue(redis: &Redis, ids: &[&str]) -> Result<usize, Error> {
    if ids.is_empty() {
        return Ok(0);
    }
    let script = RequeueScript {
        dead: names::DEAD,
        clock: names::CLOCK,
        bells: Queue::ALL.map(Queue::bell),
        bell_lasts: BELL,
        clock_channel: names::CLOCK_CHANNEL,
        clock_lasts: CLOCK,
        announcement: announcement(),
        count: Queue::ALL.len(),
        queues: Queue::ALL.map(|queue| (queue.name(), queue.channel())),
        ids,
    };
    script.run(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(queue: Queue, payload: &str) -> Letter {
        let (id, queue, reason) = ("1772352000000-0".to_owned(), queue.name().to_owned(), "r".to_owned());
        Letter { id, queue, reason, payload: payload.into() }
    }

    #[test]
    fn what_a_letter_is_about_is_told_without_what_it_holds() {
        let entry = r#"{"submission":[["s","A","1","p","diary",null,null,{},"then","now","k","h",null,null,[],{},{"q9":3}],"x","00-1-2-01"]}"#;
        let entry = letter(Queue::Score, entry);
        let place = Some(("A".into(), "1".into()));
        assert_eq!(entry.about(), About { submission: Some("s".into()), place, ..About::default() });
        assert_eq!((entry.given_up(), entry.at()), (None, Some(Timestamp::from_millis(1_772_352_000_000))));
        let of = |payload: &str| letter(Queue::Dispatch, payload);
        let dead = of(r#"{"given-up":{"alertId":"a","submissionId":"s","receiver":"r"}}"#);
        assert_eq!((dead.about().alert, dead.about().receiver), (Some("a".into()), Some("r".into())));
        assert_eq!(dead.given_up().and_then(|dead| dead.receiver), Some("r".into()));
        let due = of(r#"{"due":{"alertId":"a","submissionId":"s","work":{"do":"look"}}}"#);
        assert_eq!((due.about().alert, due.given_up()), (Some("a".into()), None));
        let notification = of(
            r#"{"notification":{"about":{"analysis":{"analysisId":"n","webhook":"https://h.example/SECRET","key":"k"}},"studyId":"A","siteId":"1","trace":"t"}}"#,
        );
        let (receiver, place) = (Some("37dd33133ce3eea5".into()), Some(("A".into(), "1".into())));
        assert_eq!(notification.about(), About { analysis: Some("n".into()), receiver, place, ..About::default() });
        assert_eq!(notification.given_up(), None);
        for unreadable in ["no json", "[]", r#"{"other":{"alertId":"a"}}"#, r#"{"alertId":"a"}"#] {
            for queue in [Queue::Score, Queue::Dispatch, Queue::Imaging] {
                let letter = letter(queue, unreadable);
                assert_eq!((letter.about(), letter.given_up()), (About::default(), None), "{unreadable}");
            }
        }
    }

    #[test]
    fn an_id_is_two_numbers() {
        assert!(is_id("1772352000000-0"));
        for text in ["", "-", "1", "1-", "-1", "1-x", "(1-0", "1-0-0", "+"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
