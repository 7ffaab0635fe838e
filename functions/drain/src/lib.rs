//! `POST /v1/ops/drain`: one round of everything over HTTP, for hosts without Redis triggers and for a watchdog.
//!
//! Guarantee: what is due, what did not move, what waits to be scored and what waits to be sent is worked on by the very
//! code of the workers, whose components need not run; a self-check that is due goes the whole way. It links them all,
//! which is why it is a component of its own.

use platform::auth::{Action, Keys};
use platform::config::{Reader, load};
use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::redis::{PATIENCE, Redis};
use platform::{Error, log, tally};
use serde_json::json;
use workers::{clock, dispatch, score};

platform::serve!(handle);
platform::asked!("drain", check);

struct Config {
    redis: Redis,
    keys: Keys,
}

impl Config {
    async fn read(reader: &mut Reader) -> Self {
        Config {
            redis: Redis::patient(&reader.redis().await, PATIENCE),
            keys: reader.parsed("api_keys", Keys::read).await,
        }
    }
}

/// Reads the variables, those of the workers among them.
async fn check(reader: &mut Reader) {
    Config::read(reader).await;
    clock::Clock::read(reader).await;
    score::read(reader).await;
    dispatch::read(reader).await;
}

async fn handle(incoming: Incoming) -> Reply {
    match load(Config::read).await {
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
    config.keys.admit(incoming.header("authorization"), Action::Operate)?;
    round().await.map_err(|error| {
        log::error("round-failed").cause(&error).write();
        Problem::new(ProblemType::Unavailable, "a service that this needs is away")
    })
}

/// The workers have a budget of their own: what they are in the middle of must not be dropped.
async fn round() -> Result<Reply, Error> {
    let round = clock::Clock::load().await?.round(None).await?;
    let scored = score::drain(score::BUDGET).await?;
    let dispatched = dispatch::drain(dispatch::Until::Budget).await?;
    let (due, overdue) = (round.moved, round.overdue);
    Ok(Reply::json(200, &json!({"due": due, "overdue": overdue, "scored": scored, "dispatched": dispatched})))
}
