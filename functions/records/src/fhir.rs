//! `GET /fhir/metadata`, `/fhir/Questionnaire/{id}` and `/fhir/QuestionnaireResponse/{id}`: instruments and responses for
//! FHIR R4 clients.
//!
//! The access rules are the same as everywhere: any key may read an instrument; a key that may read results of the
//! study and site may read its responses. For all other keys it is as if the submission did not exist.

use std::rc::Rc;

use domain::Instrument;
use domain::fhir::capability::capability_statement;
use domain::fhir::questionnaire::questionnaire;
use platform::http::Reply;
use platform::kv::Store;
use serde_json::Value;
use state::edge::auth::Principal;
use state::edge::fhir::{FHIR_JSON, outcome};
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::is_id;
use state::names;
use state::settings::Settings;
use state::wire::entry::{Record, State, Submission};
use state::wire::resource;
use state::wire::sealed::{Content, Opener};

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
    let record = stored::<Content>(principal, id).await?.ok_or_else(Problem::not_found)?;
    let opened = async { Opener::new(&config.ring).open(&Store::open().await?, record).await };
    let record = opened.await.map_err(|error| unavailable(&error))?;
    if record.state == State::Erased {
        return Err(Problem::new(ProblemType::Gone, "it was erased"));
    }
    let submission = &record.submission;
    let name = submission.instrument.as_ref().ok_or_else(Problem::not_found)?.as_str();
    let version = submission.instrument_version.as_deref();
    let instrument = instrument(config, name, version).await?.ok_or_else(Problem::not_found)?;
    Ok(resource::response(submission, &instrument))
}

/// A stored submission that the key covers.
pub(crate) async fn stored<C: TryFrom<Content>>(
    principal: &Principal,
    id: &str,
) -> Result<Option<Record<String, Submission<C>>>, Problem> {
    if !is_id(id) {
        return Ok(None);
    }
    principal.saw(Whose::default().id(id));
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let record: Option<Record<String, Submission<C>>> =
        store.get(&names::submission(&id.into())).await.map_err(|error| unavailable(&error))?;
    if let Some(it) = record.as_ref().map(|record| &record.submission) {
        principal.saw(Whose::at(&it.study_id, &it.site_id).subject(it.subject.as_str()));
    }
    let covered = |it: &Submission<C>| principal.covers(&it.study_id, &it.site_id);
    Ok(record.filter(|record| covered(&record.submission)))
}

fn shown(resource: &Value) -> Reply {
    Reply::new(200, FHIR_JSON, resource.to_string())
}

/// Finds an instrument in the given version, or in the version in force.
async fn instrument(config: &Config, id: &str, version: Option<&str>) -> Result<Option<Rc<Instrument>>, Problem> {
    let found = async { Settings::in_force(&config.redis).await?.instrument(&config.redis, id, version).await };
    found.await.map_err(|error| unavailable(&error))
}
