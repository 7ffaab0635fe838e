//! `GET /v1/patients/{patientId}/record`: a patient's data from several services, with the patient's submissions to
//! Vigil.
//!
//! Guarantee: only the clinicians of the patient's site get an answer, and only about patients that Vigil knows there. Who
//! has a patient's id learns the pseudonym, so a request counts as one for an identity, found or not, and is on record.
//! The patient's id goes to the configured services and nowhere else: to no log, no problem document, no store.

use domain::ids::{self, PatientId, Pseudonym, SiteId, StudyId, is_name};
use domain::patient_systems::{self, PatientSystems};
#[cfg(feature = "schema")]
use domain::schema::Name;
use domain::{Code, Finding};
use futures::FutureExt as _;
use platform::http::Reply;
use platform::kv::Store;
use platform::percent::decode;
use platform::{Error, log};
use serde::Serialize;
use serde_json::json;
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::parts::Parts;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::Patient;
use state::names;
use state::settings::Settings;
use state::settings::studies;
use state::subjects::links;
use state::subjects::timeline::{self, Filter};
use state::wire::entry::Subject;

use crate::config::Config;
use crate::gather::{Part, gather};
use crate::identity;
use crate::subject::{self, ListedSubmission};
use state::edge::services::{OWN, Outcome};

/// The most submissions in Vigil's own part; the latest are kept.
const MOST: usize = 50;

/// The data of several services about a patient.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct PatientRecord<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    subject: &'a str,
    parts: Parts,
}

/// Vigil's own part: the latest submissions with their scores and alerts.
#[derive(Serialize)]
struct Own {
    submissions: Vec<ListedSubmission>,
    more: bool,
}

/// The patient whose record is requested.
struct Request {
    study: StudyId,
    site: SiteId,
    /// The system in which the patient's id is valid; `None` for the site's own.
    system: Option<String>,
    partial: bool,
}

/// Gathers a patient's record.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let patient = call.segment(0);
    let (deadline, principal, config, incoming) = (call.deadline, &call.principal, &call.config, &call.incoming);
    principal.gives_reason(incoming)?;
    within(deadline, &config.redis, identity::may_look(config, principal)).await?;
    let asked = Request::read(principal, &incoming.query)?;
    principal.asks(Whose::at(&asked.study, &asked.site));
    let patient = decode(patient).ok_or_else(Problem::not_found)?;
    let patient = PatientId::parse(&patient).ok_or_else(|| {
        Problem::invalid(vec![Finding::new("", Code::Format, format!("the patient's id in the path {}", ids::RULE))])
    })?;
    if !principal.covers(&asked.study, &asked.site) {
        return Err(Problem::not_found());
    }
    let known = async {
        let store = Store::open().await?;
        let subjects = known(config, &store, principal, &asked, &patient).await?;
        if let Some(pseudonym) = subjects.first() {
            principal.saw(Whose::default().subject(pseudonym.as_str()));
            // Before anybody is asked for the patient's data.
            identity::opened(config, principal, &store, pseudonym).await?;
        }
        Ok::<_, Error>(subjects)
    };
    let known = async { known.await.map_err(|error| unavailable(&error)) };
    let subjects = within(deadline, &config.redis, known).await?;
    let Some(pseudonym) = subjects.first() else { return Err(Problem::not_found()) };
    let values =
        [("{patientId}", patient.as_str()), ("{studyId}", asked.study.as_str()), ("{siteId}", asked.site.as_str())];
    let parts = config.record_parts.iter().map(|service| {
        let work = if service.name == OWN {
            own(config, &subjects).boxed_local()
        } else {
            service.call(&values, &incoming.trace, deadline).boxed_local()
        };
        Part { name: &service.name, required: service.required, work }
    });
    let parts = gather(&config.redis, parts.collect(), deadline, asked.partial).await?;
    let record = PatientRecord { study_id: &asked.study, site_id: &asked.site, subject: pseudonym.as_str(), parts };
    Ok(Reply::json(200, &record).header("cache-control", "no-store"))
}

impl Request {
    /// The study and the site are those of the key. If the key covers several, the query names them.
    fn read(principal: &Principal, query: &str) -> Result<Self, Problem> {
        let mut query = Query::read(query, &["study", "site", "system", "partial"]);
        let mut place = |name: &'static str, own: Option<&str>| match query.text(name).or(own.map(str::to_owned)) {
            Some(value) if is_name(&value) => value,
            Some(_) => {
                query.fault(name, Code::Format, ids::NAME_RULE);
                String::new()
            }
            None => {
                query.fault(name, Code::Required, "is required: the key covers several");
                String::new()
            }
        };
        let (study, site) = (
            place("study", principal.study().map(StudyId::as_str)),
            place("site", principal.site().map(SiteId::as_str)),
        );
        let partial = query.flag("partial");
        let system = query.text("system").map(|system| patient_systems::system(&system));
        if system == Some(None) {
            query.fault("system", Code::Format, patient_systems::RULE);
        }
        query.finish()?;
        Ok(Request { study: study.into(), site: site.into(), system: system.flatten(), partial })
    }
}

/// The patient's subject, if the site knows the patient, and the person's other subjects that the key covers.
async fn known(
    config: &Config,
    store: &Store,
    principal: &Principal,
    asked: &Request,
    patient: &PatientId,
) -> Result<Vec<Pseudonym>, Error> {
    let mut system = asked.system.as_deref();
    if let Some(named) = system {
        let settings = Settings::in_force(&config.redis).await?;
        let own = studies::Own::in_force(&config.redis, &asked.study).await?;
        let systems = own.document::<PatientSystems>(&config.redis, &settings).await?;
        if systems.is_some_and(|systems| systems.is_own(&asked.study, &asked.site, named)) {
            system = None;
        }
    }
    let patient = Patient { study: &asked.study, site: &asked.site, system, id: patient.as_str() };
    let pseudonym = config.pseudonyms.pseudonym(&patient);
    // Of a patient who was erased nothing is known.
    let subject: Option<Subject> = store.get(&names::subject(&pseudonym)).await?;
    match subject.filter(|subject| !subject.sealed.is_empty()) {
        Some(_) => links::covered(&config.redis, &pseudonym, |site| principal.covers(&asked.study, site)).await,
        None => Ok(Vec::new()),
    }
}

/// Vigil's own part: the latest submissions with their scores and alerts.
async fn own(config: &Config, subjects: &[Pseudonym]) -> Outcome {
    let read = async {
        let wanted = Filter { latest_first: true, limit: MOST, ..Filter::default() };
        let (filed, more) = timeline::list(&config.redis, subjects, wanted).await?;
        let submissions = subject::shown(&Store::open().await?, &filed).await?;
        Ok::<_, Error>(json!(Own { submissions, more }))
    };
    match read.await {
        Ok(said) => Outcome::Ok(said),
        Err(error) => {
            log::error("read-failed").cause(&error).write();
            Outcome::Unreachable
        }
    }
}
