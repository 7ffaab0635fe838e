//! `GET /v1/studies/{study}`: what the project service says of a study, kept for all who ask.
//!
//! Guarantee: however many ask, the service is called once a minute for a study and no more, by one of all instances.

use std::rc::Rc;
use std::time::Duration;

use domain::Timestamp;
use domain::intake::is_name;
use platform::auth::Action;
use platform::cache::{self, Said, Terms};
use platform::deadline::Deadline;
use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::trace::Trace;
use platform::{Kind, clock, tally};
use serde_json::{Value, json};

use crate::config::Config;
use crate::services::{Outcome, Service};
use crate::{TOTAL, away, patience, reader};

/// How long what the service says is good.
const TERMS: Terms =
    Terms { fresh: Duration::from_secs(60), stale: Duration::from_secs(600), negative: Duration::from_secs(10) };

/// Shows a study.
pub(crate) async fn show(incoming: &Incoming, study: &str) -> Result<Reply, Problem> {
    let deadline = patience(incoming);
    let (config, principal) = reader(incoming, Action::Read).await?;
    // What paths resolve is no study.
    if !is_name(study) || study.bytes().all(|byte| byte == b'.') || principal.study().is_some_and(|own| own != study) {
        return Err(Problem::not_found());
    }
    if config.study_service.is_empty() {
        return Err(Problem::new(ProblemType::NotFound, "no service that knows studies is configured"));
    }
    let ask = || ask(Rc::clone(&config), study.to_owned(), incoming.trace.clone());
    let kept = cache::read(&config.redis, &format!("study:{study}"), TERMS, deadline, ask).await;
    let kept = kept.map_err(|error| match error.kind {
        Kind::TimedOut => Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"),
        Kind::Away | Kind::Refused => away(&error),
    })?;
    match kept.said {
        Said::Found(project) => {
            let project: Value = serde_json::from_str(&project).unwrap_or_default();
            let age = (clock::now().millis() - kept.at_ms).max(0) / 1000;
            let fetched_at = Timestamp::from_millis(kept.at_ms).rfc3339();
            let document = json!({"studyId": study, "fetchedAt": fetched_at, "project": project});
            Ok(Reply::json(200, &document).header("age", age.to_string()))
        }
        Said::Absent => Err(Problem::not_found()),
        Said::Failed(word) if word == Outcome::TimedOut.word() => {
            Err(Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"))
        }
        Said::Failed(word) => Err(Problem::new(ProblemType::BadGateway, format!("the service behind: {word}"))),
    }
}

/// Asks the service, for everybody who waits: under a deadline of its own.
async fn ask(config: Rc<Config>, study: String, trace: Trace) -> Said {
    let Some(service) = config.study_service.first() else { return Said::Absent };
    let outcome = call(service, &study, &trace).await;
    tally::called(&config.redis, &service.name, outcome.word());
    match outcome {
        Outcome::Ok(project) => Said::Found(project.to_string()),
        Outcome::Refused(Some(404 | 410)) => Said::Absent,
        other => Said::Failed(other.word().to_owned()),
    }
}

async fn call(service: &Service, study: &str, trace: &Trace) -> Outcome {
    service.call(&[("{studyId}", study)], trace, Deadline::after(TOTAL)).await
}
