//! Turns a body into a submission: which document a path takes, the faults of the document, and the submission without
//! the patient's identity.

use domain::ids::{Pseudonym, SubmissionId, is_name};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use domain::deidentify::{self, Policy, Subject as Person};
use domain::intake::{Envelope, ReportKind, Shape};
use domain::reading::Json;
use domain::report::{self, Timeliness};
use domain::scrub::Class;
use domain::selection::Selection;
use domain::{Finding, Instrument, Timestamp};
use platform::kv;
use platform::trace::Trace;
use serde::Serialize;
use serde_json::Value;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::identity::{Patient, random_submission_id};
use state::settings::Settings;
use state::wire::encoder::{Fresh, Pieces};
use state::wire::idempotency::{Content, IdempotencyRecord, Topic};
use state::{names, queue};

use crate::config::Config;
use crate::{fhir, study_policy};

/// The document that a path takes.
pub(crate) enum Target<'a> {
    /// `POST /v1/reports`.
    Reports,
    /// `POST /v1/surveys/{instrument}/responses`.
    Survey(&'a str),
    /// `POST /fhir/QuestionnaireResponse`; the body names the instrument.
    Fhir,
}

impl<'a> Target<'a> {
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        if path == "/v1/reports" {
            return Some(Target::Reports);
        }
        if path == fhir::PATH {
            return Some(Target::Fhir);
        }
        let id = path.strip_prefix("/v1/surveys/")?.strip_suffix("/responses")?;
        is_name(id).then_some(Target::Survey(id))
    }

    /// Finds the target's instrument in the requested version, if it exists.
    pub(crate) async fn known(
        &self,
        config: &Config,
        settings: &Settings,
        version: Option<&str>,
    ) -> Result<Known, Problem> {
        let instrument = match self {
            Target::Reports | Target::Fhir => None,
            Target::Survey(id) => {
                let unknown = || Problem::new(ProblemType::NotFound, "there is no instrument of this id");
                Some(crate::instrument(config, settings, id, version).await?.ok_or_else(unknown)?)
            }
        };
        Ok(Known { shape: self.shape(), instrument })
    }
}

/// A path whose instrument is known.
pub(crate) struct Known {
    pub(crate) shape: Shape,
    pub(crate) instrument: Option<Rc<Instrument>>,
}

/// The place where a document names the submission that it amends.
pub(crate) const AMENDED: &str = "/amends/submissionId";

/// A document without faults.
pub(crate) struct Accepted {
    pub(crate) envelope: Envelope,
    /// The place where the sender named the submission to amend.
    pub(crate) amended_at: Cow<'static, str>,
    /// The system in which the patient's id is valid; `None` for the site's own.
    pub(crate) patient_system: Option<String>,
    /// The system in which the client's id is valid; `None` for the site's own.
    pub(crate) id_system: Option<String>,
    instrument: Option<Rc<Instrument>>,
    selection: Selection,
    client_id: Option<(&'static str, String)>,
    /// The number of characters that were cut in half.
    halves: u32,
}

impl Known {
    /// Checks a document: returns every fault of its envelope, its content and its selection of version and parameters,
    /// beside those that the reader already found.
    pub(crate) fn check(
        self,
        document: Json,
        idempotency_key: Option<String>,
        now: Timestamp,
    ) -> Result<Accepted, Vec<Finding>> {
        let Json { value: mut document, mut faults, halves } = document;
        let kind = document.get("kind").and_then(Value::as_str).and_then(ReportKind::parse);
        let kind = kind.filter(|_| self.shape == Shape::Report);
        let check = |content: &serde_json::Map<String, Value>| match (&self.instrument, kind) {
            (Some(instrument), _) => instrument.read(content).err().unwrap_or_default(),
            (None, Some(kind)) => report::check(kind, content, now),
            (None, None) => Vec::new(),
        };
        let selection = match self.shape {
            Shape::Response => Selection::take(&mut document, self.instrument.as_deref()),
            Shape::Report => Ok(Selection::default()),
        };
        let (mut envelope, selection) = match (self.shape.read(document, check), selection) {
            (Ok(envelope), Ok(selection)) if faults.is_empty() => (envelope, selection),
            (read, selection) => {
                faults.extend(read.err().into_iter().chain(selection.err()).flatten());
                return Err(faults);
            }
        };
        let client_id = match (envelope.client_id.take(), idempotency_key) {
            (Some(id), _) => Some(("id", id)),
            (None, Some(key)) => Some(("key", key)),
            (None, None) => None,
        };
        let amended_at = AMENDED.into();
        let (instrument, patient_system, id_system) = (self.instrument, None, None);
        Ok(Accepted { envelope, amended_at, patient_system, id_system, instrument, selection, client_id, halves })
    }
}

/// A submission, ready for the queue.
pub(crate) struct Ready {
    pub(crate) id: SubmissionId,
    /// The idempotency record.
    pub(crate) record: Vec<u8>,
    pub(crate) scope: String,
    pub(crate) kind: &'static str,
    pub(crate) flow: String,
    pub(crate) cost: usize,
    pub(crate) subject: Pseudonym,
    pub(crate) payload: String,
    /// When the sender says that it was written, milliseconds.
    pub(crate) written_ms: i64,
    /// The number of identifiers that were removed, by class.
    pub(crate) removed: BTreeMap<String, u32>,
    pub(crate) amends: Option<SubmissionId>,
}

impl Accepted {
    /// Whether the sender gave the document an id.
    pub(crate) fn is_named(&self) -> bool {
        self.client_id.is_some()
    }

    /// Removes the identity and everything else that the study does not keep, and builds the submission. A document
    /// without a client id gets a random id. Without a random number, the content decides the id.
    pub(crate) fn into_submission(
        self,
        config: &Config,
        policy: Option<&Policy>,
        principal: &Principal,
        trace: &Trace,
        now: Timestamp,
        random: Option<u128>,
    ) -> Result<Ready, Problem> {
        let Accepted { mut envelope, patient_system, id_system, instrument, selection, client_id, halves, .. } = self;
        let (study, site) = (&envelope.study_id, &envelope.site_id);
        let patient = Patient { study, site, system: patient_system.as_deref(), id: envelope.patient_id.as_str() };
        let subject = config.pseudonyms.pseudonym(&patient);
        let sealed = config.ring.seal(study, &subject, &patient.name()).ok_or_else(unavailable)?;
        let kind = envelope.kind.map_or("response", |kind| kind.as_str());
        let instrument = instrument.as_deref();
        let authored_at = envelope.authored_at.rfc3339();
        let timeliness = Timeliness::of(envelope.authored_at, now);
        let ordered_at = timeliness.contains(&Timeliness::Skewed).then_some(now);
        let flags: Vec<String> = timeliness.iter().map(|flag| flag.as_str().to_owned()).collect();
        let pseudonym = |id: &str| config.pseudonyms.pseudonym(&Patient { id, ..patient }).into_string();
        let (patient_id, written_at) = (&envelope.patient_id, envelope.authored_at);
        let person = Person { patient_id, written_at, pseudonym: &pseudonym };
        let kept = study_policy::by_study(config, policy, &envelope, &patient, &person, ordered_at);
        let mut removed = BTreeMap::new();
        if let Some(kind) = envelope.kind {
            let content = std::mem::take(&mut envelope.content);
            let (content, counts) = deidentify::report(kind, content, &person);
            removed = study_policy::named(&counts);
            envelope.content = content;
        }

        // Idempotency: two submissions are the same if the sender said the same in any spelling (`domain::canonical`),
        // as far as every study keeps it. The stricter policy of one study does not count, because it may change, and a
        // resend must stay a resend. The hash is keyed, so that nobody can use it to guess the removed text.
        let content = json(&envelope.content)?;
        let mut said = Pieces::with_room(256 + content.len());
        said.raw("[").text(study.as_str()).raw(",").text(site.as_str()).raw(",").text(subject.as_str()).raw(",");
        said.text(kind).raw(",");
        said.maybe(instrument.map(|instrument| instrument.id().as_str()))
            .raw(",")
            .text(&authored_at)
            .raw(",")
            .canonical(&envelope.content)
            .raw("]");
        let said = said.finish();
        let amends = envelope.amends.as_ref().map(|amends| (&amends.submission_id, &amends.reason));
        let said = match (amends, &selection) {
            (None, selection) if selection.is_empty() => said,
            (Some((id, reason)), selection) if selection.is_empty() => {
                format!("[{said},{},{}]", json(id)?, json(reason)?)
            }
            (amends, Selection { version, parameters }) => {
                format!("[{said},{},{},{}]", json(&amends)?, json(version)?, json(parameters)?)
            }
        };
        let hash = config.pseudonyms.content_hash(&said);
        let (authored_at, ordered_at, content, kept) = match kept {
            None => (authored_at, ordered_at, content, envelope.content),
            Some(kept) => {
                removed = kept.removed;
                (kept.authored_at.rfc3339(), kept.ordered_at, json(&kept.content)?, kept.content)
            }
        };
        if halves > 0 {
            removed.insert(Class::BrokenCharacter.as_str().to_owned(), halves);
        }
        let ordered_at = ordered_at.map(Timestamp::rfc3339);
        // Responses and reports have separate id spaces; so do the ways to name a document.
        let named = |source: &str, id: &str| {
            let shape = if envelope.kind.is_some() { "report/" } else { "response/" };
            let namespace = match id_system.as_deref().filter(|_| source == "id") {
                Some(system) => [shape, source, "/", system].concat(),
                None => [shape, source].concat(),
            };
            config.pseudonyms.submission_id(now, study, site, &namespace, id)
        };
        let id = match (&client_id, random) {
            (Some((source, id)), _) => named(source, id),
            (None, Some(random)) => random_submission_id(now, random),
            (None, None) => named("content", &hash),
        };
        let received_at = now.rfc3339();
        let topic = instrument.map_or(Topic::Kind(kind), |instrument| Topic::Instrument(instrument.id().as_str()));
        let content_of = Content { hash: &*hash, subject: subject.as_str(), topic };
        let (study_name, site_name) = (study.as_str(), site.as_str());
        let record =
            IdempotencyRecord { study: study_name, site: site_name, received_at: now, content: Some(content_of) };
        let record = record.bytes();
        let scope = [study.as_str(), "|", site.as_str()].concat();
        let fresh = Fresh {
            submission_id: &id,
            study_id: study,
            site_id: site,
            subject: &subject,
            kind,
            instrument: instrument.map(Instrument::id),
            instrument_version: instrument.map(Instrument::version),
            parameters: &selection.parameters,
            authored_at: &authored_at,
            received_at: &received_at,
            key: &principal.id,
            hash: &hash,
            amends: envelope.amends.as_ref().map(|it| &it.submission_id),
            amends_reason: envelope.amends.as_ref().and_then(|it| it.reason.as_deref()),
            flags: &flags,
            removed: &removed,
            content: &content,
            ordered_at: ordered_at.as_deref(),
            sealed: &sealed,
            trace: trace.as_str(),
        };
        let payload = fresh.line().map_err(|_| unavailable())?;
        let (flow, cost) = (names::flow(&principal.id, study, site), queue::cost(&payload, &kept));
        let (written_ms, amends) = (written_at.millis(), envelope.amends.map(|it| it.submission_id));
        Ok(Ready { id, record, scope, kind, flow, cost, subject, payload, written_ms, removed, amends })
    }
}

fn json(value: &impl Serialize) -> Result<String, Problem> {
    kv::json(value).map_err(|_| unavailable())
}

fn unavailable() -> Problem {
    Problem::new(ProblemType::Unavailable, "the submission cannot be put together")
}
