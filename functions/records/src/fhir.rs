//! `GET /fhir/Questionnaire/{id}` and `GET /fhir/Observation?derived-from=QuestionnaireResponse/{id}`: instruments and
//! scores for those who speak FHIR R4.
//!
//! Who may see what is as everywhere: an instrument is shown to any key, scores to a key that may read results of that
//! study and site. To all others the search finds nothing, as if the submission were not there.

use std::rc::Rc;

use domain::fhir::observation::{Score, Scored, bundle, observation};
use domain::fhir::questionnaire::questionnaire;
use domain::{Code, Finding, Instrument};
use platform::auth::{Action, Principal};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::entry::{Outline, State};
use platform::fhir::{FHIR_JSON, outcome};
use platform::http::{Incoming, Reply};
use platform::identity::is_id;
use platform::kv::Store;
use platform::names;
use platform::problem::{Problem, ProblemType};
use platform::query::unknown;
use platform::settings::Settings;
use serde_json::Value;

use crate::config::Config;
use crate::{TOTAL, away, configured, only};

/// Answers a path below `/fhir/`; every refusal is an `OperationOutcome`.
pub(crate) async fn answer(incoming: &Incoming) -> Reply {
    let resource = if incoming.path == OBSERVATION { "Observation" } else { "Questionnaire" };
    read(incoming).await.unwrap_or_else(|problem| outcome(problem, resource))
}

const OBSERVATION: &str = "/fhir/Observation";
const QUESTIONNAIRE: &str = "/fhir/Questionnaire/";

async fn read(incoming: &Incoming) -> Result<Reply, Problem> {
    let id = incoming.path.strip_prefix(QUESTIONNAIRE).filter(|id| !id.contains('/'));
    if id.is_none() && incoming.path != OBSERVATION {
        return Err(Problem::not_found());
    }
    only(incoming, "GET", &["GET"])?;
    let config = configured().await?;
    let authorization = incoming.header("authorization");
    match id {
        Some(id) => {
            config.keys.admit(authorization, Action::Follow)?;
            let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
            let found = deadline.run(instrument(&config, id, None)).await.map_err(|TimedOut| late())?;
            let instrument = found?.ok_or_else(Problem::not_found)?;
            Ok(shown(&questionnaire(&instrument)))
        }
        None => {
            let principal = config.keys.admit(authorization, Action::Read)?;
            let submission = derived_from(&incoming.query)?;
            let own_url = format!("{OBSERVATION}?derived-from=QuestionnaireResponse/{submission}");
            let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
            let found =
                deadline.run(observations(&config, principal, &submission)).await.map_err(|TimedOut| late())??;
            Ok(shown(&bundle(&own_url, found)))
        }
    }
}

fn shown(resource: &Value) -> Reply {
    Reply::new(200, FHIR_JSON, resource.to_string())
}

/// A version of an instrument, or the one in force.
async fn instrument(config: &Config, id: &str, version: Option<&str>) -> Result<Option<Rc<Instrument>>, Problem> {
    let found = async { Settings::in_force(&config.redis).await?.instrument(&config.redis, id, version).await };
    found.await.map_err(|error| away(&error))
}

fn late() -> Problem {
    Problem::new(ProblemType::DeadlinePassed, "the services behind did not answer in time")
}

/// The submission whose scores are asked for. A parameter that is not followed is refused: a search that ignores one
/// finds too much.
fn derived_from(query: &str) -> Result<String, Problem> {
    let mut asked = None;
    let mut findings = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "derived-from" if asked.is_none() => asked = Some(value),
            "derived-from" => findings.push(Finding::new("", Code::Conflict, "derived-from is given once")),
            "_format" => {}
            _ => findings.push(unknown(name, &["derived-from"])),
        }
    }
    // What stands in a reference to a submission needs no other escape.
    let asked = asked.map(|value| value.replace("%2F", "/").replace("%2f", "/").replace("%3A", ":"));
    let id = asked.as_deref().and_then(|value| {
        let (kind, id) = value.rsplit_once('/')?;
        (kind == "QuestionnaireResponse" || kind.ends_with("/QuestionnaireResponse")).then_some(id)
    });
    match id {
        Some(id) if findings.is_empty() => Ok(id.to_owned()),
        Some(_) => Err(Problem::invalid(findings)),
        None => {
            let code = if asked.is_some() { Code::Format } else { Code::Required };
            findings.push(Finding::new("", code, "derived-from must be QuestionnaireResponse/{submissionId}"));
            Err(Problem::invalid(findings))
        }
    }
}

/// The scores of a submission; none of one that is not scored yet, erased, not there, or not for this key.
async fn observations(config: &Config, principal: &Principal, id: &str) -> Result<Vec<Value>, Problem> {
    if !is_id(id) {
        return Ok(Vec::new());
    }
    let store = Store::open().await.map_err(|error| away(&error))?;
    let record: Option<Outline> = store.get(&names::submission(id)).await.map_err(|error| away(&error))?;
    let covered = |record: &Outline| principal.covers(&record.submission.study_id, &record.submission.site_id);
    let kept = record.filter(|record| covered(record) && record.state != State::Erased);
    let Some(record) = kept else { return Ok(Vec::new()) };
    let submission = &record.submission;
    let Some(name) = &submission.instrument else { return Ok(Vec::new()) };
    let scored = Scored {
        submission_id: &submission.submission_id,
        subject: &submission.subject,
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
