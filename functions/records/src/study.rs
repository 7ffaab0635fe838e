//! `GET /v1/studies/{study}`: a study's description from the project service, cached for all requests.
//!
//! Guarantee: however many clients ask, the service gets at most one call a minute for each study, over all instances.

use std::rc::Rc;
use std::time::Duration;

use domain::Timestamp;
use domain::ids::is_name;
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use platform::deadline::Deadline;
use platform::http::Reply;
use platform::trace::Trace;
use platform::{Kind, clock};
use serde::Serialize;
use serde_json::Value;
use state::cache::{self, Response, Terms};
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::edge::serve::Call;
use state::figures::refusals;

use crate::TOTAL;
use crate::config::Config;
use crate::services::{Outcome, Service};

/// The time for which the service's answer is valid.
const TERMS: Terms =
    Terms { fresh: Duration::from_secs(60), stale: Duration::from_secs(600), negative: Duration::from_secs(10) };

/// A study, as the project service describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Study<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    fetched_at: String,
    /// The answer of the service, any JSON.
    project: Value,
}

/// Shows a study.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let study = call.segment(0);
    let (deadline, principal, config, incoming) = (call.deadline, &call.principal, &call.config, &call.incoming);
    // A path segment of dots is not a study.
    if !is_name(study) || study.bytes().all(|byte| byte == b'.') {
        return Err(Problem::not_found());
    }
    principal.asks(Whose::default().study(study));
    if principal.study().is_some_and(|own| own != study) {
        return Err(Problem::not_found());
    }
    if config.study_service.is_empty() {
        return Err(Problem::new(ProblemType::NotFound, "no service that knows studies is configured"));
    }
    let ask = || ask(Rc::clone(config), study.to_owned(), incoming.trace.clone());
    let kept = cache::read(&config.redis, &format!("study:{study}"), TERMS, deadline, ask).await;
    let kept = kept.map_err(|error| match error.kind {
        Kind::TimedOut => Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"),
        Kind::Unavailable | Kind::Refused => unavailable(&error),
    })?;
    match kept.said {
        Response::Found(project) => {
            let project: Value = serde_json::from_str(&project).unwrap_or_default();
            let age = (clock::now().millis() - kept.at_ms).max(0) / 1000;
            let fetched_at = Timestamp::from_millis(kept.at_ms).rfc3339();
            let document = Study { study_id: study, fetched_at, project };
            Ok(Reply::json(200, &document).header("age", age.to_string()))
        }
        Response::Absent => Err(Problem::not_found()),
        Response::Failed(word) if word == Outcome::TimedOut.status().as_str() => {
            Err(Problem::new(ProblemType::DeadlinePassed, "the service behind did not answer in time"))
        }
        Response::Failed(word) => Err(Problem::new(ProblemType::BadGateway, format!("the service behind: {word}"))),
    }
}

/// Calls the service on behalf of every waiting request, under a deadline of its own.
async fn ask(config: Rc<Config>, study: String, trace: Trace) -> Response {
    let Some(service) = config.study_service.first() else { return Response::Absent };
    let outcome = call(service, &study, &trace).await;
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
