//! The base of all scripts that work on the queues.

use platform::Error;
use platform::redis::{self, Redis};
use spin_sdk::redis::{RedisParameter, RedisResult};

use crate::names::{self, Queue};

/// A script, preceded by the names of keys and the functions of `flows.lua`.
pub fn before(script: &str) -> String {
    let queues: Vec<String> = Queue::ALL.iter().map(|queue| format!("'{}'", queue.name())).collect();
    format!(
        "local STREAM, MORE, FLOW, RING, HELD, LOST = '{}', '{}', '{}', '{}', '{}', '{}'\n\
         local LOAD, HOLDERS, RETURNED, RESERVED, DUE = '{}', '{}', '{}', '{}', '{}'\n\
         local QUEUES = {{{}}}\n{}{script}",
        names::STREAM,
        names::MORE,
        names::FLOW,
        names::RING,
        names::HELD,
        names::LOST,
        names::LOAD,
        names::HOLDERS,
        names::RETURNED,
        names::RESERVED,
        names::DUE,
        queues.join(", "),
        lua!("queue/flows.lua"),
    )
}

/// Runs a script that works on the queues.
///
/// # Errors
/// As [`Redis::command`].
pub(crate) async fn eval(
    redis: &Redis,
    script: &'static str,
    keys: &[&str],
    arguments: Vec<RedisParameter>,
) -> Result<Vec<RedisResult>, Error> {
    eval_again(redis, script, keys, || arguments.clone()).await
}

/// The same for a script that must know whether it is sent a second time. `arguments` is called before each send.
///
/// # Errors
/// As [`Redis::command`].
pub(crate) async fn eval_again(
    redis: &Redis,
    script: &'static str,
    keys: &[&str],
    arguments: impl Fn() -> Vec<RedisParameter>,
) -> Result<Vec<RedisResult>, Error> {
    let script = redis::known(script, || before(script));
    redis.run(&script, || (keys.iter().map(|key| redis::text(*key)).collect(), arguments())).await
}
