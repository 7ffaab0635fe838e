//! The way in: one script remembers, appends and counts submissions, one or many.

use domain::Timestamp;
use domain::ids::{KeyId, SubmissionId};
use std::collections::BTreeMap;

use platform::Error;
use platform::redis::{Composed, Parameter, Redis, flat, integer, string, text, unexpected, whether};
use serde_json::{Map, Value};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::names::{self, Queue};
use crate::queue::flows::BEFORE;
use crate::queue::rate_limit::Limits;
use crate::queue::taken::{NotTaken, Studies, written};
use crate::queue::{BELL, CLOCK, SEPARATOR};
use crate::wire::idempotency;

/// The most that the submissions of one shared entry may cost together.
const LARGEST_SHARED: usize = 256 << 10;

/// A submission at the door.
pub struct Submission<'a> {
    /// Its id.
    pub id: &'a SubmissionId,
    /// Its idempotency record: see [`IdempotencyRecord::bytes`](idempotency::IdempotencyRecord::bytes).
    pub record: &'a [u8],
    /// `study|site`, for the counters and the site's limit.
    pub scope: &'a str,
    /// `response`, or the kind of report, for the counters.
    pub kind: &'a str,
    /// The flow in which it waits for its turn: see [`names::flow`].
    pub flow: &'a str,
    /// Its cost to a worker, in bytes of memory: its length, or the memory after parsing if that is larger.
    pub cost: usize,
    /// The entry: one line.
    pub payload: &'a str,
    /// When it was written, milliseconds.
    pub written_ms: i64,
    /// The revision of its study's own settings by which it was checked, or [`UNCOMPARED`].
    pub own: &'a str,
    /// The earlier submission that this one replaces.
    pub amends: Option<Amends<'a>>,
}

/// The target of an amendment.
#[derive(Debug, Clone, Copy)]
pub struct Amends<'a> {
    /// The earlier submission's id.
    pub id: &'a SubmissionId,
    /// The subjects that may have sent it, each as [`idempotency::subject_bytes`] writes it.
    pub subjects: &'a [u8],
}

/// The cost of a submission to a worker: the length of its entry, or an eighth of the memory that its content takes
/// when parsed, if that is more. An object takes memory for eleven members, even if it has fewer.
pub fn cost(payload: &str, content: &Map<String, Value>) -> usize {
    fn memory(value: &Value) -> usize {
        match value {
            Value::Object(members) => object(members),
            Value::Array(values) => 32 + values.iter().map(memory).sum::<usize>(),
            Value::String(text) => 32 + text.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        }
    }
    fn object(members: &Map<String, Value>) -> usize {
        let own: usize = members.iter().map(|(name, value)| 24 + name.len() + memory(value)).sum();
        own + 420 * (1 + members.len() / 6)
    }
    payload.len().max(object(content) / 8)
}

/// The outcome of a submission at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is on the stream.
    Queued,
    /// It was there already, with the same content; it came in at this time.
    Duplicate(Timestamp),
    /// Other content is there under this id; it came in at this time.
    Conflict(Timestamp),
    /// It was erased; nothing was written.
    Gone,
    /// The submission it amends is not known in its study and site; nothing was written.
    AmendsUnknown,
    /// The submission it amends is of another patient, kind or instrument; nothing was written.
    AmendsOther,
    /// The submission it amends was erased; nothing was written.
    AmendsGone,
    /// The submission it amends is not the current version; nothing was written.
    NotCurrent,
    /// It was checked against settings that are no longer in force; nothing was written.
    Stale,
    /// The stream is full; nothing was written.
    Full,
    /// Its API key has reached its quota of waiting submissions; nothing was written.
    Quota,
    /// Its study is being erased; nothing was written.
    Erasing,
    /// It exceeded a rate limit; nothing was written. It may be sent again after so many seconds.
    Limited(u32),
    /// Its study does not take it in; nothing was written.
    NotTaken(NotTaken),
}

/// The way in to the scorer's queue.
pub struct Door {
    /// For one submission or many.
    script: Composed,
    /// For many that are new.
    new: Composed,
    /// Whether studies would take documents in.
    pub studies: Studies,
    limited: bool,
}

impl Door {
    /// Limits the stream to `capacity` submissions, and each API key to `quota` waiting submissions. `known_only` refuses
    /// submissions for studies without a document.
    pub fn new(capacity: u64, quota: u64, limits: &Limits, known_only: bool) -> Self {
        Self::counting((capacity, quota), limits, names::STATS, false, known_only)
    }

    /// For Vigil's own submissions: they have no idempotency records, and they are counted in `stats`, apart from the
    /// others.
    pub(crate) fn apart(capacity: u64, stats: &'static str) -> Self {
        Self::counting((capacity, u64::MAX >> 12), &Limits::default(), stats, true, false)
    }

    fn counting((capacity, quota): (u64, u64), limits: &Limits, stats: &str, apart: bool, known_only: bool) -> Self {
        let queue = Queue::Score;
        let fixed = format!(
            "local BELL, CLOCK = '{}', '{}'\nlocal STATS, SETTINGS = '{stats}', '{}'\n\
             local CAPACITY, QUOTA, STUDIES_ERASING = {capacity}, {quota}, '{}'\n\
             local CHANNEL, BELL_MS, TICK, TICK_MS = '{}', {}, '{}', {}\n\
             local STUDY, REFUSES_UNKNOWN = '{}', {known_only}\n",
            queue.bell(),
            names::CLOCK,
            names::SETTINGS,
            names::STUDIES_ERASING,
            queue.channel(),
            BELL.as_millis(),
            names::CLOCK_CHANNEL,
            CLOCK.as_millis(),
            names::STUDY,
        );
        let studies = [&*idempotency::lua(apart), lua!("queue/taken.lua")].concat();
        let common = [BEFORE, &fixed, lua!("queue/door.lua"), &studies].concat();
        let limited = !limits.is_off();
        let limits = if limited { limits.script(lua!("queue/limits.lua")) } else { "local limit\n".to_owned() };
        Door {
            script: Composed::new([&*common, &*limits, lua!("queue/enqueue.lua")].concat()),
            new: Composed::new(common + lua!("queue/enqueue_new.lua")),
            studies: Studies::new(known_only),
            limited,
        }
    }

    /// Takes in submissions of one API key: one script remembers, appends and counts each, and rings. Returns their
    /// outcomes, in their order. The submissions were checked against the settings of this revision; an empty revision
    /// turns that check off. An amendment comes alone.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`]: nothing is known to have been written; sending them again is safe.
    pub async fn enqueue(
        &self,
        redis: &Redis,
        key: &KeyId,
        revision: &str,
        submissions: &[Submission<'_>],
    ) -> Result<Vec<Enqueued>, Error> {
        if submissions.is_empty() {
            return Ok(Vec::new());
        }
        let together = submissions.len() > 1 && !self.limited && are_distinct(submissions);
        if together && self.all_new(redis, revision, submissions).await? {
            return Ok(vec![Enqueued::Queued; submissions.len()]);
        }
        let amendment = submissions.iter().find_map(|one| Some((one.id, one.amends?)));
        let script = EnqueueScript {
            records: Records(submissions),
            buckets: self.limited.then_some(Buckets { key, submissions }),
            amended: amendment.map(|(_, it)| [names::once(it.id), names::superseded_mark(it.id)]),
            revision,
            submissions,
            amendment: amendment.map(|(id, it)| (idempotency::id_bytes(it.id), it.subjects, id.as_str())),
        };
        let reply = script.run(redis, &self.script).await?;
        enqueued(&reply, submissions.len()).ok_or_else(|| unexpected("queue/enqueue.lua"))
    }

    /// Whether a rate limit applies to a key or a site.
    pub(super) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Takes submissions in as few entries as possible: a submission in a shared entry costs a fraction of an entry.
    /// Works only if all are new, all have room and the revision is in force; else nothing is written.
    async fn all_new(&self, redis: &Redis, revision: &str, submissions: &[Submission<'_>]) -> Result<bool, Error> {
        let mut counters: BTreeMap<(&str, &str, &str), (u32, i64)> = BTreeMap::new();
        for one in submissions {
            let counter = counters.entry((one.scope, one.kind, one.own)).or_insert((0, i64::MIN));
            *counter = (counter.0 + 1, counter.1.max(one.written_ms));
        }
        let counters = counters
            .into_iter()
            .map(|((scope, kind, own), (by, last))| (["accepted|", scope, "|", kind].concat(), by, written(last, own)));
        let counters: Vec<(String, u32, String)> = counters.collect();
        let entries = shared(submissions);
        let mut records: BTreeMap<String, Vec<Given<'_>>> = BTreeMap::new();
        for one in submissions {
            records.entry(names::once(one.id)).or_default().push(Given(one));
        }
        let (hashes, records): (Vec<String>, Vec<Vec<Given<'_>>>) = records.into_iter().unzip();
        let script = EnqueueNewScript {
            revision,
            counter_count: counters.len(),
            entry_count: entries.len(),
            sizes: records.iter().map(Vec::len).collect(),
            hashes,
            records: records.into_iter().flatten().collect(),
            counters,
            entries,
        };
        script.run(redis, &self.new).await
    }
}

script! {
    EnqueueScript<'a> = composed "queue/enqueue.lua",
    keys { records: Records<'a>, buckets: Option<Buckets<'a>>, amended: Option<[String; 2]> }
    args { revision: &'a str, submissions: &'a [Submission<'a>], amendment: Option<([u8; 16], &'a [u8], &'a str)> }
    reply Vec<RedisResult>, by flat
}

script! {
    EnqueueNewScript<'a> = composed "queue/enqueue_new.lua",
    keys { hashes: Vec<String> }
    args {
        revision: &'a str,
        counter_count: usize,
        entry_count: usize,
        sizes: Vec<usize>,
        records: Vec<Given<'a>>,
        counters: Vec<(String, u32, String)>,
        entries: Vec<Shared<'a>>,
    }
    reply bool, by whether
}

/// The idempotency record of a submission, with its field.
struct Given<'a>(&'a Submission<'a>);

impl Parameter for Given<'_> {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(RedisParameter::Binary(idempotency::given(self.0.id, self.0.record)));
    }
}

/// The hashes of the idempotency records of submissions.
struct Records<'a>(&'a [Submission<'a>]);

impl Parameter for Records<'_> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.extend(self.0.iter().map(|one| text(names::once(one.id))));
    }
}

/// The buckets of the API key and of each submission's site.
struct Buckets<'a> {
    key: &'a KeyId,
    submissions: &'a [Submission<'a>],
}

impl Parameter for Buckets<'_> {
    const COUNT: Option<usize> = None;

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        into.push(text(names::rate_of_key(self.key)));
        into.extend(self.submissions.iter().map(|one| text(names::rate_of_site(one.scope))));
    }
}

impl Parameter for Submission<'_> {
    const COUNT: Option<usize> = Some(6);

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        let suffix = ["|", self.scope, "|", self.kind].concat();
        let cost = text(self.cost.to_string());
        Given(self).add_to(into);
        let written = text(written(self.written_ms, self.own));
        into.extend([text(suffix), written, text(self.flow), cost, text(self.payload)]);
    }
}

/// An entry of submissions of one flow.
struct Shared<'a> {
    flow: &'a str,
    cost: usize,
    lines: Vec<&'a str>,
}

impl Parameter for Shared<'_> {
    const COUNT: Option<usize> = Some(4);

    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        let all = self.lines.join(SEPARATOR.encode_utf8(&mut [0; 1]));
        into.extend([text(self.flow), text(self.cost.to_string()), text(self.lines.len().to_string()), text(all)]);
    }
}

/// Groups submissions into shared entries: each holds submissions of one flow, up to the cost limit.
fn shared<'a>(submissions: &[Submission<'a>]) -> Vec<Shared<'a>> {
    let mut entries: Vec<Shared<'_>> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for one in submissions {
        let last = open.get(one.flow).and_then(|place| entries.get_mut(*place));
        match last.filter(|last| last.cost + one.cost <= LARGEST_SHARED) {
            Some(last) => {
                last.cost += one.cost;
                last.lines.push(one.payload);
            }
            None => {
                open.insert(one.flow, entries.len());
                entries.push(Shared { flow: one.flow, cost: one.cost, lines: vec![one.payload] });
            }
        }
    }
    entries
}

/// Whether all ids are different.
fn are_distinct(submissions: &[Submission<'_>]) -> bool {
    let mut ids: Vec<&SubmissionId> = submissions.iter().map(|one| one.id).collect();
    ids.sort_unstable();
    ids.windows(2).all(|pair| pair.first() != pair.last())
}

/// Reads the reply: the number of submissions on the stream, then each of the others with its outcome.
fn enqueued(reply: &[RedisResult], count: usize) -> Option<Vec<Enqueued>> {
    let (queued, others) = reply.split_first()?;
    let (others, rest) = others.as_chunks::<3>();
    let queued = usize::try_from(integer(queued)?).ok()?;
    if !rest.is_empty() || queued + others.len() != count {
        return None;
    }
    let mut outcomes = vec![Enqueued::Queued; count];
    for [number, outcome, facts] in others {
        let place = outcomes.get_mut(usize::try_from(integer(number)?).ok()?.checked_sub(1)?)?;
        let before = std::mem::replace(place, outcome_of(&string(outcome)?, facts)?);
        if before != Enqueued::Queued {
            return None;
        }
    }
    Some(outcomes)
}

fn outcome_of(word: &str, facts: &RedisResult) -> Option<Enqueued> {
    Some(match word {
        "full" => Enqueued::Full,
        "quota" => Enqueued::Quota,
        "gone" => Enqueued::Gone,
        "amends-unknown" => Enqueued::AmendsUnknown,
        "amends-other" => Enqueued::AmendsOther,
        "amends-gone" => Enqueued::AmendsGone,
        "not-current" => Enqueued::NotCurrent,
        "stale" => Enqueued::Stale,
        "erasing" => Enqueued::Erasing,
        "not-taken" => Enqueued::NotTaken(NotTaken::parse(&string(facts)?)?),
        "limited" => {
            let wait = u64::try_from(integer(facts)?).ok()?;
            Enqueued::Limited(u32::try_from(wait.div_ceil(1000).max(1)).unwrap_or(u32::MAX))
        }
        "duplicate" | "conflict" => {
            let RedisResult::Binary(record) = facts else { return None };
            let first = idempotency::received_at(record)?;
            if word == "duplicate" { Enqueued::Duplicate(first) } else { Enqueued::Conflict(first) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(text: &str) -> RedisResult {
        RedisResult::Binary(text.into())
    }

    #[test]
    fn every_submission_has_its_outcome() {
        let number = RedisResult::Int64;
        let reply = [
            [number(1)].as_slice(),
            &[number(2), binary("conflict"), RedisResult::Binary(vec![0; 31])],
            &[number(3), binary("limited"), number(1001)],
        ]
        .concat();
        let expected = [Enqueued::Queued, Enqueued::Conflict(Timestamp::from_millis(0)), Enqueued::Limited(2)];
        assert_eq!(enqueued(&reply, 3), Some(expected.into()));
        for wrong in [2, 4] {
            assert_eq!(enqueued(&reply, wrong), None, "every submission is accounted for");
        }
        assert_eq!(enqueued(&reply[..6], 3), None);
        assert_eq!(enqueued(&[], 1), None);
        assert_eq!(enqueued(&[RedisResult::Nil], 1), None);
        assert_eq!(enqueued(&[number(1)], 1), Some(vec![Enqueued::Queued]));
    }

    #[test]
    fn what_grows_when_it_is_parsed_costs_what_it_grows_to() {
        let check = |content: &str, least: usize, most: usize| {
            let Value::Object(parsed) = serde_json::from_str(content).unwrap() else { unreachable!() };
            let cost = cost(content, &parsed);
            assert!((least..=most).contains(&cost), "{} bytes cost {cost}", content.len());
        };
        let answers: Vec<String> = (1..=30).map(|item| format!("\"question_{item}\":{}", item % 4)).collect();
        let plain = format!("{{{}}}", answers.join(","));
        check(&plain, plain.len(), 2 * plain.len());
        let text = format!("{{\"note\":\"{}\"}}", "a".repeat(10_000));
        check(&text, text.len(), text.len());
        let objects = format!("{{\"a\":[{}]}}", vec!["{}"; 1000].join(","));
        check(&objects, 50_000, 80_000);
    }

    #[test]
    fn submissions_of_one_flow_share_entries_that_cost_little() {
        let nobody = SubmissionId::default();
        let one = |flow, cost| Submission {
            id: &nobody,
            record: b"",
            scope: "",
            kind: "",
            flow,
            cost,
            payload: flow,
            written_ms: 0,
            own: "",
            amends: None,
        };
        let large = LARGEST_SHARED - 10;
        let entries = shared(&[one("a", 5), one("b", 5), one("a", 5), one("a", large), one("a", 10), one("b", 1)]);
        let expected = [("a", LARGEST_SHARED, 3), ("b", 6, 2), ("a", 10, 1)];
        let entries: Vec<_> = entries.iter().map(|one| (one.flow, one.cost, one.lines.len())).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn one_that_is_not_on_the_stream_is_told_once_and_with_a_known_word() {
        let one = |number, word: &str, facts| {
            enqueued(&[RedisResult::Int64(0), RedisResult::Int64(number), binary(word), facts], 1)
        };
        for (word, expected) in [
            ("full", Enqueued::Full),
            ("quota", Enqueued::Quota),
            ("gone", Enqueued::Gone),
            ("stale", Enqueued::Stale),
            ("erasing", Enqueued::Erasing),
            ("amends-unknown", Enqueued::AmendsUnknown),
            ("amends-other", Enqueued::AmendsOther),
            ("amends-gone", Enqueued::AmendsGone),
            ("not-current", Enqueued::NotCurrent),
        ] {
            assert_eq!(one(1, word, binary("x")), Some(vec![expected]), "{word}");
        }
        assert_eq!(one(1, "not-taken", binary("study-draft")), Some(vec![Enqueued::NotTaken(NotTaken::Draft)]));
        assert_eq!(one(1, "not-taken", binary("stale")), None);
        assert_eq!(one(1, "limited", RedisResult::Int64(0)), Some(vec![Enqueued::Limited(1)]));
        assert_eq!(one(1, "limited", RedisResult::Int64(-1)), None);
        assert_eq!(one(0, "full", binary("")), None);
        assert_eq!(one(2, "full", binary("")), None);
        assert_eq!(one(1, "queued", binary("")), None);
        assert_eq!(one(1, "conflict", RedisResult::Nil), None);
    }
}
