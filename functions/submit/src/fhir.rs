//! `POST /fhir/QuestionnaireResponse`: the same door for FHIR R4 clients.
//!
//! A resource is converted to the document of a survey response, and from there all documents take the same way: the
//! same rules, content and submission, whatever the format. Every refusal is an `OperationOutcome`.

use domain::Timestamp;
use domain::fhir::response::{Response, Scope};
use domain::ids::{SiteId, StudyId};
use domain::intake::Shape;
use domain::patient_systems::PatientSystems;
use domain::reading::{Json, Limits};
use platform::http::{Incoming, Reply};
use state::edge::auth::Principal;
use state::edge::fhir::outcome;
use state::edge::problem::Problem;
use state::settings::Settings;
use state::settings::studies::Own;

use crate::config::Config;
use crate::document::{self, Accepted, Known};

/// The beginning of FHIR's paths.
pub(crate) const BASE: &str = "/fhir/";
/// The path.
pub(crate) const PATH: &str = "/fhir/QuestionnaireResponse";

/// Whether the body is JSON by its `content-type`; FHIR has a name of its own for it.
pub(crate) fn is_json(incoming: &Incoming) -> bool {
    incoming.is_json() || incoming.is_type(state::edge::fhir::FHIR_JSON)
}

/// A refusal, in FHIR's form.
pub(crate) fn refusal(problem: Problem) -> Reply {
    outcome(problem, "QuestionnaireResponse")
}

/// Reads a resource. Study and site come from the key where the resource does not name them.
pub(crate) async fn read(
    config: &Config,
    settings: &Settings,
    body: &[u8],
    idempotency_key: Option<String>,
    principal: &Principal,
    now: Timestamp,
) -> Result<Accepted, Problem> {
    let Json { value: resource, faults: repeated, halves } = Problem::json(body, Limits::RESOURCE)?;
    let response = Response::open(&resource);
    let instrument = match response.instrument() {
        Some(id) => crate::instrument(config, settings, id, response.version()).await?,
        None => None,
    };
    let systems = crate::patient_systems(config, settings).await?;
    let (study, site) = (principal.study().map(StudyId::as_str), principal.site().map(SiteId::as_str));
    let translate = |systems: Option<&PatientSystems>| {
        let scope = Scope { study, site, systems };
        let mut translation = Response::open(&resource).translate(instrument.as_deref(), scope);
        let document = Json { value: translation.take_document(), faults: Vec::new(), halves };
        let known = Known { shape: Shape::Response, instrument: instrument.clone() };
        let read = translation.settle(known.check(document, idempotency_key.clone(), now));
        (translation, read)
    };
    let (mut translation, mut read) = translate(systems.as_deref());
    // Whether the study has systems of its own is known when it is read which study it is.
    if let Ok(accepted) = &read {
        let own = Own::known(&accepted.envelope.study_id);
        if let Some(systems) = own.section().map_err(|error| crate::unread(&error))? {
            (translation, read) = translate(Some(&*systems));
        }
    }
    let mut accepted = match read {
        Ok(accepted) if repeated.is_empty() => accepted,
        read => return Err(Problem::invalid([repeated, read.err().unwrap_or_default()].concat())),
    };
    if let Some(place) = translation.place(document::AMENDED) {
        accepted.amended_at = place.to_owned().into();
    }
    (accepted.patient_system, accepted.id_system) = (translation.patient_system, translation.response_system);
    Ok(accepted)
}
