//! `GET /v1/subjects/{pseudonym}/export`: everything that Vigil holds about a person, for the person's right of access, as a
//! FHIR R4 Bundle or as a page to print.
//!
//! Guarantee: both forms show the same: the person's subjects that the key covers, with all their submissions, scores, alerts,
//! histories and analyses. What was superseded or failed is there and says so; what was erased is named, without content. A
//! clinician's export has the identities, which counts and is recorded as a look at them, before the answer begins. An
//! export that cannot be made to its end breaks off, and its reader sees that.
//!
//! Mechanism: the timeline is read a few submissions at a time while they are sent, so that an export takes as much memory
//! for a thousand as for ten. Each becomes FHIR resources (`resources`), and the page shows these resources (`paper`).
//!
//! Not for: what waits to be scored, and the journal of looks (`GET /v1/access`).

mod paper;
mod resources;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Instant;

use domain::alert::template::Language;
use domain::ids::{AlertId, AnalysisId, Pseudonym, SubmissionId};
use domain::paper::STYLE;
use futures::FutureExt as _;
use futures::future::try_join_all;
use platform::http::{Reply, Rows, accept};
use platform::kv::Store;
use platform::redis::Redis;
use platform::{Error, clock, log, memory};
use serde_json::Value;
use state::edge::auth::Action;
use state::edge::fhir::FHIR_JSON;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::edge::sessions::Names;
use state::erasure::subject::Certificate;
use state::imaging::jobs;
use state::settings::Settings;
use state::subjects::timeline::{self, Filter, Listed};
use state::wire::entry::{Alert, Outline, Overdue, Record, Rescored, State, Subject, Superseded};
use state::wire::sealed::Opener;
use state::{alerts, names};

use crate::config::Config;
use crate::list::whole;
use crate::{identity, subject};
use resources::{Amended, Reference, Stored};

/// The media type of the page, by which a client asks for it.
const HTML: &str = "text/html";
/// The number of submissions or analyses that are read at the same time: each may be as long as the longest report.
const READS: usize = 8;
/// The export rests for so many times as long as it worked: it is not urgent, and leaves the processor to those who wait.
const RESTS: u32 = 2;

/// Exports a subject that the key covers.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let (config, incoming) = (&call.config, &call.incoming);
    let mut query = Query::read(&incoming.query, &["format", "lang"]);
    let format = query.take("format", "fhir or html", |text| match text {
        "fhir" => Some(FHIR_JSON),
        "html" => Some(HTML),
        _ => None,
    });
    let language = query.take("lang", "en or zh", Language::parse);
    query.finish()?;
    let language = language.or_else(|| {
        let offered = Language::ALL.map(Language::as_str);
        accept::language(incoming.header("accept-language"), &offered).and_then(Language::parse)
    });
    let language = language.unwrap_or(Language::En);
    let is_page = format.or_else(|| accept::media_type(incoming.header("accept"), &[FHIR_JSON, HTML])) == Some(HTML);
    let form = if is_page {
        Form::Page(language)
    } else {
        Form::Bundle { base: incoming.origin().unwrap_or_default() + "/fhir/", is_empty: true }
    };
    let export = within(call.deadline, &config.redis, begun(&call)).await?;
    let media = if is_page { "text/html; charset=utf-8" } else { FHIR_JSON };
    let reply = Reply::rows(200, media, move |rows| async move { whole(export.write(form, rows).await) }.boxed_local());
    let reply = if is_page { reply.page(STYLE).header("content-language", language.as_str()) } else { reply };
    Ok(reply.header("vary", "accept, accept-language").header("cache-control", "no-store"))
}

/// The subjects of the person that the key covers, with their identities for those who may know them.
async fn begun(call: &Call<Config>) -> Result<Export, Problem> {
    let (config, principal) = (&call.config, &call.principal);
    let identifies = principal.may(Action::Identify);
    if identifies {
        principal.gives_reason(&call.incoming)?;
        identity::may_look(config, principal).await?;
    }
    let (store, pseudonyms) = subject::subjects(config, principal, call.segment(0)).await?;
    let settings = Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))?;
    let mut patients = Vec::with_capacity(pseudonyms.len());
    for pseudonym in &pseudonyms {
        let read = async {
            let certificate: Option<Certificate> = store.get(&names::subject_erased(pseudonym)).await?;
            Ok::<_, Error>((store.get::<Subject>(&names::subject(pseudonym)).await?, certificate))
        };
        let (Some(subject), certificate) = read.await.map_err(|error| unavailable(&error))? else { continue };
        let is_erased = subject.sealed.is_empty();
        let patient = match identifies && !is_erased {
            true => Some(identity::open(config, principal, &store, &subject).await?),
            false => None,
        };
        let certificate = certificate.filter(|_| is_erased);
        patients.push(resources::patient(&subject, patient.as_deref(), certificate.as_ref(), &pseudonyms));
    }
    let (redis, named) = (config.redis.clone(), RefCell::default());
    let opener = Opener::new(&config.ring);
    Ok(Export { redis, store, opener, settings, pseudonyms, patients, named })
}

/// The form of an export.
enum Form {
    /// A Bundle of resources whose addresses begin so.
    Bundle { base: String, is_empty: bool },
    /// A page.
    Page(Language),
}

impl Form {
    fn head(&self, pseudonym: &Pseudonym) -> String {
        let now = clock::now().rfc3339();
        match self {
            Form::Bundle { .. } => {
                [r#"{"resourceType":"Bundle","type":"collection","timestamp":""#, &now, r#"","entry":["#].concat()
            }
            Form::Page(language) => paper::head(*language, pseudonym, &now),
        }
    }

    /// Resources that belong together.
    fn group(&mut self, resources: &[Value]) -> String {
        let (base, is_empty) = match self {
            Form::Bundle { base, is_empty } => (base, is_empty),
            Form::Page(language) => return paper::section(*language, resources),
        };
        let mut entries = String::new();
        for resource in resources {
            let comma = if std::mem::take(is_empty) { "" } else { "," };
            let (address, resource) = (Reference::to(resource).0, resource.to_string());
            entries.extend([comma, "{\"fullUrl\":\"", base, &address, "\",\"resource\":", &resource, "}"]);
        }
        entries
    }

    fn tail(&self) -> &'static str {
        match self {
            Form::Bundle { .. } => "]}",
            Form::Page(_) => paper::TAIL,
        }
    }
}

/// An export that goes on.
struct Export {
    redis: Redis,
    store: Store,
    opener: Opener,
    settings: Settings,
    pseudonyms: Vec<Pseudonym>,
    patients: Vec<Value>,
    /// The erased submissions that were named.
    named: RefCell<BTreeSet<SubmissionId>>,
}

impl Export {
    async fn write(self, mut form: Form, mut rows: Rows) -> Result<(), Error> {
        if let Some(pseudonym) = self.pseudonyms.first() {
            rows.push(form.head(pseudonym).as_bytes()).await;
        }
        for patient in self.patients.chunks(1) {
            rows.push(form.group(patient).as_bytes()).await;
        }
        let (mut after, mut more): (Option<Listed>, bool) = (None, true);
        while more {
            let began = Instant::now();
            let wanted = Filter { after: after.as_ref(), limit: READS, ..Filter::default() };
            let (listed, further) = timeline::list(&self.redis, &self.pseudonyms, wanted).await?;
            for group in try_join_all(listed.iter().map(|one| self.submission(one))).await? {
                if !rows.push(form.group(&group).as_bytes()).await {
                    return Ok(());
                }
            }
            more = further && !listed.is_empty();
            after = listed.into_iter().next_back();
            clock::sleep(RESTS * began.elapsed()).await;
        }
        for pseudonym in &self.pseudonyms {
            for ids in jobs::of_subject(&self.redis, pseudonym, u32::MAX).await?.chunks(READS) {
                for group in try_join_all(ids.iter().map(|id| self.analysis(id, pseudonym))).await? {
                    if !rows.push(form.group(&group).as_bytes()).await {
                        return Ok(());
                    }
                }
            }
        }
        rows.push(form.tail().as_bytes()).await;
        rows.end().await;
        log::info("subject-exported").memory(memory::bytes()).write();
        Ok(())
    }

    /// A submission with its scores and alerts; nothing if it is not stored.
    async fn submission(&self, listed: &Listed) -> Result<Vec<Value>, Error> {
        let id = SubmissionId::from(listed.id.as_str());
        let Some(record) = self.opener.submission(&self.store, &id).await? else { return Ok(Vec::new()) };
        if record.state == State::Erased {
            return Ok(self.erased(&id, &record.submission.received_at).into_iter().collect());
        }
        let superseded: Option<Superseded> = self.store.get(&names::superseded(&id)).await?;
        let rescored: Option<Rescored> = self.store.get(&names::rescored(&id)).await?;
        let overdue: Option<Overdue> = self.store.get(&names::overdue(&id)).await?;
        let (amended, tombstone) = self.amended(&record).await?;
        let definition = match &record.submission.instrument {
            Some(instrument) => {
                let version = record.submission.instrument_version.as_deref();
                self.settings.instrument(&self.redis, instrument.as_str(), version).await?
            }
            None => None,
        };
        let stored = Stored { record: &record, superseded: superseded.as_ref(), rescored: rescored.as_ref(), amended };
        let mut group = stored.resources(definition.as_deref());
        let overdue = overdue.unwrap_or_default().alerts;
        let about = group.first().map(Reference::to);
        self.alerts(&mut group, record.alerts.iter().chain(&overdue), about).await?;
        group.extend(tombstone);
        Ok(group)
    }

    /// The submission whose place another took, as the export has it, and its tombstone if that is to be named here.
    async fn amended(&self, record: &Record) -> Result<(Option<Amended>, Option<Value>), Error> {
        let Some(id) = record.submission.amends.clone() else { return Ok((None, None)) };
        let earlier: Option<Outline> = self.store.get(&names::submission(&id)).await?;
        let (reference, tombstone) = match earlier {
            Some(earlier) if earlier.state == State::Erased => {
                (Some(Reference::basic(&id)), self.erased(&id, &earlier.submission.received_at))
            }
            Some(earlier) if self.pseudonyms.contains(&earlier.submission.subject) => {
                (Some(Reference::of(&earlier.submission)), None)
            }
            _ => (None, None),
        };
        Ok((Some(Amended { id, reference }), tombstone))
    }

    /// The tombstone of a submission, unless it was named.
    fn erased(&self, id: &SubmissionId, received_at: &str) -> Option<Value> {
        self.named.borrow_mut().insert(id.clone()).then(|| resources::erased(id, received_at))
    }

    /// Adds alerts with their histories.
    async fn alerts(
        &self,
        group: &mut Vec<Value>,
        ids: impl Iterator<Item = &AlertId>,
        about: Option<Reference>,
    ) -> Result<(), Error> {
        let mut people = Names::new(&self.store);
        for id in ids {
            let Some(alert) = self.store.get::<Alert>(&names::alert(id)).await? else { continue };
            let found = alerts::load(&self.redis, &self.store, id).await?;
            let mut history = match &found {
                Some(found) => alerts::history(&self.store, found).await?,
                None => Vec::new(),
            };
            people.fill(history.iter_mut().map(|entry| (entry.by.as_deref(), &mut entry.by_name))).await?;
            let state = found.as_ref().map(|found| &found.state);
            group.push(resources::alert(&alert, state, &history, about.as_ref()));
        }
        Ok(())
    }

    /// An analysis with its alerts.
    async fn analysis(&self, id: &AnalysisId, pseudonym: &Pseudonym) -> Result<Vec<Value>, Error> {
        let record: Option<Value> = self.store.get(&names::analysis(id)).await?;
        let raised: Vec<AlertId> =
            match record.as_ref().and_then(|record| record.get("alerts")).and_then(Value::as_array) {
                Some(ids) => ids.iter().filter_map(Value::as_str).map(AlertId::from).collect(),
                None => Vec::new(),
            };
        let mut group = vec![resources::analysis(id, pseudonym, record.as_ref())];
        let about = group.first().map(Reference::to);
        self.alerts(&mut group, raised.iter(), about).await?;
        Ok(group)
    }
}
