//! Parses the document and reports all faults at once, each with its JSON pointer.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString as _;
use alloc::vec::Vec;

use serde_json::Value;

use super::settings::MEMBERS;
use super::{Chain, Channel, Receiver, Resource, Routes, Settings, Study};
use crate::alert::breaker::Limits;
use crate::alert::endpoint::{Credential, Endpoint, Secret};
use crate::alert::quiet::{Quiet, minute_of_day};
use crate::alert::retry::Schedule;
use crate::alert::state::LONGEST_CALL_MS;
use crate::alert::template::{Escape, Language, Scope, Template, Words, built_in, built_in_body};
use crate::alert::zone::Clock;
use crate::ids::ReceiverId;
use crate::reading::{At, Faults};
use crate::{Code, Finding, ids};

/// Receivers by id. A receiver with a fault is `None`, so that a reference to it is not a second fault.
pub(super) type Known = BTreeMap<ReceiverId, Option<Receiver>>;

impl Routes {
    /// Reads a document.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read(document: &Value) -> Result<Routes, Vec<Finding>> {
        let (routes, faults) = Routes::read_all(document);
        if faults.is_empty() { Ok(routes) } else { Err(faults) }
    }

    /// Parses a stored document. An older version may have checked it and accepted more than this version does. A
    /// receiver with a fault [is kept and cannot be called](Routes::is_uncallable). None if there are faults elsewhere.
    pub fn read_stored(document: &Value) -> Option<Routes> {
        let (routes, faults) = Routes::read_all(document);
        faults.iter().all(|fault| fault.pointer.starts_with("/receivers/")).then_some(routes)
    }

    fn read_all(document: &Value) -> (Routes, Vec<Finding>) {
        let (at, mut faults) = (At::root(document), Faults::new());
        at.object(&mut faults, &["receivers", "defaults", "studies", "breaker", "link", "messages", "note"]);
        let mut known = Known::new();
        let receivers = at.get("receivers");
        for (id, at) in receivers.as_ref().map(|at| at.members(&mut faults)).unwrap_or_default() {
            let before = faults.len();
            let read = Receiver::read(id, at, &mut faults);
            known.insert(id.into(), read.filter(|_| faults.len() == before));
        }
        let mut routes = Routes::empty();
        if let Some(at) = at.get("defaults")
            && at.object(&mut faults, &MEMBERS)
        {
            routes.defaults = Settings::read(at, &known, &mut faults);
        }
        let studies = at.get("studies");
        for (id, at) in studies.as_ref().map(|at| at.members(&mut faults)).unwrap_or_default() {
            routes.studies.insert(id.into(), study(id, at, &known, &mut faults));
        }
        if let Some(at) = at.get("breaker") {
            routes.breaker = breaker(at, &mut faults);
        }
        if let Some(at) = at.get("link") {
            link(at, &mut routes, &mut faults);
        }
        routes.words = words(at.get("messages"), &mut faults);
        for (id, receiver) in known {
            match receiver {
                Some(receiver) => drop(routes.receivers.insert(id, receiver)),
                None => drop(routes.uncallable.insert(id)),
            }
        }
        (routes, faults)
    }

    /// No routes, and all defaults.
    pub(super) fn empty() -> Routes {
        Routes {
            receivers: BTreeMap::new(),
            uncallable: BTreeSet::new(),
            defaults: Settings::default(),
            studies: BTreeMap::new(),
            chain: Chain::default(),
            critical: Schedule::critical(),
            routine: Schedule::routine(),
            words: words(None, &mut Faults::new()),
            breaker: Limits::default(),
            link_base: None,
            link_valid_ms: 86_400_000,
        }
    }
}

fn study(id: &str, at: At<'_, '_>, known: &Known, faults: &mut Faults) -> Study {
    let mut study = Study::default();
    let name = |id: &str, at: At<'_, '_>, faults: &mut Faults| {
        if !ids::is_name(id) {
            at.fault(faults, Code::Format, "an id is 1 to 64 letters, digits, '.', '_' or '-'");
        }
    };
    name(id, at, faults);
    if !at.object(faults, &[MEMBERS.as_slice(), &["sites"]].concat()) {
        return study;
    }
    study.own = Settings::read(at, known, faults);
    let sites = at.get("sites");
    for (id, at) in sites.as_ref().map(|at| at.members(faults)).unwrap_or_default() {
        name(id, at, faults);
        if at.object(faults, &MEMBERS) {
            study.sites.insert(id.into(), Settings::read(at, known, faults));
        }
    }
    study
}

/// The longest deadline of a receiver, milliseconds.
const LONGEST: u16 = 60_000;
const _: () = assert!(LONGEST as u64 == LONGEST_CALL_MS);

const RECEIVER: [&str; 14] = [
    "channel",
    "resource",
    "url",
    "secrets",
    "authorization",
    "deadlineMs",
    "ratePerMinute",
    "concurrency",
    "timeZone",
    "utcOffset",
    "quietHours",
    "to",
    "format",
    "body",
];

impl Receiver {
    /// Reads a receiver of a document.
    pub(crate) fn read(id: &str, at: At<'_, '_>, faults: &mut Faults) -> Option<Receiver> {
        if !ids::is_name(id) {
            at.fault(faults, Code::Format, "an id is 1 to 64 letters, digits, '.', '_' or '-'");
        }
        receiver(id, at, faults)
    }
}

fn receiver(id: &str, at: At<'_, '_>, faults: &mut Faults) -> Option<Receiver> {
    if !at.object(faults, &RECEIVER) {
        return None;
    }
    let channel = at.need("channel", faults).and_then(|at| at.choice(&Channel::ALL.map(Channel::as_str), faults));
    let channel = channel.and_then(|position| Channel::ALL.get(position).copied());
    let resource = at.get("resource").and_then(|at| {
        if channel.is_some_and(|it| it != Channel::FhirCommunication) {
            at.fault(faults, Code::Forbidden, "is for the channel fhir-communication");
        }
        Resource::ALL.get(at.choice(&Resource::ALL.map(Resource::as_str), faults)?).copied()
    });
    let url = at.need("url", faults).and_then(|at| endpoint(at, faults));
    let secrets = at.get("secrets").map(|at| secrets(at, faults)).unwrap_or_default();
    if channel == Some(Channel::Webhook) && at.get("secrets").is_none() {
        at.fault(faults, Code::Required, "needs \"secrets\": a webhook is signed");
    }
    let authorization = at.get("authorization").and_then(|at| {
        let read = Credential::parse(at.text(faults)?);
        if read.is_none() {
            at.fault(faults, Code::Format, "must be the value of a header: printable ASCII, at most 4096 bytes");
        }
        read
    });
    let deadline_ms = at.get("deadlineMs").and_then(|at| at.whole(10, LONGEST, faults)).unwrap_or(10_000);
    let per_minute = at.get("ratePerMinute").and_then(|at| at.whole(1, u16::MAX, faults));
    let concurrency = at.get("concurrency").and_then(|at| at.whole(1, 1000, faults)).unwrap_or(8);
    let clock = clock(at, faults);
    let quiet = at.get("quietHours").and_then(|at| quiet(at, clock, faults));
    let to = at.get("to").and_then(|at| {
        let text = at.words(faults)?;
        if text.len() > 500 || text.chars().any(char::is_control) {
            at.fault(faults, Code::Format, "at most 500 bytes, without control characters");
        }
        Some(text)
    });
    let gateway = channel.is_none_or(|it| matches!(it, Channel::Sms | Channel::Email));
    for member in ["to", "format", "body"] {
        if let Some(at) = at.get(member).filter(|_| !gateway) {
            at.fault(faults, Code::Forbidden, "is for the channels sms and email");
        }
    }
    let format = at.get("format").and_then(|at| at.choice(&Escape::FORMATS.map(|(name, _)| name), faults));
    let format = format.and_then(|at| Escape::FORMATS.get(at)).map_or(Escape::Json, |(_, escape)| *escape);
    let bodies = at.get("body").map_or([None, None], |at| bodies(at, format, faults));
    let bodies = bodies.map(|given| {
        let built_in = || Template::body(built_in_body(channel.unwrap_or(Channel::Sms), format), format).ok();
        given.or_else(built_in).unwrap_or(Template::NOTHING)
    });
    Some(Receiver {
        id: id.into(),
        channel: channel?,
        resource: resource.unwrap_or_default(),
        url: url?,
        secrets,
        authorization,
        deadline_ms: deadline_ms.into(),
        per_minute: per_minute.map(u32::from),
        concurrency: concurrency.into(),
        clock,
        quiet,
        to: to.unwrap_or_default().into(),
        format,
        bodies,
    })
}

/// Reads an address. A fault is reported without the address itself.
pub(super) fn endpoint(at: At<'_, '_>, faults: &mut Faults) -> Option<Endpoint> {
    Endpoint::parse(at.text(faults)?).inspect_err(|rule| at.fault(faults, Code::Format, *rule)).ok()
}

pub(super) fn secret(at: At<'_, '_>, faults: &mut Faults) -> Option<Secret> {
    let read = Secret::parse(at.text(faults)?);
    if read.is_none() {
        at.fault(faults, Code::Format, "whsec_ and at least 24 bytes as base64");
    }
    read
}

fn secrets(at: At<'_, '_>, faults: &mut Faults) -> Vec<Secret> {
    let list = at.filled_list(faults);
    if list.len() > 5 {
        at.fault(faults, Code::Range, "at most 5 secrets");
    }
    list.iter().filter_map(|at| secret(*at, faults)).collect()
}

/// The clock of a receiver; UTC if the document names none.
fn clock(at: At<'_, '_>, faults: &mut Faults) -> Clock {
    let offset = at.get("utcOffset").and_then(|at| {
        let read = Clock::offset(at.text(faults)?);
        if read.is_none() {
            at.fault(faults, Code::Format, "must be an offset to UTC such as +08:00, up to 14 hours");
        }
        read
    });
    let zone = at.get("timeZone").and_then(|zone| {
        if at.get("utcOffset").is_some() {
            zone.fault(faults, Code::Conflict, "a receiver has one clock: this or \"utcOffset\"");
        }
        let read = Clock::zone(zone.text(faults)?);
        if read.is_none() {
            zone.fault(faults, Code::Choice, "must be a time zone of the IANA database such as Europe/Berlin");
        }
        read
    });
    if at.get("quietHours").is_some() && at.get("utcOffset").is_none() && at.get("timeZone").is_none() {
        at.fault(
            faults,
            Code::Required,
            "needs \"timeZone\" or \"utcOffset\": quiet hours are by the receiver's clock",
        );
    }
    zone.or(offset).unwrap_or_default()
}

fn quiet(at: At<'_, '_>, clock: Clock, faults: &mut Faults) -> Option<Quiet> {
    if !at.object(faults, &["from", "to"]) {
        return None;
    }
    let mut minute = |member| {
        let at = at.need(member, faults)?;
        let read = minute_of_day(at.text(faults)?);
        if read.is_none() {
            at.fault(faults, Code::Format, "must be a time of day from 00:00 to 23:59");
        }
        read
    };
    let (from, to) = (minute("from"), minute("to"));
    let (from, to) = (from?, to?);
    if from == to {
        at.fault(faults, Code::Conflict, "two different times");
    }
    Some(Quiet { from, to, clock })
}

fn bodies(at: At<'_, '_>, format: Escape, faults: &mut Faults) -> [Option<Template>; 2] {
    if !at.object(faults, &Language::ALL.map(Language::as_str)) {
        return [None, None];
    }
    Language::ALL.map(|language| {
        let at = at.get(language.as_str())?;
        let read = Template::body(at.text(faults)?, format);
        read.inspect_err(|rule| at.fault(faults, Code::Format, rule.as_str())).ok()
    })
}

fn breaker(at: At<'_, '_>, faults: &mut Faults) -> Limits {
    let mut limits = Limits::default();
    if !at.object(faults, &["windowSeconds", "calls", "failurePercent", "pauseSeconds"]) {
        return limits;
    }
    if let Some(ms) = at.get("windowSeconds").and_then(|at| at.millis(1.0, 86_400.0, faults)) {
        limits.window_ms = ms;
    }
    if let Some(calls) = at.get("calls").and_then(|at| at.whole(1, 10_000, faults)) {
        limits.calls = calls.into();
    }
    if let Some(percent) = at.get("failurePercent").and_then(|at| at.whole(1, 100, faults)) {
        limits.failure_percent = percent.into();
    }
    if let Some(ms) = at.get("pauseSeconds").and_then(|at| at.millis(0.1, 3600.0, faults)) {
        limits.pause_ms = ms;
    }
    limits
}

pub(super) fn link(at: At<'_, '_>, routes: &mut Routes, faults: &mut Faults) {
    if !at.object(faults, &["baseUrl", "validSeconds"]) {
        return;
    }
    if let Some(base) = at.need("baseUrl", faults)
        && let Some(url) = endpoint(base, faults)
    {
        if url.as_str().contains('?') || url.as_str().ends_with('/') {
            base.fault(faults, Code::Format, "without a query, and without a slash at the end");
        }
        routes.link_base = Some(url.as_str().to_string());
    }
    if let Some(ms) = at.get("validSeconds").and_then(|at| at.millis(60.0, 30.0 * 86_400.0, faults)) {
        routes.link_valid_ms = ms;
    }
}

/// The words of every channel in every language: from the document if it has them, else the words that come with Vigil.
fn words(messages: Option<At<'_, '_>>, faults: &mut Faults) -> Vec<(Channel, Language, Words)> {
    // A webhook is JSON and has no language.
    let spoken = [Channel::Sms, Channel::Email, Channel::FhirCommunication];
    let messages = messages.filter(|at| at.object(faults, &Language::ALL.map(Language::as_str)));
    let mut all = Vec::new();
    for language in Language::ALL {
        let texts = messages.as_ref().and_then(|at| at.get(language.as_str()));
        let texts = texts.filter(|at| at.object(faults, &spoken.map(Channel::as_str)));
        for channel in spoken {
            let own = texts.as_ref().and_then(|at| at.get(channel.as_str()));
            let own = own.filter(|at| at.object(faults, &["title", "text", "line"]));
            let mut read = |member: &str, built_in: &str, scope: Scope| {
                let given = own.as_ref().and_then(|at| {
                    let at = at.get(member)?;
                    let read = Template::parse(at.text(faults)?, scope);
                    read.inspect_err(|rule| at.fault(faults, Code::Format, rule.as_str())).ok()
                });
                given.or_else(|| Template::parse(built_in, scope).ok()).unwrap_or(Template::NOTHING)
            };
            let [title, text, line] = built_in(channel, language);
            let words = Words {
                title: read("title", title, Scope::Message),
                text: read("text", text, Scope::Message),
                line: read("line", line, Scope::Line),
            };
            all.push((channel, language, words));
        }
    }
    all
}
