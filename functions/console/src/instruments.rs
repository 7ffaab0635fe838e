//! `GET /v1/instruments`, `GET` and `PUT /v1/instruments/{id}`: the built-in library, and the instruments of an
//! installation.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use domain::canonical;
use domain::codebook::Codebook;
use domain::ids::{InstrumentId, is_name};
use domain::reading::{Json, Limits, repaired};
#[cfg(feature = "schema")]
use domain::schema::{Name, Sha256};
use domain::{Code, Finding, Instrument, fhir, library};
use platform::http::{Incoming, Reply, accept};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::fhir::FHIR_JSON;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, bytes, made, reason, unavailable};
use state::names;
use state::settings::{self, Draft, Index, Settings, Stored, built_in};

use crate::config::Config;
use crate::examples::{self, Scored, ScoredExample, Sent};

/// The longest definition with its examples, bytes.
const LARGEST: usize = 1024 * 1024;

/// All instruments.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Instruments {
    instruments: Vec<InstrumentSummary>,
}

/// An instrument, by the version that is meant where none is named.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct InstrumentSummary {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    id: InstrumentId,
    version: String,
    /// All versions.
    versions: Vec<String>,
    title: String,
    licence: String,
    /// SHA-256 of the definition.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    sha256: String,
    /// Whether the version shown came with Vigil.
    built_in: bool,
    /// The number of its items.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    items: usize,
    /// The ids of its scores.
    scores: Vec<String>,
}

/// A version that was stored, or only tried.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StoredInstrument<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    id: &'a InstrumentId,
    version: &'a str,
    /// SHA-256 of the definition.
    #[cfg_attr(feature = "schema", schemars(with = "Sha256"))]
    sha256: &'a str,
    /// False for a dry run.
    stored: bool,
    /// The scores of the examples.
    examples: Vec<ScoredExample>,
}

impl<'a> StoredInstrument<'a> {
    fn of(instrument: &'a Instrument, stored: bool, examples: Scored) -> Self {
        let (id, version, sha256) = (instrument.id(), instrument.version(), instrument.hash());
        StoredInstrument { id, version, sha256, stored, examples: examples.shown }
    }
}

/// Lists all instruments, with the version of each that is used when a client names none.
pub(crate) async fn list(config: &Config, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let settings = in_force(config).await?;
    let mut ids: BTreeSet<&str> = library::ids().collect();
    ids.extend(settings.index().instruments.keys().map(InstrumentId::as_str));
    let mut shown = Vec::new();
    for id in ids {
        if let Some(instrument) = find(config, &settings, id, None).await? {
            shown.push(summary(&settings, &instrument));
        }
    }
    Ok(Reply::json(200, &Instruments { instruments: shown }))
}

fn summary(settings: &Settings, instrument: &Instrument) -> InstrumentSummary {
    let built_in = built_in(instrument.id().as_str());
    let own = settings.index().instruments.get(instrument.id());
    let stored = own.into_iter().flat_map(|own| own.stored.keys().map(String::as_str));
    let versions: BTreeSet<&str> = built_in.iter().map(|it| it.version()).chain(stored).collect();
    InstrumentSummary {
        id: instrument.id().clone(),
        version: instrument.version().to_owned(),
        versions: versions.into_iter().map(str::to_owned).collect(),
        title: instrument.title().to_owned(),
        licence: instrument.licence().to_owned(),
        sha256: instrument.hash().to_owned(),
        built_in: built_in.is_some_and(|it| it.hash() == instrument.hash()),
        items: instrument.item_ids().count(),
        scores: instrument.score_ids().map(str::to_owned).collect(),
    }
}

/// An instrument's definition.
pub(crate) async fn show(config: &Config, incoming: &Incoming, id: &str) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["version"]);
    let version = query.take("version", "a version", |text| Some(text.to_owned()));
    query.finish()?;
    let settings = in_force(config).await?;
    let instrument = named(config, &settings, id, version.as_deref()).await?;
    let definition = definition(config, &settings, &instrument).await?;
    Ok(Reply::new(200, "application/json", definition).header("etag", format!("\"{}\"", instrument.hash())))
}

/// The codebook of an instrument.
pub(crate) async fn codebook(config: &Config, incoming: &Incoming, id: &str) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["version", "format"]);
    let version = query.take("version", "a version", |text| Some(text.to_owned()));
    let format = query.take("format", "json or csv", |text| ["json", "csv"].into_iter().find(|format| *format == text));
    query.finish()?;
    let settings = in_force(config).await?;
    let instrument = named(config, &settings, id, version.as_deref()).await?;
    let media = accept::media_type(incoming.header("accept"), &["application/json", "text/csv"]);
    let codebook = Codebook::of(&instrument);
    let reply = match (format, media) {
        (Some("csv"), _) | (None, Some("text/csv")) => {
            Reply::new(200, "text/csv; charset=utf-8", codebook.csv().into_bytes())
                .header("x-content-type-options", "nosniff")
        }
        _ => Reply::json(200, &codebook),
    };
    Ok(reply.header("vary", "accept"))
}

/// A version of an instrument, or the one that is meant where none is named.
async fn named(
    config: &Config,
    settings: &Settings,
    id: &str,
    version: Option<&str>,
) -> Result<Rc<Instrument>, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    find(config, settings, id, version).await?.ok_or_else(Problem::not_found)
}

/// The definition of an instrument, as it was stored.
async fn definition(config: &Config, settings: &Settings, instrument: &Instrument) -> Result<Vec<u8>, Problem> {
    let found = settings.definition(&config.redis, instrument.id().as_str(), instrument.version()).await;
    found.map_err(|error| unavailable(&error))?.ok_or_else(Problem::not_found)
}

/// Stores a new version of an instrument, or only checks it.
pub(crate) async fn store(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    principal.must_cover_all()?;
    let mut query = Query::read(&incoming.query, &["dry-run"]);
    let dry_run = query.flag("dry-run");
    query.finish()?;
    let reason = reason(&incoming)?;
    let is_fhir = incoming.is_type(FHIR_JSON);
    let mut body = if is_fhir { bytes(incoming, LARGEST).await? } else { body(incoming, LARGEST).await? };
    let settings = in_force(config).await?;
    let current = find(config, &settings, id, None).await?;
    // There is no `await` between reading a large definition and its last use.
    if is_fhir {
        body = translated(&body, id)?;
    }
    let body = repaired(&body);
    let sent = Sent::read(&body)?;
    let (mut instrument, examples) = checked(&sent, current.as_deref(), id)?;
    let mut definition = Cow::from(sent.into_definition());
    if dry_run {
        return Ok(Reply::json(200, &StoredInstrument::of(&instrument, false, examples)));
    }
    if !examples.faults.is_empty() {
        return Err(Problem::invalid(examples.faults));
    }
    if let Some(known) = known(config, &settings, &instrument, &definition).await? {
        (definition, instrument) = known;
    }
    let plan = |index: &mut Index, at: &str| plan(index, at, &instrument, &definition, principal);
    let why = (reason.as_deref(), principal.meaning.as_deref());
    let changed = settings::change(&config.redis, &principal.actor, why, plan).await;
    let known = made(changed.map_err(|error| unavailable(&error))?)?;
    let stored = StoredInstrument::of(&instrument, true, examples);
    Ok(Reply::json(if known { 200 } else { 201 }, &stored))
}

/// This version as it is known already, if it has the same content in another spelling.
async fn known(
    config: &Config,
    settings: &Settings,
    sent: &Instrument,
    definition: &str,
) -> Result<Option<(Cow<'static, str>, Instrument)>, Problem> {
    let Some(known) = find(config, settings, sent.id().as_str(), Some(sent.version())).await? else { return Ok(None) };
    if known.hash() == sent.hash() {
        return Ok(None);
    }
    let form = |definition: &[u8]| {
        let mut form = String::new();
        canonical::exact(&Json::sound(definition, Limits::DEFINITION).unwrap_or_default(), &mut form);
        form
    };
    let stored = self::definition(config, settings, &known).await?;
    let is_same = form(&stored) == form(definition.as_bytes());
    let known = Instrument::from_json(&stored).ok().filter(|_| is_same);
    Ok(known.and_then(|known| Some((String::from_utf8(stored).ok()?.into(), known))))
}

/// Converts a FHIR questionnaire to a definition.
fn translated(body: &[u8], id: &str) -> Result<Vec<u8>, Problem> {
    let Json { value, faults, .. } = Problem::json(body, Limits::DEFINITION)?;
    match fhir::import::definition(&value, id) {
        Ok(definition) if faults.is_empty() => Ok(definition.to_string().into_bytes()),
        read => Err(Problem::invalid([faults, read.err().unwrap_or_default()].concat())),
    }
}

/// An instrument without faults, and the result of its examples.
fn checked(sent: &Sent<'_>, current: Option<&Instrument>, id: &str) -> Result<(Instrument, Scored), Problem> {
    let instrument = Instrument::from_json(sent.definition.as_bytes()).map_err(|faults| sent.refused(faults))?;
    let mut faults = misnamed(&instrument, id);
    faults.extend(current.into_iter().flat_map(|current| dropped(current, &instrument)));
    if !faults.is_empty() || sent.repeats() {
        return Err(sent.refused(faults));
    }
    let examples = examples::score(&instrument, sent)?;
    Ok((instrument, examples))
}

/// Plans what to store and which version comes into force. Returns whether the version existed already.
fn plan(
    index: &mut Index,
    at: &str,
    instrument: &Instrument,
    definition: &str,
    principal: &Principal,
) -> Result<(bool, Draft), Problem> {
    let (id, version) = (instrument.id(), instrument.version());
    let taken =
        || Problem::new(ProblemType::Conflict, "another definition has this version, and a version never changes");
    let built_in = built_in(id.as_str());
    let own = index.instruments.entry(id.clone()).or_default();
    let before = match &own.current {
        Some(current) => own.stored.get(current).map(|stored| stored.sha256.clone()),
        None => built_in.as_ref().map(|built_in| built_in.hash().to_owned()),
    };
    let draft = Draft {
        key: names::instrument(id, version),
        content: definition.to_owned(),
        entity: names::instrument_entity(id),
        before,
    };
    if let Some(built_in) = built_in.filter(|built_in| built_in.version() == version) {
        // Returns to the built-in version.
        own.current = None;
        return if built_in.hash() == instrument.hash() { Ok((true, draft)) } else { Err(taken()) };
    }
    let known = match own.stored.get(version) {
        Some(stored) if stored.sha256 != instrument.hash() => return Err(taken()),
        known => known.is_some(),
    };
    if !known {
        let stored = Stored { sha256: instrument.hash().to_owned(), at: at.to_owned(), by: principal.actor.clone() };
        own.stored.insert(version.to_owned(), stored);
    }
    own.current = Some(version.to_owned());
    Ok((known, draft))
}

/// Checks the names in a definition: the id must match the path, and the version must be valid in a path and in FHIR.
fn misnamed(instrument: &Instrument, id: &str) -> Vec<Finding> {
    let mut faults = Vec::new();
    if instrument.id() != id {
        faults.push(Finding::new("/id", Code::Conflict, "must be the id in the path"));
    }
    if !is_name(instrument.version()) {
        faults.push(Finding::new("/version", Code::Format, "must be 1 to 64 letters, digits, dots, _ or -"));
    }
    faults
}

/// A later version may not omit a rule that cannot be switched off.
fn dropped(current: &Instrument, next: &Instrument) -> Vec<Finding> {
    let kept = |id: &str| next.rules().iter().any(|rule| rule.id() == id && rule.always());
    let lost = current.rules().iter().filter(|rule| rule.always() && !kept(rule.id()));
    let fault = |id: &str| format!("must keep the rule {id} of the version in force, with \"always\": true");
    lost.map(|rule| Finding::new("/alerts", Code::Required, fault(rule.id()))).collect()
}

async fn in_force(config: &Config) -> Result<Settings, Problem> {
    Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))
}

async fn find(
    config: &Config,
    settings: &Settings,
    id: &str,
    version: Option<&str>,
) -> Result<Option<Rc<Instrument>>, Problem> {
    settings.instrument(&config.redis, id, version).await.map_err(|error| unavailable(&error))
}
