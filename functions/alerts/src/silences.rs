//! `GET`, `POST /v1/silences` and `DELETE /v1/silences/{id}`: for a while, matching alerts are recorded but not sent.
//!
//! Guarantee: a silence is an entry of the document `silences`, so it is versioned, audited and takes effect like every
//! other setting. Its author is the key that created it, and identities are taken out of its comment. A silence does not
//! stop critical alerts unless it says so. A key with a limited scope sees and changes only the silences that concern
//! nothing but its own study and site.

use domain::alert::silence::{LONGEST_MS, Property, Silence, without_identities};
use domain::ids::is_name;
use domain::reading::{Json, Limits};
#[cfg(feature = "schema")]
use domain::schema::{Name, Time};
use domain::{Code, Finding, Timestamp};
use platform::clock;
use platform::digest::hex;
use platform::http::{Incoming, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::alerts::silences::{DOCUMENT, read, state};
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, reason, unavailable};
use state::settings::{self, Changed};

use crate::config::Config;

/// The longest body, bytes; the most silences at a time, in all and for one study.
const LARGEST: usize = 16 * 1024;
const MOST: usize = 200;
const MOST_OF_ONE: usize = 50;

/// Whether the key covers everything that a silence concerns.
fn has_silence(principal: &Principal, silence: &Silence) -> bool {
    let named = |property: Property| -> Vec<&str> {
        let of = silence.matchers.iter().filter(|it| it.property == property).flat_map(|it| &it.values);
        let values: Vec<&str> = of.map(String::as_str).collect();
        // An empty list matches everything.
        if values.is_empty() { vec!["*"] } else { values }
    };
    let sites = named(Property::Site);
    named(Property::Study)
        .iter()
        .all(|study| sites.iter().all(|site| principal.covers(&(*study).into(), &(*site).into())))
}

/// Whether the principal may see and end a silence.
fn has(principal: &Principal, silence: &Value) -> bool {
    Silence::read(silence).is_ok_and(|silence| has_silence(principal, &silence))
}

/// A silence that is shown.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Silence"))]
pub(crate) struct SilenceShown {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    id: String,
    matchers: Matchers,
    /// The first moment at which it applies.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    start: String,
    /// The first moment at which it no longer applies.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    end: String,
    /// The id of the key that made it.
    author: String,
    comment: String,
    /// Whether critical alerts are not sent either.
    #[serde(default)]
    critical: bool,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["pending", "active", "ended"])))]
    state: String,
}

/// The alerts that a silence is about: of each property that is named, one of these values.
#[derive(Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, deny_unknown_fields, extend("minProperties" = 1))
)]
pub(crate) struct Matchers {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    study: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    site: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    severity: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    instrument: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    rule: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    subject: Option<Vec<String>>,
}

/// All silences that the key covers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Silences {
    silences: Vec<SilenceShown>,
}

/// A silence that was ended.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SilenceEnded<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    id: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "ended")))]
    state: &'static str,
}

/// A silence of the document as it is shown; none if it cannot be read.
fn shown(silence: &Value) -> Option<SilenceShown> {
    let read = Silence::read(silence).ok()?;
    let shown = platform::json::read::<SilenceShown>(silence.to_string().as_bytes()).ok()?;
    Some(SilenceShown { state: state(&read, clock::now()).to_owned(), ..shown })
}

/// The silences that the key covers.
pub(crate) async fn list(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let (silences, _) = read(&config.redis).await.map_err(|error| unavailable(&error))?;
    let silences = silences.iter().filter(|it| has(principal, it)).filter_map(shown).collect();
    Ok(Reply::json(200, &Silences { silences }))
}

/// Creates a silence.
pub(crate) async fn begin(config: &Config, principal: &Principal, incoming: Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(&incoming)?;
    let Json { value: mut silence, mut faults, .. } = Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?;
    match silence.as_object_mut() {
        Some(members) => {
            for own in ["id", "author"].into_iter().filter(|own| members.contains_key(*own)) {
                faults.push(Finding::new(format!("/{own}"), Code::Forbidden, "is given by the service"));
            }
            members.insert("id".to_owned(), hex(&clock::random_bits().to_be_bytes()).into());
            members.insert("author".to_owned(), principal.actor.as_str().into());
            members.entry("start").or_insert_with(|| clock::now().rfc3339().into());
            let start = members.get("start").and_then(Value::as_str).and_then(Timestamp::parse);
            if let Some(minutes) = members.remove("minutes") {
                let minutes = domain::whole(&minutes)
                    .and_then(|minutes| u64::try_from(minutes).ok())
                    .filter(|minutes| (1..=LONGEST_MS / 60_000).contains(minutes));
                match minutes.filter(|_| !members.contains_key("end")) {
                    Some(minutes) => {
                        let end = start.unwrap_or_else(clock::now).plus_ms(minutes * 60_000);
                        members.insert("end".to_owned(), end.rfc3339().into());
                    }
                    None => {
                        let rule = "must be 1 to 43200, and stand there without \"end\"";
                        faults.push(Finding::new("/minutes", Code::Range, rule));
                    }
                }
            }
        }
        None => faults.push(Finding::new("", Code::Type, "must be a JSON object")),
    }
    if silence.is_object() {
        match Silence::read(&silence) {
            Ok(read) if read.end <= clock::now() => {
                faults.push(Finding::new("/end", Code::Range, "must be in the future"));
            }
            Ok(_) => {}
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    without_identities(&mut silence);
    if !has(principal, &silence) {
        let detail = "the silence is about more than the key covers: name the study, and the site, among its matchers";
        return Err(Problem::new(ProblemType::Forbidden, detail));
    }
    let made = silence.clone();
    change(config, principal, reason.as_deref(), move |silences| {
        let own = silences.iter().filter(|it| has(principal, it)).count();
        if silences.len() >= MOST || !principal.covers_all() && own >= MOST_OF_ONE {
            return Err(Problem::new(ProblemType::Conflict, "there are too many silences already"));
        }
        silences.push(silence.clone());
        Ok(())
    })
    .await?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default();
    let location = format!("/v1/silences/{id}");
    Ok(Reply::json(201, &shown(&made)).header("location", location))
}

/// Ends a silence.
pub(crate) async fn end(
    config: &Config,
    principal: &Principal,
    incoming: &Incoming,
    id: &str,
) -> Result<Reply, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    Query::none(&incoming.query)?;
    let reason = reason(incoming)?;
    change(config, principal, reason.as_deref(), |silences| {
        let before = silences.len();
        let it = |silence: &Value| silence.get("id").and_then(Value::as_str) == Some(id) && has(principal, silence);
        silences.retain(|silence| !it(silence));
        if silences.len() == before { Err(Problem::not_found()) } else { Ok(()) }
    })
    .await?;
    Ok(Reply::json(200, &SilenceEnded { id, state: "ended" }))
}

/// The number of times that a change is retried after a concurrent change.
const TRIES: usize = 10;

/// Changes the list and removes expired silences. If somebody else changes the list at the same time, the change is
/// made again on the new list.
async fn change(
    config: &Config,
    principal: &Principal,
    reason: Option<&str>,
    how: impl Fn(&mut Vec<Value>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let (mut silences, seen) = read(&config.redis).await.map_err(|error| unavailable(&error))?;
        how(&mut silences)?;
        let now = clock::now();
        silences.retain(|silence| Silence::read(silence).is_ok_and(|silence| silence.end > now));
        let content = Value::from(silences).to_string();
        let plan = |index: &mut settings::Index, at: &str| {
            let current = index.documents.get(DOCUMENT.as_str());
            if current.map(|it| it.version) != seen.as_ref().map(|it| it.version) {
                return Err(());
            }
            let (_, draft) = index.replace(DOCUMENT, &content, at, &principal.actor);
            Ok(((), draft))
        };
        let changed = settings::change(&config.redis, &principal.actor, (reason, None), plan).await;
        match changed.map_err(|error| unavailable(&error))? {
            Changed::Made(()) => return Ok(()),
            Changed::Refused(()) | Changed::Busy => {}
        }
    }
    Err(Problem::new(ProblemType::Busy, "somebody else is changing the settings, send it again"))
}
