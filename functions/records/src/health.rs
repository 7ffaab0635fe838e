//! `GET /readyz`: whether the promise can be kept right now.
//!
//! It needs no key, so that an orchestrator's probe can ask; it tells which check failed and nothing else. It is also
//! what wakes the workers after a restart: every check rings for what waits and starts a clock that has stopped.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::future::join;
use platform::deadline::{Deadline, TimedOut};
use platform::http::Reply;
use platform::kv::Store;
use platform::names::{self, Queue};
use platform::redis::{Redis, text};
use platform::settings::Settings;
use platform::{Error, clock, log, queue, self_check};
use serde_json::{Value, json};
use spin_sdk::redis::RedisResult;

use crate::config::Config;

/// Anybody may ask, so an answer is good for this long.
const FRESH: Duration = Duration::from_millis(500);
/// The most a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

thread_local! {
    static LAST: RefCell<Option<(Instant, Vec<Check>)>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    fault: Option<&'static str>,
}

/// Answers 200 when all is well, else 503 with what is not.
pub(crate) async fn ready(config: &Config) -> Reply {
    let known = LAST.with_borrow(|last| last.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, c)| c.clone()));
    let checks = match known {
        Some(checks) => checks,
        None => {
            let checks = check(config).await;
            LAST.set(Some((Instant::now(), checks.clone())));
            checks
        }
    };
    let ready = checks.iter().all(|check| check.fault.is_none());
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| match check.fault {
            None => json!({"name": check.name, "ok": true}),
            Some(fault) => json!({"name": check.name, "ok": false, "detail": fault}),
        })
        .collect();
    Reply::json(if ready { 200 } else { 503 }, &json!({"ready": ready, "checks": checks}))
}

async fn check(config: &Config) -> Vec<Check> {
    let deadline = Deadline::after(PATIENCE);
    let (redis, store) = join(deadline.run(redis_checks(config)), deadline.run(store())).await;
    let redis = redis.unwrap_or_else(|TimedOut| {
        config.redis.forget();
        vec![Check { name: "redis", fault: Some("does not answer in time") }]
    });
    let store = match store {
        Ok(written) => written.err().map(noted("cannot be written")),
        Err(TimedOut) => Some("does not answer in time"),
    };
    [redis, vec![Check { name: "key-value", fault: store }]].concat()
}

/// Logs an error and gives the words that a client sees.
fn noted(fault: &'static str) -> impl Fn(Error) -> &'static str {
    move |error| {
        log::error("not-ready").cause(&error).write();
        fault
    }
}

async fn store() -> Result<(), Error> {
    Store::open().await?.put(names::READY_PROBE, b"ok").await
}

async fn redis_checks(config: &Config) -> Vec<Check> {
    let info = match info(&config.redis).await {
        Ok(info) => info,
        Err(error) => return vec![Check { name: "redis", fault: Some(noted("cannot be reached")(error)) }],
    };
    let says = |line: &str| info.lines().any(|given| given.trim() == line);
    let unless = |ok: bool, fault: &'static str| (!ok).then_some(fault);
    let fsync = fsync_always(&config.redis).await;
    let waiting = waiting(config).await.map_err(noted("cannot be read"));
    // After Redis lost its copy of the settings this brings it back before the door needs it.
    let settings = Settings::in_force(&config.redis).await.err().map(noted("cannot be read"));
    let mut checks = vec![
        Check { name: "redis", fault: None },
        Check { name: "redis-aof", fault: unless(says("aof_enabled:1"), "appendonly must be on") },
        Check { name: "redis-fsync", fault: unless(fsync != Some(false), "appendfsync must be always") },
        Check {
            name: "redis-aof-write",
            fault: unless(says("aof_last_write_status:ok"), "the last write to disk failed"),
        },
        Check {
            name: "redis-noeviction",
            fault: unless(says("maxmemory_policy:noeviction"), "maxmemory-policy must be noeviction"),
        },
        Check { name: "settings", fault: settings },
        Check {
            name: "oldest-pending",
            fault: match waiting {
                Ok(age) => unless(age <= config.ready_max_age, "work has been waiting for too long"),
                Err(fault) => Some(fault),
            },
        },
    ];
    if !config.self_check.is_zero() {
        checks.push(Check { name: "self-check", fault: self_check(config).await });
    }
    checks
}

/// Whether alerts come through the whole path: the last one that Vigil sent to itself did not long ago.
async fn self_check(config: &Config) -> Option<&'static str> {
    let now = clock::now();
    match self_check::look(&config.redis, config.self_check, now).await {
        Ok(seen) => {
            self_check::is_late(&seen, config.self_check, now).then_some("no alert has come through for too long")
        }
        Err(error) => Some(noted("cannot be read")(error)),
    }
}

/// How long the oldest entry of any queue has waited. Rings for what waits on the way.
async fn waiting(config: &Config) -> Result<Duration, Error> {
    let now = clock::now().millis();
    queue::tick(&config.redis, now, !config.self_check.is_zero(), None).await?;
    let mut oldest = now;
    for queue in Queue::ALL {
        oldest = oldest.min(queue::oldest(&config.redis, queue).await?.unwrap_or(now));
    }
    Ok(Duration::from_millis(u64::try_from(now - oldest).unwrap_or(0)))
}

/// Whether every write reaches the disk before it is acknowledged; none where the server does not tell.
async fn fsync_always(redis: &Redis) -> Option<bool> {
    // Managed servers often forbid CONFIG. That is no fault: what they promise is in their papers.
    let reply = redis.command("CONFIG", vec![text("GET"), text("appendfsync")]).await.ok()?;
    match reply.get(1)? {
        RedisResult::Binary(value) => Some(value == b"always"),
        RedisResult::Status(value) => Some(value == "always"),
        _ => None,
    }
}

async fn info(redis: &Redis) -> Result<String, Error> {
    let mut all = String::new();
    for section in ["persistence", "memory"] {
        let reply = redis.command("INFO", vec![text(section)]).await?;
        match reply.into_iter().next() {
            Some(RedisResult::Binary(bytes)) => all.push_str(&String::from_utf8_lossy(&bytes)),
            Some(RedisResult::Status(text)) => all.push_str(&text),
            _ => {}
        }
        all.push('\n');
    }
    Ok(all)
}
