//! For operators: configuration documents and instruments, changed while Vigil runs; silences, receivers and dead
//! letters; histories, counters and metrics. For clinicians: alerts.
//!
//! Guarantee: what is stored is checked as a whole first, has its record in an audit chain, and is in force for
//! everything that comes in after the answer. A version is never changed; an earlier one stays readable.

mod alerts;
mod analytes;
mod audit;
mod config;
mod documents;
mod examples;
mod figures;
mod hidden;
mod instruments;
mod letters;
mod links;
mod parameters;
mod receivers;
mod request;
mod rescore;
mod scope;
mod silences;
mod stats;
mod subject_links;

use std::time::Duration;

use platform::auth::Action;
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::{Error, log, tally};

use config::Config;
use request::only;

platform::serve!(handle);
platform::asked!("console", config::read);

/// The whole of a request: much shorter than what a change may take before another may begin.
const TOTAL: Duration = Duration::from_secs(3);

async fn handle(incoming: Incoming) -> Reply {
    let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
    let config = match config::get().await {
        Ok(config) => config,
        Err(error) => {
            log::error("misconfigured").cause(&error).write();
            return Problem::new(ProblemType::Unavailable, "the service is not configured").into();
        }
    };
    let page = links::page(&incoming);
    let answer = deadline.run(answer(&config, incoming)).await.unwrap_or_else(|TimedOut| {
        config.redis.forget();
        Err(Problem::new(ProblemType::DeadlinePassed, "the services behind did not answer in time"))
    });
    answer.unwrap_or_else(|problem| {
        tally::refused(&config.redis, &problem, tally::UNKNOWN, tally::UNKNOWN, tally::UNKNOWN);
        match page {
            Some(language) => links::failed(language, problem),
            None => Reply::from(problem),
        }
    })
}

async fn answer(config: &Config, incoming: Incoming) -> Result<Reply, Problem> {
    let path = incoming.path.clone();
    match path.as_str() {
        "/v1/config" => documents::list(config, &incoming).await,
        "/v1/analytes" => analytes::list(config, &incoming),
        "/v1/instruments" => instruments::list(config, &incoming).await,
        "/v1/alerts" => alerts::list(config, &incoming).await,
        "/v1/dead-letters" => letters::list(config, &incoming).await,
        "/v1/dead-letters/replay" => letters::replay(config, incoming).await,
        "/v1/receivers" => receivers::list(config, &incoming).await,
        "/v1/silences" => silences::answer(config, incoming).await,
        "/v1/stats/sites" => {
            only(&incoming, &["GET"], "GET")?;
            let principal = config.keys.admit(incoming.header("authorization"), Action::Read)?;
            stats::sites(config, principal).await
        }
        "/metrics" => {
            only(&incoming, &["GET"], "GET")?;
            let principal = config.keys.admit(incoming.header("authorization"), Action::Measure)?;
            stats::metrics(config, principal).await
        }
        path => {
            if let Some(entity) = path.strip_prefix("/v1/audit/") {
                only(&incoming, &["GET"], "GET")?;
                let principal = config.keys.admit(incoming.header("authorization"), Action::Audit)?;
                return audit::show(config, principal, entity).await;
            }
            if let Some(alert) = path.strip_prefix("/v1/alerts/") {
                return alerts::answer(config, incoming, alert).await;
            }
            if let Some(token) = path.strip_prefix(links::PATH) {
                return links::answer(config, incoming, token).await;
            }
            if let Some(receiver) = path.strip_prefix("/v1/receivers/") {
                let receiver = receiver.strip_suffix("/enable").ok_or_else(Problem::not_found)?;
                return receivers::enable(config, &incoming, receiver).await;
            }
            if let Some(subject) = path.strip_prefix("/v1/subjects/") {
                return match subject.split('/').collect::<Vec<_>>().as_slice() {
                    [subject, "links"] => subject_links::answer(config, incoming, subject).await,
                    [subject, "links", to] => subject_links::end(config, incoming, subject, to).await,
                    _ => Err(Problem::not_found()),
                };
            }
            if let Some(silence) = path.strip_prefix("/v1/silences/") {
                return silences::end(config, &incoming, silence).await;
            }
            if let Some(name) = path.strip_prefix("/v1/config/") {
                return documents::answer(config, incoming, name).await;
            }
            let id = path.strip_prefix("/v1/instruments/").ok_or_else(Problem::not_found)?;
            match id.strip_suffix("/rescore") {
                Some(id) => rescore::answer(config, incoming, id).await,
                None => instruments::answer(config, incoming, id).await,
            }
        }
    }
}

fn away(error: &Error) -> Problem {
    log::error("operation-failed").cause(error).write();
    Problem::new(ProblemType::Unavailable, "a service that this needs is away")
}
