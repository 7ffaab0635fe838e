//! The queues from inside Redis, by the application's own scripts: entries that others left, workers that died.

use platform::queue::flows;

use crate::app::App;

const CLAIM: &str = include_str!("../../platform/src/queue/claim.lua");

/// Puts an entry onto a queue.
pub(crate) async fn put(app: &App, queue: &str, payload: &str) {
    let script = flows::before("return append(ARGV[1], '||', ARGV[2], #ARGV[2], 1)");
    let _: String = app.redis(&["EVAL", &script, "0", queue, payload]).await;
}

/// A worker takes all that waits, and holds it for so many milliseconds after it was last heard of.
pub(crate) async fn take(app: &App, queue: &str, worker: &str, milliseconds: u32) {
    let (script, lease) = (flows::before(CLAIM), milliseconds.to_string());
    let bell = format!("{{vigil}}:bell:{queue}");
    let keys = ["2", &bell, "{vigil}:settings"];
    let arguments = [queue, worker, "0", &lease, "10000", "100000000", "100000000", "0", "0", "0"];
    let words: Vec<&str> = ["EVAL", script.as_str()].into_iter().chain(keys).chain(arguments).collect();
    let _: redis::Value = app.redis(&words).await;
}

/// A worker that holds something dies.
pub(crate) async fn die(app: &App, worker: &str) {
    let _: usize = app.redis(&["ZADD", "{vigil}:holders", "1", worker]).await;
}
