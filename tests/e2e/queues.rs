//! The queues from inside Redis, by the application's own scripts: abandoned entries, and dead workers.

use state::queue::flows;

use crate::app::App;

const CLAIM: &str = include_str!("../../state/src/queue/claim.lua");

/// Puts an entry onto a queue.
pub(crate) async fn put(app: &App, queue: &str, payload: &str) {
    let script = flows::before("return append(ARGV[1], '||', ARGV[2], #ARGV[2], 1)");
    let _: String = app.redis(&["EVAL", &script, "0", queue, payload]).await;
}

/// Puts many entries of this cost into a flow; their payloads are `<flow> 1`, `<flow> 2` and so on.
pub(crate) async fn fill(app: &App, queue: &str, flow: &str, entries: usize, cost: usize) {
    let each = "for i = 1, ARGV[3] do append(ARGV[1], ARGV[2], ARGV[2] .. ' ' .. i, ARGV[4], 1) end";
    let (entries, cost) = (entries.to_string(), cost.to_string());
    let _: redis::Value = app.redis(&["EVAL", &flows::before(each), "0", queue, flow, &entries, &cost]).await;
}

/// A worker claims everything that waits, with a lease of this many milliseconds.
pub(crate) async fn take(app: &App, queue: &str, worker: &str, milliseconds: u32) {
    claim(app, queue, worker, milliseconds, [100_000, 100_000_000, 100_000_000]).await;
}

/// A worker claims at most this many entries, of at most this cost, with this share for each sender in turn. Returns
/// their payloads.
pub(crate) async fn claim(
    app: &App,
    queue: &str,
    worker: &str,
    milliseconds: u32,
    [most, cost, turn]: [usize; 3],
) -> Vec<String> {
    let (script, lease) = (flows::before(CLAIM), milliseconds.to_string());
    let bell = format!("{{vigil}}:bell:{queue}");
    let [most, cost, turn] = [most, cost, turn].map(|number| number.to_string());
    let keys = ["2", &bell, "{vigil}:settings"];
    let arguments = [queue, worker, "0", &lease, &most, &cost, &turn, "0", "0", "0"];
    let words: Vec<&str> = ["EVAL", script.as_str()].into_iter().chain(keys).chain(arguments).collect();
    // The revision of the settings, then id, attempt, number of submissions and payload of each.
    let reply: Vec<redis::Value> = app.redis(&words).await;
    let text = |value: &redis::Value| redis::from_redis_value_ref::<String>(value).unwrap();
    reply[1..].chunks(4).map(|entry| text(&entry[3])).collect()
}

/// Lets the lease of a worker end, as if it had died.
pub(crate) async fn die(app: &App, worker: &str) {
    let _: usize = app.redis(&["ZADD", "{vigil}:holders", "1", worker]).await;
}
