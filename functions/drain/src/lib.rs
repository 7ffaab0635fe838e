//! `POST /v1/ops/drain`: one round of everything over HTTP, for hosts without Redis triggers and for a watchdog.
//!
//! Guarantee: what is due, what waits to be scored and what waits to be sent is worked on by the very code of the
//! workers, whose components need not run. It links them all, which is why it is a component of its own.

use std::time::Duration;

use platform::auth::{Action, Keys};
use platform::config::Reader;
use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::redis::{PATIENCE, Redis};
use platform::{Error, clock, log, queue, tally};
use serde_json::json;

platform::serve!(handle);

struct Config {
    redis: Redis,
    keys: Keys,
    lease: Duration,
}

async fn handle(incoming: Incoming) -> Reply {
    match configured().await {
        Ok(config) => answer(&config, &incoming).await.unwrap_or_else(|problem| {
            tally::refused(&config.redis, &problem, tally::UNKNOWN, tally::UNKNOWN, tally::UNKNOWN);
            Reply::from(problem)
        }),
        Err(error) => {
            log::error("misconfigured").cause(&error).write();
            Problem::new(ProblemType::Unavailable, "the service is not configured").into()
        }
    }
}

async fn answer(config: &Config, incoming: &Incoming) -> Result<Reply, Problem> {
    if incoming.method != "POST" {
        return Err(Problem::method_not_allowed("POST"));
    }
    config.keys.admit(incoming.header("authorization").as_deref(), Action::Operate)?;
    round(config).await.map_err(|error| {
        log::error("round-failed").cause(&error).write();
        Problem::new(ProblemType::Unavailable, "a service that this needs is away")
    })
}

/// The workers have a budget of their own: what they are in the middle of must not be dropped.
async fn round(config: &Config) -> Result<Reply, Error> {
    let due = queue::tick(&config.redis, clock::now().millis(), config.lease, None).await?;
    let scored = score::drain(score::BUDGET).await?;
    let dispatched = dispatch::drain(dispatch::Until::Budget).await?;
    Ok(Reply::json(200, &json!({"due": due.moved, "scored": scored, "dispatched": dispatched})))
}

async fn configured() -> Result<Config, Error> {
    let mut reader = Reader::new();
    let config = Config {
        redis: Redis::patient(&reader.text("redis_url").await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        lease: reader.seconds("lease_seconds", 1..=86_400).await,
    };
    reader.finish(config)
}
