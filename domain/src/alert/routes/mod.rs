//! The document `alert-routes`: who is told of what, how fast, and who is told next.
//!
//! Guarantee: a document that was read is whole and names only receivers it defines; what it leaves out has the default
//! stated here. Nobody can configure silence for a critical alert: its route has a receiver or is not there at all.
//!
//! Three layers, the nearest wins for each setting: the site's, the study's, the defaults. A setting is replaced whole
//! except that a route is of one severity, and a retry schedule of one urgency.

mod read;
mod settings;
mod variable;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use settings::millis;
pub use variable::receiver_id;

use super::breaker::Limits;
use super::endpoint::{Credential, Endpoint, Secret};
use super::quiet::{Offset, Quiet};
use super::retry::Schedule;
use super::template::{Escape, Language, Template, Words};
use crate::{Severity, Timestamp};

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Our JSON, signed by the Standard Webhooks scheme.
    Webhook,
    /// A text message, through a gateway.
    Sms,
    /// Mail, through a gateway.
    Email,
    /// A FHIR R4 resource, posted to a server.
    FhirCommunication,
}

impl Channel {
    /// All channels.
    pub const ALL: [Channel; 4] = [Channel::Webhook, Channel::Sms, Channel::Email, Channel::FhirCommunication];

    /// The channel as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Sms => "sms",
            Channel::Email => "email",
            Channel::FhirCommunication => "fhir-communication",
        }
    }
}

/// What a FHIR server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resource {
    /// A message to somebody: each reminder is one more.
    #[default]
    Communication,
    /// A mark on the patient's record, which stands until somebody takes it down.
    Flag,
}

impl Resource {
    /// All resources.
    pub const ALL: [Resource; 2] = [Resource::Communication, Resource::Flag];

    /// The resource as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Communication => "Communication",
            Resource::Flag => "Flag",
        }
    }
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Its id: a name, which may be shown.
    pub id: String,
    /// How.
    pub channel: Channel,
    /// What a FHIR server is sent.
    pub resource: Resource,
    /// Where.
    pub url: Endpoint,
    /// What messages are signed with; the newest first, each gives a signature. At least one for a webhook.
    pub secrets: Vec<Secret>,
    /// The header `authorization`, for gateways and servers that ask for one.
    pub authorization: Option<Credential>,
    /// How long a call may take, milliseconds. Default 10 s.
    pub deadline_ms: u64,
    /// Calls a minute; any number, if none.
    pub per_minute: Option<u32>,
    /// Calls at the same time, over all instances. Default 8.
    pub concurrency: u32,
    /// What its clock is ahead of UTC.
    pub offset: Offset,
    /// When it is left alone.
    pub quiet: Option<Quiet>,
    /// Whom a gateway tells: a number, an address. May be empty.
    pub to: String,
    /// The format of the body for a gateway.
    pub format: Escape,
    pub(crate) bodies: [Template; 2],
}

impl Receiver {
    /// The first moment, not before `at`, at which it may be told of something this bad. Critical is never held back.
    pub fn allowed_at(&self, severity: Severity, at: Timestamp) -> Timestamp {
        match self.quiet {
            Some(quiet) if severity != Severity::Critical => quiet.next_allowed(at),
            _ => at,
        }
    }

    /// The template of a gateway's body.
    pub fn body(&self, language: Language) -> &Template {
        let [en, zh] = &self.bodies;
        match language {
            Language::En => en,
            Language::Zh => zh,
        }
    }
}

/// One step of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Milliseconds after the round began.
    pub after_ms: u64,
    /// Who is told then; the route's own receivers once more, if none.
    pub receivers: Vec<String>,
}

/// Who is told while nobody acknowledges a critical alert: the rungs in turn, all of it again `repeats` times, and then
/// the fallback again and again, until somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The steps of a round; at least one, times rise.
    pub rungs: Vec<Rung>,
    /// How often all of it is repeated.
    pub repeats: u32,
    /// Milliseconds between the last step of a round and the next round.
    pub pause_ms: u64,
    /// Who is told at the end; the route's own receivers, if none.
    pub fallback: Option<String>,
    /// Milliseconds between two messages to the fallback.
    pub fallback_every_ms: u64,
}

const MINUTE: u64 = 60_000;

impl Default for Chain {
    /// After 5, 15 and 30 min; once more after a pause of 30 min; then the fallback every 30 min.
    fn default() -> Self {
        let rung = |minutes: u64| Rung { after_ms: minutes * MINUTE, receivers: Vec::new() };
        Chain {
            rungs: [5, 15, 30].map(rung).into(),
            repeats: 1,
            pause_ms: 30 * MINUTE,
            fallback: None,
            fallback_every_ms: 30 * MINUTE,
        }
    }
}

impl Chain {
    /// Those who come in when a receiver fails, in the order in which the chain would tell them.
    pub fn succession(&self) -> impl Iterator<Item = &str> {
        self.rungs.iter().flat_map(|rung| &rung.receivers).chain(&self.fallback).map(String::as_str)
    }
}

/// What an alert is about, as routes and silences see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The study.
    pub study: &'a str,
    /// The site.
    pub site: &'a str,
    /// The subject's pseudonym.
    pub subject: &'a str,
    /// The instrument.
    pub instrument: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// How bad it is.
    pub severity: Severity,
}

/// The default grouping window, milliseconds.
pub const GROUP_MS: u64 = 30_000;
/// The default repeat interval, milliseconds; critical alerts have none unless their rule is named.
pub const REPEAT_MS: u64 = 60 * MINUTE;

/// What one layer of the document says.
#[derive(Debug, Clone, PartialEq, Default)]
struct Settings {
    routes: [Option<Vec<String>>; 4],
    chain: Option<Chain>,
    group_ms: Option<u64>,
    repeat_ms: Option<u64>,
    repeat_by_rule: Option<BTreeMap<String, u64>>,
    critical: Option<Schedule>,
    routine: Option<Schedule>,
    language: Option<Language>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Study {
    own: Settings,
    sites: BTreeMap<String, Settings>,
}

/// The document `alert-routes`, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    receivers: BTreeMap<String, Receiver>,
    /// Receivers that an older version stored and this one cannot call.
    uncallable: BTreeSet<String>,
    defaults: Settings,
    studies: BTreeMap<String, Study>,
    chain: Chain,
    critical: Schedule,
    routine: Schedule,
    words: Vec<(Channel, Language, Words)>,
    /// The numbers of every receiver's breaker.
    pub breaker: Limits,
    /// Where links of messages lead: `https://...` without a slash at the end. No links, if none.
    pub link_base: Option<String>,
    /// How long a link is good, milliseconds. Default 24 h.
    pub link_valid_ms: u64,
}

impl Default for Routes {
    /// Routes to nobody, with all defaults.
    fn default() -> Self {
        Routes::empty()
    }
}

/// What the document says about one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<'a> {
    /// Who is told at once. Empty: nobody, by the document's word if `routed`.
    pub receivers: &'a [String],
    /// Whether a route for this severity is there.
    pub routed: bool,
    /// Who is told next; of critical alerts only.
    pub chain: Option<&'a Chain>,
    /// When a failed call is made again.
    pub schedule: &'a Schedule,
    /// How long an alert waits for others of the same subject, milliseconds; 0 for critical ones.
    pub group_ms: u64,
    /// How long the same rule on the same subject is only recorded, milliseconds.
    pub repeat_ms: u64,
    /// The language of messages.
    pub language: Language,
}

impl Routes {
    /// What is to be done about an alert.
    pub fn plan(&self, facts: &Facts<'_>) -> Plan<'_> {
        let study = self.studies.get(facts.study);
        let site = study.and_then(|study| study.sites.get(facts.site));
        let layers = [site, study.map(|study| &study.own), Some(&self.defaults)];
        let critical = facts.severity == Severity::Critical;
        let route = nearest(&layers, |it| it.routes.get(facts.severity as usize)?.as_ref());
        let by_rule = nearest(&layers, |it| {
            let rules = it.repeat_by_rule.as_ref()?;
            // The exact rule of an instrument before rules of this name.
            let exact = rules.iter().find(|(key, _)| key.split_once('/') == Some((facts.instrument, facts.rule)));
            exact.map(|(_, ms)| ms).or_else(|| rules.get(facts.rule))
        });
        let repeat_ms = match by_rule {
            Some(ms) => *ms,
            None if critical => 0,
            None => nearest(&layers, |it| it.repeat_ms.as_ref()).copied().unwrap_or(REPEAT_MS),
        };
        let schedule = match critical {
            true => nearest(&layers, |it| it.critical.as_ref()).unwrap_or(&self.critical),
            false => nearest(&layers, |it| it.routine.as_ref()).unwrap_or(&self.routine),
        };
        Plan {
            receivers: route.map_or(&[], Vec::as_slice),
            routed: route.is_some(),
            chain: critical.then(|| nearest(&layers, |it| it.chain.as_ref()).unwrap_or(&self.chain)),
            schedule,
            group_ms: match critical {
                true => 0,
                false => nearest(&layers, |it| it.group_ms.as_ref()).copied().unwrap_or(GROUP_MS),
            },
            repeat_ms,
            language: nearest(&layers, |it| it.language.as_ref()).copied().unwrap_or(Language::En),
        }
    }

    /// The receiver of this id.
    pub fn receiver(&self, id: &str) -> Option<&Receiver> {
        self.receivers.get(id)
    }

    /// Whether this is a receiver that cannot be called: what waits for it goes on waiting until the document is mended.
    pub fn is_uncallable(&self, id: &str) -> bool {
        self.uncallable.contains(id)
    }

    /// All receivers, by id.
    pub fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.values()
    }

    /// The studies and sites whose own settings tell a receiver, `*` for all: of a study, or of everybody by default.
    pub fn places(&self, receiver: &str) -> Vec<(&str, &str)> {
        let tells = |settings: &Settings| {
            let routed = settings.routes.iter().flatten().flatten().any(|id| id == receiver);
            routed || settings.chain.as_ref().is_some_and(|chain| chain.succession().any(|id| id == receiver))
        };
        let mut places = Vec::new();
        places.extend(tells(&self.defaults).then_some(("*", "*")));
        for (id, study) in &self.studies {
            places.extend(tells(&study.own).then_some((id.as_str(), "*")));
            places.extend(
                study.sites.iter().filter(|(_, site)| tells(site)).map(|(site, _)| (id.as_str(), site.as_str())),
            );
        }
        places
    }

    /// The words of a channel in a language.
    pub(crate) fn words(&self, channel: Channel, language: Language) -> &Words {
        // Reading put in the words of every channel and language; a webhook's are never looked at.
        let found = self.words.iter().find(|(c, l, _)| *c == channel && *l == language);
        found.map_or(EMPTY, |(_, _, words)| words)
    }
}

/// Words that say nothing.
const EMPTY: &Words = &Words { title: Template::NOTHING, text: Template::NOTHING, line: Template::NOTHING };

/// What the nearest layer that has a word on it says.
fn nearest<'a, T: ?Sized>(
    layers: &[Option<&'a Settings>; 3],
    setting: impl Fn(&'a Settings) -> Option<&'a T>,
) -> Option<&'a T> {
    layers.iter().copied().flatten().find_map(setting)
}

#[cfg(test)]
mod tests;
