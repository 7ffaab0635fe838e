//! `GET`, `POST /v1/silences` and `DELETE /v1/silences/{id}`: alerts that are recorded and not sent for a while.
//!
//! Guarantee: a silence is an entry of the document `silences`, so it is versioned, audited and in force as every other
//! setting is. Its author is the key by which it was made. Critical alerts go on unless it says otherwise of itself. An
//! administrator of a study has the silences that are about this study alone.

use domain::alert::silence::{LONGEST_MS, Silence};
use domain::intake::is_name;
use domain::reading::{Json, Limits};
use domain::settings::Document;
use domain::{Code, Finding, Timestamp};
use platform::auth::{Action, Principal};
use platform::http::{Incoming, Reply};
use platform::identity::hex;
use platform::problem::{Problem, ProblemType};
use platform::settings::{self, Changed, Settings, Version};
use platform::{clock, names};
use serde_json::{Value, json};

use crate::away;
use crate::config::Config;
use crate::request::{Query, body, only, reason};
use crate::scope::{administrator, has_silence};

/// The longest body, bytes; the most silences at a time, and of one that does not cover all studies.
const LARGEST: usize = 16 * 1024;
const MOST: usize = 200;
const MOST_OF_ONE: usize = 50;
const DOCUMENT: Document = Document::Silences;

/// The silences in force, and the version of the document; 0 if there is none.
pub(crate) async fn read(config: &Config) -> Result<(Vec<Value>, Option<Version>), Problem> {
    let settings = Settings::in_force(&config.redis).await.map_err(|error| away(&error))?;
    let Some(version) = settings.index().documents.get(DOCUMENT.as_str()) else { return Ok((Vec::new(), None)) };
    let key = names::config(DOCUMENT.as_str(), version.version);
    let bytes = settings::bytes(&config.redis, &key).await.map_err(|error| away(&error))?;
    let unreadable = || Problem::new(ProblemType::Unavailable, "the silences cannot be read");
    let list = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(unreadable)?;
    Ok((list, Some(version.clone())))
}

/// Whether a silence is the principal's to see and to end.
fn has(principal: &Principal, silence: &Value) -> bool {
    Silence::read(silence).is_ok_and(|silence| has_silence(principal, &silence))
}

/// Whether a silence is still to come, lasts or is over.
pub(crate) fn state(silence: &Silence, now: Timestamp) -> &'static str {
    match () {
        () if now < silence.start => "pending",
        () if now < silence.end => "active",
        () => "ended",
    }
}

fn shown(silence: &Value) -> Value {
    let mut shown = silence.clone();
    if let (Some(members), Ok(read)) = (shown.as_object_mut(), Silence::read(silence)) {
        members.insert("state".to_owned(), state(&read, clock::now()).into());
        members.insert("critical".to_owned(), read.critical.into());
    }
    shown
}

/// All silences, or a new one.
pub(crate) async fn answer(config: &Config, incoming: Incoming) -> Result<Reply, Problem> {
    only(&incoming, &["GET", "POST"], "GET, POST")?;
    let principal = administrator(config, &incoming, Action::Configure)?;
    Query::read(&incoming, &[])?;
    if incoming.method == "GET" {
        let (silences, _) = read(config).await?;
        let shown: Vec<Value> = silences.iter().filter(|it| has(principal, it)).map(shown).collect();
        return Ok(Reply::json(200, &json!({"silences": shown})));
    }
    let reason = reason(&incoming)?;
    let Json { value: mut silence, mut faults } = Problem::json(&body(incoming, LARGEST).await?, Limits::REQUEST)?;
    match silence.as_object_mut() {
        Some(members) => {
            for own in ["id", "author"].into_iter().filter(|own| members.contains_key(*own)) {
                faults.push(Finding::new(format!("/{own}"), Code::Forbidden, "is given by the service"));
            }
            members.insert("id".to_owned(), hex(&clock::random_bits().to_be_bytes()).into());
            members.insert("author".to_owned(), principal.id.clone().into());
            members.entry("start").or_insert_with(|| clock::now().rfc3339().into());
            let start = members.get("start").and_then(Value::as_str).and_then(Timestamp::parse);
            if let Some(minutes) = members.remove("minutes") {
                let minutes = minutes.as_u64().filter(|minutes| (1..=LONGEST_MS / 60_000).contains(minutes));
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
pub(crate) async fn end(config: &Config, incoming: &Incoming, id: &str) -> Result<Reply, Problem> {
    if !is_name(id) {
        return Err(Problem::not_found());
    }
    only(incoming, &["DELETE"], "DELETE")?;
    let principal = administrator(config, incoming, Action::Configure)?;
    Query::read(incoming, &[])?;
    let reason = reason(incoming)?;
    change(config, principal, reason.as_deref(), |silences| {
        let before = silences.len();
        let it = |silence: &Value| silence.get("id").and_then(Value::as_str) == Some(id) && has(principal, silence);
        silences.retain(|silence| !it(silence));
        if silences.len() == before { Err(Problem::not_found()) } else { Ok(()) }
    })
    .await?;
    Ok(Reply::json(200, &json!({"id": id, "state": "ended"})))
}

/// How often a change is made again that somebody else was quicker with.
const TRIES: usize = 10;

/// Changes the list; those that are over leave it. Somebody else's change in between is seen, and the change made again.
async fn change(
    config: &Config,
    principal: &Principal,
    reason: Option<&str>,
    how: impl Fn(&mut Vec<Value>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let (mut silences, seen) = read(config).await?;
        how(&mut silences)?;
        let now = clock::now();
        silences.retain(|silence| Silence::read(silence).is_ok_and(|silence| silence.end > now));
        let content = Value::from(silences).to_string();
        let plan = |index: &mut settings::Index, at: &str| {
            let current = index.documents.get(DOCUMENT.as_str());
            if current.map(|it| it.version) != seen.as_ref().map(|it| it.version) {
                return Err(());
            }
            let (_, draft) = index.replace(DOCUMENT, &content, at, &principal.id);
            Ok(((), draft))
        };
        let changed = settings::change(&config.redis, &principal.id, reason, plan).await;
        match changed.map_err(|error| away(&error))? {
            Changed::Made(()) => return Ok(()),
            Changed::Refused(()) | Changed::Busy => {}
        }
    }
    Err(Problem::new(ProblemType::Busy, "somebody else is changing the settings, send it again"))
}
