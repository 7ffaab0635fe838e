//! What the project service says of a study, cached for all requests.
//!
//! Guarantee: however many clients ask, the service gets at most one call a minute for each study, over all instances.

use std::rc::Rc;
use std::time::Duration;

use domain::Timestamp;
use domain::ids::StudyId;
use platform::deadline::Deadline;
use platform::trace::Trace;
use platform::{Kind, clock};
use serde_json::Value;
use state::cache::{self, Response, Terms};
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::edge::serve::Call;
use state::edge::services::{Outcome, Service};
use state::figures::refusals;

use crate::TOTAL;
use crate::config::Config;

/// The time for which the service's answer is valid.
const TERMS: Terms =
    Terms { fresh: Duration::from_secs(60), stale: Duration::from_secs(600), negative: Duration::from_secs(10) };

/// The answer of the service.
pub(crate) struct Project {
    /// Any JSON.
    pub(crate) data: Value,
    pub(crate) fetched_at: String,
    /// How old it is, seconds.
    pub(crate) age: i64,
}

/// What the service says of a study; none if it does not know it, or if there is no service.
pub(crate) async fn of(call: &Call<Config>, study: &StudyId) -> Result<Option<Project>, Problem> {
    let (deadline, config, incoming) = (call.deadline, &call.config, &call.incoming);
    if config.study_service.is_empty() {
        return Ok(None);
    }
    let ask = || ask(Rc::clone(config), study.clone(), incoming.trace.clone());
    let kept = cache::read(&config.redis, &format!("study:{study}"), TERMS, deadline, ask).await;
    let kept = kept.map_err(|error| match error.kind {
        Kind::TimedOut => Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"),
        Kind::Unavailable | Kind::Refused => unavailable(&error),
    })?;
    match kept.said {
        Response::Found(project) => {
            let data: Value = serde_json::from_str(&project).unwrap_or_default();
            let age = (clock::now().millis() - kept.at_ms).max(0) / 1000;
            Ok(Some(Project { data, fetched_at: Timestamp::from_millis(kept.at_ms).rfc3339(), age }))
        }
        Response::Absent => Ok(None),
        Response::Failed(word) if word == Outcome::TimedOut.status().as_str() => {
            Err(Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"))
        }
        Response::Failed(word) => Err(Problem::new(ProblemType::BadGateway, format!("the service behind: {word}"))),
    }
}

/// Calls the service on behalf of every waiting request, under a deadline of its own.
async fn ask(config: Rc<Config>, study: StudyId, trace: Trace) -> Response {
    let Some(service) = config.study_service.first() else { return Response::Absent };
    let outcome = call(service, study.as_str(), &trace).await;
    refusals::called(&config.redis, &service.name, outcome.status().as_str());
    match outcome {
        Outcome::Ok(project) => Response::Found(project.to_string()),
        Outcome::Refused(Some(404 | 410)) => Response::Absent,
        other => Response::Failed(other.status().as_str().to_owned()),
    }
}

async fn call(service: &Service, study: &str, trace: &Trace) -> Outcome {
    service.call(&[("{studyId}", study)], trace, Deadline::after(TOTAL)).await
}
