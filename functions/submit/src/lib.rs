//! The front door: one report, from the wire to the durable queue.
//!
//! Guarantee: the answer is 202 only after one script has appended the submission to a stream that Redis keeps on disk.
//! Any other answer promises nothing. It is always safe to send the same report again.
//!
//! The story of a report: the door checks the path and the key before it reads the body. It reads the body up to its
//! limit and checks it against every rule at once. The patient's id becomes a pseudonym and a sealed box. One script
//! remembers the submission, appends it, counts it and rings. The patient's identity never leaves this instance
//! unsealed.

mod attribution;
mod batch;
mod config;
#[cfg(feature = "schema")]
mod describe;
mod document;
mod fhir;
mod row;
mod search;
mod study_policy;
mod validate;

#[cfg(feature = "schema")]
pub use describe::describe;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use domain::deidentify::Policy;
use domain::ids::{SiteId, StudyId};
use domain::intake::Shape;
use domain::patient_systems::PatientSystems;
use domain::reading::Limits;
#[cfg(feature = "schema")]
use domain::schema::{Removed, Uuid};
use domain::selection;
use domain::{Code, Finding, Instrument, Timestamp};
use platform::deadline::{Deadline, HEADER, TimedOut};
use platform::http::{Incoming, Reply};
use platform::trace::Trace;
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::auth::{Action, Principal};
use state::edge::problem::{Problem, ProblemType};
use state::edge::refusal_log;
use state::edge::request::header;
use state::edge::serve::Described;
use state::identity;
use state::queue::{self, Enqueued};
use state::settings::Settings;
use state::settings::studies::Own;
use state::subjects::links;
use state::wire::idempotency;

use attribution::Attribution;
use config::Config;
use document::{Ready, Target};

platform::serve!(handle);
state::asked!("submit", config::read);

/// The time limit of a whole request, from its arrival to its answer.
const TOTAL: Duration = Duration::from_secs(2);
/// The longest body of a single report, bytes.
const LONGEST_BODY: usize = 256 * 1024;

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    let paths = [
        "/v1/surveys/{instrument}/responses",
        "/v1/reports",
        "/v1/reports/batch",
        "/v1/validate",
        "/fhir/QuestionnaireResponse",
    ];
    let search = Described { method: "GET", path: fhir::PATH, action: Some(Action::Read), signed: false };
    let taken =
        paths.into_iter().map(|path| Described { method: "POST", path, action: Some(Action::Submit), signed: false });
    taken.chain([search]).collect()
}

async fn handle(incoming: Incoming) -> Reply {
    let is_fhir = incoming.path.starts_with(fhir::BASE);
    let mut place = Attribution::default();
    // The other paths are boxed, so that the future of a single report stays small.
    let result = match incoming.path.as_str() {
        "/v1/reports/batch" => Box::pin(batch::accept(incoming)).await,
        "/v1/validate" => {
            place = Attribution::checked();
            Box::pin(validate::check(incoming)).await
        }
        fhir::PATH if incoming.method == "GET" => Box::pin(search::answer(&incoming)).await,
        _ => accept(incoming, &mut place).await,
    };
    match result {
        Ok(reply) => reply,
        Err(problem) => {
            place.count(&problem).await;
            if is_fhir { fhir::refusal(problem) } else { Reply::from(problem) }
        }
    }
}

/// For the counters, `place` collects the labels of a refused document.
async fn accept(mut incoming: Incoming, place: &mut Attribution) -> Result<Reply, Problem> {
    let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
    let path = std::mem::take(&mut incoming.path);
    let target = Target::of(&path).ok_or_else(Problem::not_found)?;
    place.of_path(&target);
    let is_fhir = matches!(target, Target::Fhir);
    if incoming.method != "POST" {
        return Err(Problem::method_not_allowed(if is_fhir { "POST, GET" } else { "POST" }));
    }
    let config = configured().await?;
    let principal = config.keys.admit(&config.redis, &incoming, Action::Submit).await?;
    if is_fhir && !fhir::is_json(&incoming) {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/fhir+json"));
    }
    if !is_fhir && !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    let trace = incoming.trace.clone();
    let minimal = incoming.header("prefer").is_some_and(|prefer| prefer.contains("return=minimal"));
    let idempotency_key = idempotency_key(&incoming)?;

    let mut timer = deadline.shared_timer();
    let settings = match timer.run(known_to(&config, &target)).await {
        Ok(settings) => settings?,
        Err(timed_out) => return Err(gone(&config, &trace, &timed_out)),
    };
    let body = match timer.run(incoming.body(LONGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(Problem::unread(error, LONGEST_BODY)),
        Err(TimedOut) => return Err(Problem::new(ProblemType::RequestTimedOut, "the body did not arrive in time")),
    };
    let sent = Received { target, body, idempotency_key, principal, trace, minimal, now: clock::now() };
    match timer.run(take_in(&config, settings, &sent, place)).await {
        Ok(reply) => reply,
        // The connection may hang for good; the next request opens another.
        Err(timed_out) => Err(gone(&config, &sent.trace, &timed_out)),
    }
}

/// The longest idempotency key, bytes.
const LONGEST_KEY: usize = 128;

/// The sender's name for the request. One that cannot be read is refused, not ignored: the sender relies on it.
fn idempotency_key(incoming: &Incoming) -> Result<Option<String>, Problem> {
    let Some(key) = header(incoming, "idempotency-key")? else { return Ok(None) };
    let is_seen = |byte: u8| matches!(byte, b' '..=b'~');
    if (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(is_seen) {
        return Ok(Some(key.to_owned()));
    }
    let rule = format!("the header idempotency-key must be 1 to {LONGEST_KEY} characters of ASCII that can be seen");
    Err(Problem::invalid(vec![Finding::new("", Code::Format, rule)]))
}

/// The settings that know what the path names: those of this instance, or else those in force.
async fn known_to(config: &Config, target: &Target<'_>) -> Result<Settings, Problem> {
    let settings = Settings::known();
    let Target::Survey(id) = target else { return Ok(settings) };
    if instrument(config, &settings, id, None).await?.is_some() {
        return Ok(settings);
    }
    let settings = in_force(config).await?;
    let found = instrument(config, &settings, id, None).await?;
    found.map(|_| settings).ok_or_else(|| Problem::new(ProblemType::NotFound, "there is no instrument of this id"))
}

/// A report that has arrived.
struct Received<'a> {
    target: Target<'a>,
    body: Vec<u8>,
    idempotency_key: Option<String>,
    principal: Principal,
    trace: Trace,
    minimal: bool,
    now: Timestamp,
}

/// The number of times that settings may change under a report before the sender is asked to try again.
const ROUNDS: usize = 3;

/// Checks a report and appends it. If the settings have changed meanwhile, the check runs again: old settings accept
/// nothing and refuse nothing.
async fn take_in(
    config: &Config,
    mut settings: Settings,
    sent: &Received<'_>,
    place: &mut Attribution,
) -> Result<Reply, Problem> {
    for _ in 0..ROUNDS {
        match one_round(config, &settings, sent, place).await {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => settings = in_force(config).await?,
            Err(problem) if problem.kind() == ProblemType::Invalid => {
                let now = in_force(config).await?;
                if now.revision() == settings.revision() {
                    return Err(problem);
                }
                settings = now;
            }
            Err(problem) => return Err(problem),
        }
    }
    Err(Problem::new(ProblemType::Busy, "the settings are being changed, nothing was stored"))
}

/// Checks a report by these settings and appends it if they are in force; returns `None` if they are not.
async fn one_round(
    config: &Config,
    settings: &Settings,
    sent: &Received<'_>,
    place: &mut Attribution,
) -> Result<Option<Reply>, Problem> {
    let Received { body, principal, now, .. } = sent;
    let accepted = if matches!(sent.target, Target::Fhir) {
        let read = fhir::read(config, settings, body, sent.idempotency_key.clone(), principal, *now).await;
        read.inspect_err(|_| place.of_key(principal))?
    } else {
        let read = Problem::json(body, Limits::DOCUMENT);
        let read = read.inspect_err(|_| place.of_document(body, principal))?;
        let known = sent.target.known(config, settings, selection::version(&read.value)).await?;
        let read = known.check(read, sent.idempotency_key.clone(), *now).map_err(Problem::invalid);
        read.inspect_err(|_| place.of_document(body, principal))?
    };
    allow(config, principal, &accepted.envelope.study_id, &accepted.envelope.site_id)
        .inspect_err(|_| place.of_key(principal))?;
    let random = (!accepted.is_named()).then(clock::random_bits);
    let amended_at = accepted.amended_at.clone();
    let study = accepted.envelope.study_id.clone();
    let own = Own::known(&study);
    let policy = policy(config, settings, &own).await?;
    let ready = accepted.into_submission(config, policy.as_deref(), principal, &sent.trace, *now, random)?;
    let subjects = match ready.amends {
        Some(_) => Box::pin(amendable(config, principal, &ready)).await?,
        None => Vec::new(),
    };
    let submission = queue::Submission {
        id: &ready.id,
        record: &ready.record,
        scope: &ready.scope,
        kind: ready.kind,
        flow: &ready.flow,
        cost: ready.cost,
        payload: &ready.payload,
        written_ms: ready.written_ms,
        own: own.revision(),
        amends: ready.amends.as_ref().map(|id| queue::Amends { id, subjects: &subjects }),
    };
    let enqueued = config.door.enqueue_one(&config.redis, &principal.id, settings.revision(), submission).await;
    let enqueued = enqueued.map_err(|error| {
        log::error("enqueue-failed").trace(sent.trace.as_str()).cause(&error).write();
        unavailable()
    })?;
    match enqueued {
        Enqueued::Queued => Ok(Some(accepted_reply(ready.id.as_str(), &ready.removed, sent.minimal))),
        Enqueued::Duplicate(first) => {
            let id = identity::received_at(&ready.id, first);
            Ok(Some(accepted_reply(id.as_str(), &ready.removed, sent.minimal)))
        }
        Enqueued::Stale => {
            // What is stale are the settings of all, or those of the study; the caller looks for the former.
            Box::pin(Own::in_force(&config.redis, &study)).await.map_err(|error| unread(&error))?;
            Ok(None)
        }
        Enqueued::NotTaken(why) => {
            place.of_scope(&ready.scope, ready.kind);
            Err(Problem::new(ProblemType::NotTaken, why.reason()))
        }
        Enqueued::Conflict(first) => {
            let detail = format!("another content was received under this id at {}", first.rfc3339());
            Err(Problem::new(ProblemType::Conflict, detail))
        }
        Enqueued::Gone => Err(Problem::new(ProblemType::Gone, "it was erased and cannot be sent again")),
        Enqueued::AmendsUnknown => {
            place.of_scope(&ready.scope, ready.kind);
            let rule = "must name a submission of the same study and site";
            Err(Problem::invalid(vec![Finding::new(amended_at, Code::Choice, rule)]))
        }
        Enqueued::AmendsOther => {
            place.of_scope(&ready.scope, ready.kind);
            let rule = "must name a submission of the same patient, and of the same instrument or kind of report";
            Err(Problem::invalid(vec![Finding::new(amended_at, Code::Conflict, rule)]))
        }
        Enqueued::Erasing => Err(Problem::study_erasing()),
        Enqueued::AmendsGone => Err(Problem::new(ProblemType::Gone, "what it amends was erased")),
        Enqueued::NotCurrent => Err(Problem::new(ProblemType::Conflict, "what it amends is not the current version")),
        Enqueued::Full => {
            place.of_scope(&ready.scope, ready.kind);
            Err(Problem::new(ProblemType::Busy, "the queue is full, nothing was stored"))
        }
        Enqueued::Quota => {
            place.of_scope(&ready.scope, ready.kind);
            Err(Problem::over_quota())
        }
        Enqueued::Limited(seconds) => {
            place.of_scope(&ready.scope, ready.kind);
            Err(Problem::rate_limited(seconds))
        }
    }
}

/// The settings in force.
async fn in_force(config: &Config) -> Result<Settings, Problem> {
    Box::pin(Settings::in_force(&config.redis)).await.map_err(|error| unread(&error))
}

/// Finds an instrument by these settings: the requested version, or if it does not exist the version in force, so that
/// all other faults are reported with it.
async fn instrument(
    config: &Config,
    settings: &Settings,
    id: &str,
    version: Option<&str>,
) -> Result<Option<Rc<Instrument>>, Problem> {
    let found = settings.instrument(&config.redis, id, version).await.map_err(|error| unread(&error))?;
    if found.is_some() || version.is_none() {
        return Ok(found);
    }
    settings.instrument(&config.redis, id, None).await.map_err(|error| unread(&error))
}

/// The de-identification policy in force for a study that may keep less than the default. The door asks for it only here.
async fn policy(config: &Config, settings: &Settings, own: &Own) -> Result<Option<Rc<Policy>>, Problem> {
    own.document(&config.redis, settings).await.map_err(|error| unread(&error))
}

/// The systems that assign the patient ids of sites, by these settings.
async fn patient_systems(config: &Config, settings: &Settings) -> Result<Option<Rc<PatientSystems>>, Problem> {
    settings.document(&config.redis).await.map_err(|error| unread(&error))
}

/// The subjects whose submissions an amendment may replace, in the form of the idempotency records: its own, and the
/// linked subjects at sites that the key covers.
async fn amendable(config: &Config, principal: &Principal, ready: &Ready) -> Result<Vec<u8>, Problem> {
    let person = links::person(&config.redis, &ready.subject).await.map_err(|error| {
        log::error("links-unread").cause(&error).write();
        unavailable()
    })?;
    let study = StudyId::from(ready.scope.split('|').next().unwrap_or_default());
    let covered = person.iter().filter(|member| principal.covers(&study, &member.site));
    let subjects = covered.map(|member| member.subject.as_str()).chain([ready.subject.as_str()]);
    Ok(subjects.flat_map(idempotency::subject_bytes).collect())
}

fn unread(error: &Error) -> Problem {
    log::error("settings-unread").cause(error).write();
    unavailable()
}

/// Drops the connection to Redis after a timeout, and refuses the report.
fn gone(config: &Config, trace: &Trace, timed_out: &TimedOut) -> Problem {
    config.redis.forget();
    log::error("enqueue-failed").trace(trace.as_str()).cause(timed_out).write();
    unavailable()
}

/// The configuration, or a problem when there is a fault in it.
async fn configured() -> Result<Rc<Config>, Problem> {
    config::get().await.map_err(|error| {
        log::error("misconfigured").cause(&error).write();
        Problem::new(ProblemType::Unavailable, "the service is not configured")
    })
}

fn unavailable() -> Problem {
    Problem::new(ProblemType::Unavailable, "the queue cannot be reached, send it again")
}

fn allow(config: &Config, principal: &Principal, study: &StudyId, site: &SiteId) -> Result<(), Problem> {
    if principal.covers(study, site) {
        return Ok(());
    }
    refusal_log::write(&config.redis, "foreign-scope", Some(&principal.id), ProblemType::Forbidden.as_str());
    Err(Problem::new(ProblemType::Forbidden, "the key does not cover this study and site"))
}

/// A submission that is on disk and will be scored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Accepted<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Uuid"))]
    submission_id: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "queued")))]
    state: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Removed"))]
    removed: &'a BTreeMap<String, u32>,
}

fn accepted_reply(id: &str, removed: &BTreeMap<String, u32>, minimal: bool) -> Reply {
    let reply = if minimal {
        Reply::empty(202).header("preference-applied", "return=minimal")
    } else if removed.is_empty() {
        // An id contains nothing that JSON would escape.
        let body = [r#"{"state":"queued","submissionId":""#, id, r#""}"#].concat();
        Reply::new(202, "application/json", body)
    } else {
        Reply::json(202, &Accepted { submission_id: id, state: "queued", removed })
    };
    reply.header("location", ["/v1/submissions/", id].concat())
}

impl Target<'_> {
    fn shape(&self) -> Shape {
        match self {
            Target::Reports => Shape::Report,
            Target::Survey(_) | Target::Fhir => Shape::Response,
        }
    }
}
