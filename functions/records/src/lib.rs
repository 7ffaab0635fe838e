//! What is known: the state of a submission, who a subject is and what they sent, what other services know of a patient
//! or a study, the health of the system, and the description of the API.
//!
//! Guarantee: a key sees what its study, site and role cover; everything else looks as if it were not there.

mod config;
mod erase;
mod fhir;
mod gather;
mod health;
mod identity;
mod openapi;
mod page;
mod patient;
mod query;
mod report;
mod services;
mod spark;
mod study;
mod subject;
mod submission;

use std::time::Duration;

use platform::auth::{Action, Principal};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::{Error, log, tally};
use serde_json::json;

use config::Config;

platform::serve!(handle);
platform::asked!("records", config::read);

/// The whole of a request.
const TOTAL: Duration = Duration::from_secs(3);

async fn handle(incoming: Incoming) -> Reply {
    match answer(incoming).await {
        Ok(reply) => reply,
        Err(problem) => {
            if let Ok(config) = config::get().await {
                tally::refused(&config.redis, &problem, tally::UNKNOWN, tally::UNKNOWN, tally::UNKNOWN);
            }
            Reply::from(problem)
        }
    }
}

async fn answer(incoming: Incoming) -> Result<Reply, Problem> {
    let path = incoming.path.clone();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["v1", "patients", patient, "record"] => return patient::show(&incoming, patient).await,
        ["v1", "studies", study, "report"] => return report::show(&incoming, study).await,
        ["v1", "studies", study] => return study::show(&incoming, study).await,
        ["v1", "subjects", pseudonym, "submissions"] => return subject::submissions(&incoming, pseudonym).await,
        ["v1", "subjects", pseudonym, "scores"] => return subject::series(&incoming, pseudonym).await,
        _ => {}
    }
    match path.as_str() {
        "/healthz" => {
            only(&incoming, "GET", &["GET"])?;
            Ok(Reply::json(200, &json!({"status": "ok"})))
        }
        "/readyz" => {
            only(&incoming, "GET", &["GET"])?;
            match config::get().await {
                Ok(config) => Ok(health::ready(&config).await),
                Err(faults) => Ok(health::unready(faults).await),
            }
        }
        "/openapi.json" => {
            only(&incoming, "GET", &["GET"])?;
            Ok(openapi::document())
        }
        path if path.starts_with("/fhir/") => Ok(fhir::answer(&incoming).await),
        path => {
            let subject = path.strip_prefix("/v1/subjects/").and_then(|rest| rest.strip_suffix("/identity"));
            if let Some(pseudonym) = subject {
                only(&incoming, "GET", &["GET"])?;
                let config = configured().await?;
                let principal = config.keys.admit(incoming.header("authorization"), Action::Identify)?;
                return within(patience(&incoming), &config, identity::show(&config, principal, pseudonym)).await;
            }
            let Some(id) = path.strip_prefix("/v1/submissions/").filter(|id| !id.contains('/')) else {
                return Err(Problem::not_found());
            };
            only(&incoming, "GET, DELETE", &["GET", "DELETE"])?;
            let config = configured().await?;
            let (authorization, deadline) = (incoming.header("authorization"), patience(&incoming));
            if incoming.method == "DELETE" {
                let principal = config.keys.admit(authorization, Action::Erase)?;
                return within(deadline, &config, erase::erase(&config, principal, id, incoming)).await;
            }
            let principal = config.keys.admit(authorization, Action::Follow)?;
            within(deadline, &config, submission::show(&config, principal, id)).await
        }
    }
}

/// What a read needs: the configuration, and whose key is sent if its role covers the action.
async fn reader(incoming: &Incoming, action: Action) -> Result<(std::rc::Rc<Config>, Principal), Problem> {
    only(incoming, "GET", &["GET"])?;
    let config = configured().await?;
    let principal = config.keys.admit(incoming.header("authorization"), action)?.clone();
    Ok((config, principal))
}

/// The deadline of a request.
fn patience(incoming: &Incoming) -> Deadline {
    Deadline::after_or_sooner(TOTAL, incoming.header(HEADER))
}

/// Answers before the deadline, one way or the other.
async fn within<T>(
    deadline: Deadline,
    config: &Config,
    answer: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    deadline.run(answer).await.unwrap_or_else(|TimedOut| {
        config.redis.forget();
        Err(Problem::new(ProblemType::DeadlinePassed, "the services behind did not answer in time"))
    })
}

fn only(incoming: &Incoming, allowed: &'static str, methods: &[&str]) -> Result<(), Problem> {
    if methods.contains(&incoming.method) {
        return Ok(());
    }
    Err(Problem::method_not_allowed(allowed))
}

async fn configured() -> Result<std::rc::Rc<Config>, Problem> {
    config::get().await.map_err(|error| {
        log::error("misconfigured").cause(&error).write();
        Problem::new(ProblemType::Unavailable, "the service is not configured")
    })
}

fn away(error: &Error) -> Problem {
    log::error("read-failed").cause(error).write();
    Problem::new(ProblemType::Unavailable, "a service that this needs is away")
}
