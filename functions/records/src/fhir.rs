//! `GET /fhir/metadata`, `/fhir/Questionnaire/{id}`, `/fhir/QuestionnaireResponse/{id}` and
//! `/fhir/Observation?derived-from=QuestionnaireResponse/{id}`: instruments, responses and scores for FHIR R4 clients.
//!
//! The access rules are the same as everywhere: any key may read an instrument; a key that may read results of the
//! study and site may read its responses and scores. For all other keys it is as if the submission did not exist.

use std::rc::Rc;

use domain::fhir::answered::{Answered, questionnaire_response};
use domain::fhir::capability::capability_statement;
use domain::fhir::observation::{Score, Scored, bundle, observation};
use domain::fhir::questionnaire::questionnaire;
use domain::ids::{InstrumentId, SubmissionId};
use domain::{Code, Instrument};
use platform::http::Reply;
use platform::kv::Store;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use state::edge::auth::Principal;
use state::edge::fhir::{FHIR_JSON, outcome};
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::is_id;
use state::names;
use state::settings::Settings;
use state::wire::entry::{Record, State, Submission};

use crate::config::Config;

/// A path below `/fhir/`; every refusal is an `OperationOutcome`.
pub(crate) fn refused(path: &str, problem: Problem) -> Reply {
    let resource = path.split('/').nth(2);
    let known = ["Observation", "QuestionnaireResponse"].into_iter().find(|known| resource == Some(*known));
    outcome(problem, known.unwrap_or("Questionnaire"))
}

/// The abilities of this server, as a CapabilityStatement.
pub(crate) fn metadata() -> Reply {
    shown(&capability_statement(env!("CARGO_PKG_VERSION")))
}

const OBSERVATION: &str = "/fhir/Observation";

/// An instrument, as a Questionnaire.
pub(crate) async fn questionnaire_of(call: Call<Config>) -> Result<Reply, Problem> {
    let found = within(call.deadline, &call.config.redis, instrument(&call.config, call.segment(0), None)).await;
    let instrument = found?.ok_or_else(Problem::not_found)?;
    Ok(shown(&questionnaire(&instrument)))
}

/// A stored response, as a QuestionnaireResponse.
pub(crate) async fn response_of(call: Call<Config>) -> Result<Reply, Problem> {
    let found = response(&call.config, &call.principal, call.segment(0));
    Ok(shown(&within(call.deadline, &call.config.redis, found).await?))
}

async fn response(config: &Config, principal: &Principal, id: &str) -> Result<Value, Problem> {
    let record = stored::<Map<String, Value>>(principal, id).await?.ok_or_else(Problem::not_found)?;
    if record.state == State::Erased {
        return Err(Problem::new(ProblemType::Gone, "it was erased"));
    }
    let submission = &record.submission;
    let name = submission.instrument.as_ref().ok_or_else(Problem::not_found)?.as_str();
    let version = submission.instrument_version.as_deref();
    let instrument = instrument(config, name, version).await?.ok_or_else(Problem::not_found)?;
    let answered = Answered {
        submission_id: submission.submission_id.as_str(),
        study_id: submission.study_id.as_str(),
        site_id: submission.site_id.as_str(),
        subject: submission.subject.as_str(),
        authored_at: &submission.authored_at,
        received_at: &submission.received_at,
        amends: submission.amends.as_ref().map(SubmissionId::as_str),
        amends_reason: submission.amends_reason.as_deref(),
        answers: &submission.content,
    };
    Ok(questionnaire_response(&answered, &instrument))
}

/// A stored submission that the key covers.
async fn stored<C: DeserializeOwned>(
    principal: &Principal,
    id: &str,
) -> Result<Option<Record<String, Submission<C>>>, Problem> {
    if !is_id(id) {
        return Ok(None);
    }
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record: Option<Record<String, Submission<C>>> =
        store.get(&names::submission(&id.into())).await.map_err(|error| unavailable(&error))?;
    let covered = |it: &Submission<C>| principal.covers(&it.study_id, &it.site_id);
    Ok(record.filter(|record| covered(&record.submission)))
}

/// A submission's scores, as Observations.
pub(crate) async fn scores(call: Call<Config>) -> Result<Reply, Problem> {
    let submission = derived_from(&call.incoming.query)?;
    let own_url = format!("{OBSERVATION}?derived-from=QuestionnaireResponse/{submission}");
    let found = observations(&call.config, &call.principal, &submission);
    Ok(shown(&bundle(&own_url, within(call.deadline, &call.config.redis, found).await?)))
}

fn shown(resource: &Value) -> Reply {
    Reply::new(200, FHIR_JSON, resource.to_string())
}

/// Finds an instrument in the given version, or in the version in force.
async fn instrument(config: &Config, id: &str, version: Option<&str>) -> Result<Option<Rc<Instrument>>, Problem> {
    let found = async { Settings::in_force(&config.redis).await?.instrument(&config.redis, id, version).await };
    found.await.map_err(|error| unavailable(&error))
}

/// The submission whose scores are requested. An unsupported parameter is refused: a search that ignores a parameter
/// finds too much.
fn derived_from(query: &str) -> Result<String, Problem> {
    let mut query = Query::read(query, &["derived-from", "_format"]);
    let asked = query.text("derived-from");
    let id = asked.as_deref().and_then(|value| {
        let (kind, id) = value.rsplit_once('/')?;
        (kind == "QuestionnaireResponse" || kind.ends_with("/QuestionnaireResponse")).then(|| id.to_owned())
    });
    if id.is_none() {
        let code = if asked.is_some() { Code::Format } else { Code::Required };
        query.fault("derived-from", code, "must be QuestionnaireResponse/{submissionId}");
    }
    query.finish()?;
    id.ok_or_else(Problem::not_found)
}

/// The scores of a submission; empty if it is not scored yet, erased, unknown, or outside the key's scope.
async fn observations(config: &Config, principal: &Principal, id: &str) -> Result<Vec<Value>, Problem> {
    let record = stored::<IgnoredAny>(principal, id).await?.filter(|record| record.state != State::Erased);
    let Some(record) = record else { return Ok(Vec::new()) };
    let submission = &record.submission;
    let Some(name) = submission.instrument.as_ref().map(InstrumentId::as_str) else { return Ok(Vec::new()) };
    let scored = Scored {
        submission_id: submission.submission_id.as_str(),
        subject: submission.subject.as_str(),
        authored_at: &submission.authored_at,
        instrument: name,
    };
    let version = record.scored_with.as_ref().map(|with| with.version.as_str());
    let definition = instrument(config, name, version).await?;
    let scores = record.scores.iter().enumerate().map(|(position, score)| {
        let score = Score {
            id: &score.id,
            value: score.value.as_ref(),
            band: score.band.as_deref(),
            status: &score.status,
            reason: score.reason.as_deref(),
        };
        observation(&scored, position, &score, definition.as_deref())
    });
    Ok(scores.collect())
}
