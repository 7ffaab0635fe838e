//! `GET /readyz`: whether Vigil can keep its promise right now.
//!
//! It needs no key, so that an orchestrator's probe can ask. The answer names the failed checks and nothing else: of
//! variables their names and rules, never a value. Each call also wakes the workers after a restart: it rings for
//! waiting work and starts a clock that has stopped.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join;
use platform::deadline::{Deadline, TimedOut};
use platform::http::Reply;
use platform::kv::Store;
use platform::redis::{Redis, text};
use platform::variables::Faults;
use platform::{Error, clock, log};
use serde::Serialize;
use spin_sdk::redis::RedisResult;
use state::health::check::{self, Unsound};
use state::health::self_check;
use state::names::{self, Queue};
use state::queue;
use state::settings::Settings;

use crate::config::{self, Config};

/// Anybody may ask, so an answer is cached for this long.
const FRESH: Duration = Duration::from_millis(500);
/// The longest time for a check.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest time to wait for the answers of components.
const ANSWERS: Duration = Duration::from_secs(1);
/// The name of this component.
const OWN: &str = "ops";

thread_local! {
    static LAST: RefCell<Option<(Instant, Vec<Check>)>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    fault: Option<Cow<'static, str>>,
    /// The faulty variables.
    unsound: BTreeSet<Unsound>,
}

impl Check {
    fn new(name: &'static str, fault: Option<&'static str>) -> Self {
        Check { name, fault: fault.map(Cow::Borrowed), unsound: BTreeSet::new() }
    }

    fn variables(unsound: BTreeSet<Unsound>) -> Self {
        let all: Vec<String> = unsound.iter().map(Unsound::to_string).collect();
        let fault = (!all.is_empty()).then(|| Cow::Owned(all.join("; ")));
        Check { name: "variables", fault, unsound }
    }

    fn shown(&self) -> Checked<'_> {
        let (detail, ok) = (self.fault.as_deref(), self.fault.is_none());
        Checked { name: self.name, ok, detail, faults: &self.unsound }
    }
}

/// The answer of the liveness probe.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Health {
    #[cfg_attr(feature = "schema", schemars(extend("const" = "ok")))]
    pub(crate) status: &'static str,
}

/// Whether the promise can be kept, check by check.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Readiness<'a> {
    /// Whether all checks pass.
    ready: bool,
    checks: Vec<Checked<'a>>,
}

/// One check.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Checked<'a> {
    name: &'a str,
    /// Whether it passes.
    ok: bool,
    /// Why it does not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The faults of variables: of the check "variables" only. Never a value.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Unsound>"))]
    faults: &'a BTreeSet<Unsound>,
}

/// Answers 200 if all checks pass, else 503 with the failed checks.
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
    answer(&checks)
}

/// Answers 503 for faults in this component's own variables, together with those of the others.
pub(crate) async fn unready(own: Faults) -> Reply {
    let (redis, replica) = config::asking().await;
    let mut check = variables(&redis, replica.as_deref(), Deadline::after(PATIENCE)).await;
    check.unsound.extend(own.0.into_iter().map(|fault| Unsound::of(OWN, fault)));
    answer(&[Check::variables(check.unsound)])
}

fn answer(checks: &[Check]) -> Reply {
    let ready = checks.iter().all(|check| check.fault.is_none());
    let checks = checks.iter().map(Check::shown).collect();
    Reply::json(if ready { 200 } else { 503 }, &Readiness { ready, checks })
}

async fn check(config: &Config) -> Vec<Check> {
    let deadline = Deadline::after(PATIENCE);
    // The workers must listen before the bells ring: a bell that nobody hears is lost.
    let variables = variables(&config.redis, config.replica.as_deref(), deadline).await;
    let (redis, store) = join(deadline.run(redis_checks(config)), deadline.run(store())).await;
    let redis = redis.unwrap_or_else(|TimedOut| {
        config.redis.forget();
        vec![Check::new("redis", Some("does not answer in time"))]
    });
    let store = match store {
        Ok(written) => written.err().map(noted("cannot be written")),
        Err(TimedOut) => Some("does not answer in time"),
    };
    [redis, vec![Check::new("key-value", store), variables]].concat()
}

/// Whether all components find their variables valid.
async fn variables(redis: &Redis, replica: Option<&str>, deadline: Deadline) -> Check {
    let Some(replica) = replica else { return Check::new("variables", None) };
    match deadline.run(check::look(redis, replica, OWN, deadline.cap(ANSWERS))).await {
        Ok(Ok(unsound)) => Check::variables(unsound),
        Ok(Err(error)) => Check::new("variables", Some(noted("the components cannot be asked")(error))),
        Err(TimedOut) => Check::new("variables", Some("the components cannot be asked in time")),
    }
}

/// Logs an error and returns the words for the client.
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
        Err(error) => return vec![Check::new("redis", Some(noted("cannot be reached")(error)))],
    };
    let says = |line: &str| info.lines().any(|given| given.trim() == line);
    let unless = |ok: bool, fault: &'static str| (!ok).then_some(fault);
    let fsync = fsync_always(&config.redis).await;
    let waiting = waiting(config).await.map_err(noted("cannot be read"));
    // If Redis lost its copy of the settings, this restores it before the door needs it.
    let settings = Settings::in_force(&config.redis).await.err().map(noted("cannot be read"));
    let mut checks = vec![
        Check::new("redis", None),
        Check::new("redis-aof", unless(says("aof_enabled:1"), "appendonly must be on")),
        Check::new("redis-fsync", unless(fsync != Some(false), "appendfsync must be always")),
        Check::new("redis-aof-write", unless(says("aof_last_write_status:ok"), "the last write to disk failed")),
        Check::new(
            "redis-noeviction",
            unless(says("maxmemory_policy:noeviction"), "maxmemory-policy must be noeviction"),
        ),
        Check::new("settings", settings),
        Check::new(
            "oldest-pending",
            match waiting {
                Ok(age) => unless(age <= config.ready_max_age, "work has been waiting for too long"),
                Err(fault) => Some(fault),
            },
        ),
    ];
    if !config.self_check.is_zero() {
        checks.push(Check::new("self-check", self_check(config).await));
    }
    checks
}

/// Whether alerts pass the whole path: checks that the last self-check is not too old.
async fn self_check(config: &Config) -> Option<&'static str> {
    let now = clock::now();
    match self_check::look(&config.redis, config.self_check, now).await {
        Ok(seen) => {
            self_check::is_late(&seen, config.self_check, now).then_some("no alert has come through for too long")
        }
        Err(error) => Some(noted("cannot be read")(error)),
    }
}

/// The waiting time of the oldest entry of any queue. Also rings for waiting work.
async fn waiting(config: &Config) -> Result<Duration, Error> {
    let now = clock::now().millis();
    queue::tick(&config.redis, now, !config.self_check.is_zero(), None).await?;
    let mut oldest = now;
    for queue in Queue::ALL {
        oldest = oldest.min(queue::oldest(&config.redis, queue).await?.unwrap_or(now));
    }
    Ok(Duration::from_millis(u64::try_from(now - oldest).unwrap_or(0)))
}

/// Whether every write reaches the disk before it is acknowledged; `None` if the server does not tell.
async fn fsync_always(redis: &Redis) -> Option<bool> {
    // Managed servers often forbid CONFIG. That is no fault: their documentation says what they guarantee.
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
