//! The self-check's path: out through the door's own script, back when `dispatch` hands over its alert.
//!
//! Guarantee: however many hosts share a Redis, they send at most one self-check per interval. It is never counted,
//! listed, audited or shown with users' data. Its storage does not grow: one hash and one lock in Redis, one record in the
//! store.
//!
//! Mechanism: it always has the same id, and whoever sends it takes a lock that lasts for an interval.

use domain::ids::{KeyId, StudyId};
use std::time::Duration;

use domain::Timestamp;
use domain::self_check::{self, Back, STUDY, Seen};
use platform::redis::{Redis, integer, number, text, unexpected};
use platform::trace::Trace;
use platform::{Error, clock};
use spin_sdk::redis::RedisResult;

use crate::alerts::change::Change;
use crate::names;
use crate::queue::{Door, Enqueued};
use crate::wire::entry::{Alert, Entry, Submission};
use crate::wire::queued::ScoreEntry;

/// While the clock ticks, looks come more often than this.
const STANDSTILL: Duration = Duration::from_secs(10);

/// Whether a submission or an alert of this study is the self-check.
pub fn is_probe(study: &StudyId) -> bool {
    study == STUDY
}

/// An interval in milliseconds.
fn ms(interval: Duration) -> u64 {
    u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)
}

script! {
    SelfCheckScript = "health/self_check.lua",
    keys { self_check: &'static str }
    args { now_ms: i64, longest: Duration }
    reply Seen, by |reply| seen(&reply)
}

/// Notes a look, and returns the known times. If the last look is longer ago than an interval, Vigil stood still, and
/// the wait starts anew.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn look(redis: &Redis, interval: Duration, now: Timestamp) -> Result<Seen, Error> {
    let longest = interval.max(STANDSTILL);
    SelfCheckScript { self_check: names::SELF_CHECK, now_ms: now.millis(), longest }.run(redis).await
}

/// Returns the known times, without noting a look.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn read(redis: &Redis) -> Result<Seen, Error> {
    let fields = [names::SELF_CHECK, "since", "sent", "arrived", "arrived-of"];
    let reply = redis.command("HMGET", fields.map(text).to_vec()).await?;
    seen(&reply).ok_or_else(|| unexpected("HMGET"))
}

fn seen(reply: &[RedisResult]) -> Option<Seen> {
    let [since, sent, arrived, of] = reply else { return None };
    let at = |value: &RedisResult| integer(value).map(Timestamp::from_millis);
    let back = at(of).zip(at(arrived)).map(|(sent, at)| Back { sent, at });
    Some(Seen { since: at(since), sent: at(sent), back })
}

/// Whether the last self-check came back too long ago.
pub fn is_late(seen: &Seen, interval: Duration, now: Timestamp) -> bool {
    seen.is_late(ms(interval), now)
}

/// Sends a self-check if it is time, through a door of this capacity. Returns its outcome; none if it was not time.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn send(redis: &Redis, capacity: u64, interval: Duration, now: Timestamp) -> Result<Option<Enqueued>, Error> {
    if !look(redis, interval, now).await?.is_due(ms(interval), now) {
        return Ok(None);
    }
    let own = || STUDY.to_owned();
    let entry = Entry {
        submission: Submission {
            submission_id: own().into(),
            study_id: own().into(),
            site_id: own().into(),
            subject: own().into(),
            kind: "response".to_owned(),
            instrument: Some(self_check::INSTRUMENT.into()),
            instrument_version: Some(self_check::VERSION.to_owned()),
            parameters: Default::default(),
            authored_at: now.rfc3339(),
            received_at: now.rfc3339(),
            key: own().into(),
            hash: String::new(),
            amends: None,
            amends_reason: None,
            flags: vec!["self-check".to_owned()],
            removed: Default::default(),
            content: self_check::answers(),
            ordered_at: None,
        },
        sealed: String::new(),
        trace: Trace::accept(None, clock::random_bits()).as_str().to_owned(),
    };
    let lasts = ms(interval.max(Duration::from_secs(1))).to_string();
    let taken = redis.command("SET", [names::SELF_CHECK_LOCK, "1", "NX", "PX", &lasts].map(text).to_vec()).await?;
    if matches!(taken.first(), None | Some(RedisResult::Nil)) {
        return Ok(None);
    }
    let door = Door::apart(capacity, names::SELF_CHECK);
    let payload = ScoreEntry::Submission(&entry).line()?;
    let probe = crate::queue::Submission {
        id: &entry.submission.submission_id,
        record: &[],
        scope: STUDY,
        kind: "self-check",
        flow: &names::flow(&entry.submission.key, &entry.submission.study_id, &entry.submission.site_id),
        cost: payload.len(),
        payload: &payload,
        written_ms: now.millis(),
        own: "",
        amends: None,
    };
    let outcome = door.enqueue(redis, &KeyId::default(), "", &[probe]).await?.pop();
    if outcome == Some(Enqueued::Queued) {
        let fields = [text(names::SELF_CHECK), text("sent"), number(now.millis())];
        redis.command("HSET", fields.to_vec()).await?;
    } else {
        redis.command("DEL", vec![text(names::SELF_CHECK_LOCK)]).await?;
    }
    Ok(outcome)
}

/// Records that the alert of a self-check arrived.
pub fn arrived(change: &mut Change, alert: &Alert, now: Timestamp) {
    if let Some(sent) = Timestamp::parse(&alert.received_at) {
        let [sent, now] = [sent, now].map(|at| at.millis().to_string());
        change.command(["HSET", names::SELF_CHECK, "arrived", &now, "arrived-of", &sent]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let (known, nothing) = (RedisResult::Int64(7), RedisResult::Nil);
        let at = Timestamp::from_millis(7);
        let read = |reply: [&RedisResult; 4]| seen(&reply.map(Clone::clone)).unwrap();
        assert_eq!(read([&nothing; 4]), Seen::default());
        assert_eq!(read([&known; 4]), Seen { since: Some(at), sent: Some(at), back: Some(Back { sent: at, at }) });
        assert_eq!(read([&known, &known, &known, &nothing]).back, None);
        assert_eq!(seen(&[]), None);
    }
}
