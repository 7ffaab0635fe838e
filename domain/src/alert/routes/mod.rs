//! The document `alert-routes`: whom Vigil notifies about an alert, how fast, and whom it notifies next.
//!
//! Guarantee: a parsed document is complete and names only receivers that it defines. Every omitted member has the
//! default stated here. Nobody can configure silence for a critical alert: its route has at least one receiver or does
//! not exist.
//!
//! The document has three layers: site, study, defaults. For each setting the nearest layer wins. A layer replaces a
//! setting as a whole. The exceptions: each severity has its own route, and each urgency has its own retry schedule.

mod read;
mod settings;
mod variable;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

pub use variable::receiver_id;

use super::breaker::Limits;
use super::endpoint::{Credential, Endpoint, Secret};
use super::quiet::Quiet;
use super::retry::Schedule;
use super::template::{Escape, Language, Template, Words};
use super::zone::Clock;
use crate::ids::ReceiverId;
use crate::{Severity, Timestamp};

/// The channel through which a receiver is notified.
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

    /// The channel's name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Sms => "sms",
            Channel::Email => "email",
            Channel::FhirCommunication => "fhir-communication",
        }
    }
}

/// The FHIR resource that a server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resource {
    /// A message to somebody: each reminder is a new resource.
    #[default]
    Communication,
    /// A mark on the patient's record. It stands until somebody removes it.
    Flag,
}

impl Resource {
    /// All resources.
    pub const ALL: [Resource; 2] = [Resource::Communication, Resource::Flag];

    /// The resource's name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Communication => "Communication",
            Resource::Flag => "Flag",
        }
    }
}

/// A receiver of alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Its id, a name that may be shown.
    pub id: ReceiverId,
    /// The channel.
    pub channel: Channel,
    /// The resource that a FHIR server is sent.
    pub resource: Resource,
    /// The address to call.
    pub url: Endpoint,
    /// The secrets that sign messages, the newest first. Each secret gives a signature. A webhook has at least one.
    pub secrets: Vec<Secret>,
    /// The header `authorization`, for gateways and servers that ask for one.
    pub authorization: Option<Credential>,
    /// The deadline of a call, milliseconds. Default 10 s.
    pub deadline_ms: u64,
    /// The most calls per minute. None: no limit.
    pub per_minute: Option<u32>,
    /// The most calls at the same time, over all instances. Default 8.
    pub concurrency: u32,
    /// Its clock, by which messages show times.
    pub clock: Clock,
    /// Its quiet hours.
    pub quiet: Option<Quiet>,
    /// The final recipient behind a gateway: a number or an address. May be empty.
    pub to: String,
    /// The format of the body for a gateway.
    pub format: Escape,
    pub(crate) bodies: [Template; 2],
}

impl Receiver {
    /// The first moment, not before `at`, at which the receiver may get an alert of this severity. Critical alerts are
    /// never held back.
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

/// One step of an escalation chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Milliseconds after the round began.
    pub after_ms: u64,
    /// The receivers of this step. None: the route's own receivers once more.
    pub receivers: Vec<ReceiverId>,
}

/// The escalation chain while nobody acknowledges a critical alert. It runs through the rungs in turn, repeats the
/// whole round `repeats` times, and then notifies the fallback again and again until somebody acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The steps of a round; at least one, with rising times.
    pub rungs: Vec<Rung>,
    /// The number of times the round is repeated.
    pub repeats: u32,
    /// Milliseconds between the last step of a round and the next round.
    pub pause_ms: u64,
    /// The receiver at the end. None: the route's own receivers.
    pub fallback: Option<ReceiverId>,
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
    /// The receivers that step in when another receiver fails, in the order of the chain.
    pub fn succession(&self) -> impl Iterator<Item = &ReceiverId> {
        self.rungs.iter().flat_map(|rung| &rung.receivers).chain(&self.fallback)
    }
}

/// The facts about an alert that routes and silences use.
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
    /// Its severity.
    pub severity: Severity,
}

/// The default grouping window, milliseconds.
pub const GROUP_MS: u64 = 30_000;
/// The default repeat interval, milliseconds. Critical alerts have no interval unless their rule is named.
pub const REPEAT_MS: u64 = 60 * MINUTE;

/// The settings of one layer of the document.
#[derive(Debug, Clone, PartialEq, Default)]
struct Settings {
    routes: [Option<Vec<ReceiverId>>; 4],
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

/// The document `alert-routes`, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    receivers: BTreeMap<ReceiverId, Receiver>,
    /// Receivers that an older version stored and that this version cannot call.
    uncallable: BTreeSet<ReceiverId>,
    defaults: Settings,
    studies: BTreeMap<String, Study>,
    chain: Chain,
    critical: Schedule,
    routine: Schedule,
    words: Vec<(Channel, Language, Words)>,
    /// The limits of every receiver's breaker.
    pub breaker: Limits,
    /// The base of the links in messages: `https://...` without a slash at the end. None: no links.
    pub link_base: Option<String>,
    /// The time for which a link is valid, milliseconds. Default 24 h.
    pub link_valid_ms: u64,
}

impl Default for Routes {
    /// No routes, and all defaults.
    fn default() -> Self {
        Routes::empty()
    }
}

/// The settings that apply to one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<'a> {
    /// The receivers that are notified at once. If empty and `routed`, the document routes this severity to nobody.
    pub receivers: &'a [ReceiverId],
    /// Whether a route for this severity exists.
    pub routed: bool,
    /// The escalation chain; critical alerts only.
    pub chain: Option<&'a Chain>,
    /// The retry schedule of failed calls.
    pub schedule: &'a Schedule,
    /// The time an alert waits for others of the same subject, milliseconds; 0 for critical alerts.
    pub group_ms: u64,
    /// The time in which the same rule on the same subject is only recorded, milliseconds.
    pub repeat_ms: u64,
    /// The language of messages.
    pub language: Language,
}

impl Routes {
    /// The plan for an alert.
    pub fn plan(&self, facts: &Facts<'_>) -> Plan<'_> {
        let study = self.studies.get(facts.study);
        let site = study.and_then(|study| study.sites.get(facts.site));
        let layers = [site, study.map(|study| &study.own), Some(&self.defaults)];
        let critical = facts.severity == Severity::Critical;
        let route = nearest(&layers, |it| it.routes.get(facts.severity as usize)?.as_ref());
        let by_rule = nearest(&layers, |it| {
            let rules = it.repeat_by_rule.as_ref()?;
            // The exact rule of an instrument wins over rules with this name in any instrument.
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

    /// The receiver with this id.
    pub fn receiver(&self, id: &ReceiverId) -> Option<&Receiver> {
        self.receivers.get(id)
    }

    /// Whether this receiver cannot be called. Its deliveries wait until the document is corrected.
    pub fn is_uncallable(&self, id: &ReceiverId) -> bool {
        self.uncallable.contains(id)
    }

    /// All receivers, by id.
    pub fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.values()
    }

    /// The studies and sites whose own settings notify a receiver. `*` stands for all sites of a study, or for
    /// everybody in the defaults.
    pub fn places(&self, receiver: &ReceiverId) -> Vec<(&str, &str)> {
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
        // Parsing inserted the words of every channel and language. The words of a webhook are never used.
        let found = self.words.iter().find(|(c, l, _)| *c == channel && *l == language);
        found.map_or(EMPTY, |(_, _, words)| words)
    }
}

/// Words that produce empty texts.
const EMPTY: &Words = &Words { title: Template::NOTHING, text: Template::NOTHING, line: Template::NOTHING };

/// The value in the nearest layer that has one.
fn nearest<'a, T: ?Sized>(
    layers: &[Option<&'a Settings>; 3],
    setting: impl Fn(&'a Settings) -> Option<&'a T>,
) -> Option<&'a T> {
    layers.iter().copied().flatten().find_map(setting)
}

#[cfg(test)]
mod tests;
