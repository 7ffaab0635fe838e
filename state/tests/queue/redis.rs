//! A Redis for tests, and a snapshot of everything that the protocol has written there.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::ids::SubmissionId;
use platform::redis::{Composed, Parameters, Redis, string, text};
use serde::Deserialize;
use state::queue::rate_limit::Limits;
use state::queue::{Door, Submission};
use state::wire::idempotency::{Content, IdempotencyRecord, Topic};

/// Reads at one moment the whole state of the scorer's queue, and the payloads that were handed to dispatch.
const SNAPSHOT: &str = r"
local function by_key(pattern, read)
  local all = {}
  for _, key in ipairs(redis.call('KEYS', pattern)) do
    all[#all + 1] = {string.sub(key, #pattern), read(key)}
  end
  return all
end
local function stream(key)
  local all = {}
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do all[#all + 1] = {entry[1], entry[2][2]} end
  return all
end
local function pairs_of(key)
  local all, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do all[#all + 1] = {flat[i], flat[i + 1]} end
  return all
end
return cjson.encode({
  stream = stream('{vigil}:q:score'), dispatched = stream('{vigil}:q:dispatch'),
  flows = by_key('{vigil}:flow:score:*', function(key) return redis.call('LRANGE', key, 0, -1) end),
  rings = by_key('{vigil}:ring:score*', function(key) return redis.call('ZRANGE', key, 0, -1) end),
  held = pairs_of('{vigil}:held:score'), lost = pairs_of('{vigil}:lost:score'), load = pairs_of('{vigil}:load'),
  more = tonumber(redis.call('GET', '{vigil}:q:score:more') or 0),
  holders = redis.call('ZRANGE', '{vigil}:holders', 0, -1),
})";

/// The snapshot.
#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot {
    /// Entries that are not finished: id, payload.
    pub(crate) stream: Vec<(String, String)>,
    pub(crate) dispatched: Vec<(String, String)>,
    /// Entries that wait, by their flow: `<id> <cost> <submissions>`.
    pub(crate) flows: Vec<(String, Vec<String>)>,
    /// The rings: who takes turns with whom.
    pub(crate) rings: Vec<(String, Vec<String>)>,
    /// Entries that workers hold.
    pub(crate) held: Vec<(String, String)>,
    pub(crate) lost: Vec<(String, String)>,
    pub(crate) load: Vec<(String, String)>,
    pub(crate) more: i64,
    pub(crate) holders: Vec<String>,
}

pub(crate) async fn snapshot(redis: &Redis) -> Snapshot {
    let json = redis.run(Composed::new(SNAPSHOT.to_owned()).script(), &Parameters::default).await.unwrap();
    // Lua encodes an empty table as an object.
    let json = string(&json[0]).unwrap().replace("{}", "[]");
    serde_json::from_str(&json).unwrap()
}

pub(crate) async fn command(redis: &Redis, words: &[&str]) -> Vec<String> {
    let (name, arguments) = words.split_first().unwrap();
    let reply = redis.command(name, arguments.iter().map(|word| text(*word)).collect()).await.unwrap();
    reply.iter().filter_map(string).collect()
}

/// Ends the lease of a holder: a worker, or resting entries.
pub(crate) async fn end_lease(redis: &Redis, holder: &str) {
    command(redis, &["ZADD", "{vigil}:holders", "XX", "1", holder]).await;
}

/// A door with this capacity and this quota per key.
pub(crate) fn door(capacity: u64, quota: u64) -> Door {
    Door::new(capacity, quota, &Limits::default(), false)
}

/// The idempotency record of content with this hash; it came in at this time, milliseconds.
pub(crate) fn remembered(hash: &str, received_ms: i64) -> Vec<u8> {
    let content = Some(Content { hash, subject: "who", topic: Topic::Instrument("what") });
    let received_at = Timestamp::from_millis(received_ms);
    IdempotencyRecord { study: "A", site: "1", received_at, content }.bytes()
}

/// An id of a submission that came in at this time, milliseconds. Ids of the same name differ in the time only.
pub(crate) fn id(name: &str, received_ms: i64) -> SubmissionId {
    let [high, low] = [received_ms >> 16, received_ms & 0xffff];
    let name = name.bytes().fold(0_u64, |name, byte| name << 8 | u64::from(byte));
    format!("{high:08x}-{low:04x}-7{:03x}-8000-{name:012x}", name & 0xfff).into()
}

/// The idempotency record of an erased submission.
pub(crate) fn erased() -> IdempotencyRecord<&'static str> {
    IdempotencyRecord { study: "A", site: "1", received_at: Timestamp::from_millis(5), content: None }
}

/// A submission of this id, idempotency record and flow.
pub(crate) fn submission<'a>(id: &'a SubmissionId, record: &'a [u8], flow: &'a str, cost: usize) -> Submission<'a> {
    let scope = flow.split_once('|').map_or("", |(_, scope)| scope);
    let (kind, payload) = ("response", id.as_str());
    Submission { id, record, scope, kind, flow, cost, payload, written_ms: 0, own: "", amends: None }
}

/// Runs a test with an empty Redis.
pub(crate) fn with_redis(work: impl AsyncFnOnce(&Redis)) {
    let server = test_redis::Server::start();
    let redis = Redis::new(&server.url());
    runtime().block_on(work(&redis));
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Counts how often each item comes.
pub(crate) fn counted<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counted = BTreeMap::new();
    for one in all {
        *counted.entry(one).or_default() += 1;
    }
    counted
}
