//! All shared names: Redis keys, channels, key-value keys.
//!
//! A name is spelled here, or in the files of `names/`, and nowhere else. All Redis keys share one hash
//! tag, so that a script may touch any of them on a cluster. The names that the scorer needs for every submission avoid the
//! general formatting, which is slower.

mod erasures;
mod journals;
mod queues;
mod studies;

use core::fmt::{self, Display, Formatter};
use core::ops::Range;

use domain::ids::{
    self, AlertId, AnalysisId, InstrumentId, KeyId, Pseudonym, ReceiverId, SiteId, StudyId, SubmissionId,
    SubscriptionId,
};
use platform::percent;

pub use erasures::*;
pub use journals::*;
pub use queues::*;
pub use studies::*;

/// The components. Each checks its variables when it is asked.
pub const COMPONENTS: [&str; 11] =
    ["access", "alerts", "clock", "console", "dispatch", "imaging", "ops", "records", "score", "studies", "submit"];

/// The channel on which a component is asked for its variables.
pub fn check_channel(replica: impl Display, component: &str) -> String {
    format!("vigil.check.{replica}.{component}")
}

/// The last question about variables.
pub fn check_question(replica: impl Display) -> String {
    format!("{{vigil}}:check:{replica}")
}

/// A list: the answers of components to a question.
pub fn answers(question: &str) -> String {
    ["{vigil}:check:answers:", question].concat()
}

/// The work that becomes due at once if a worker dies.
pub(crate) fn reserved(holder: &str) -> String {
    [RESERVED, holder].concat()
}

/// An entry of [`DUE`]: its queue, its flow, its payload.
pub fn due(queue: Queue, flow: &str, payload: &str) -> String {
    [queue.name(), flow, payload].join(" ")
}

/// The flow of an API key's submissions for a site of a study: `<key>|<study>|<site>`. It contains no blank, and no
/// part contains a bar.
pub fn flow(key: &KeyId, study: &StudyId, site: &SiteId) -> String {
    [part(key.as_str()), part(study.as_str()), part(site.as_str())].join("|")
}

/// The flow of notifications, of an API key's analyses or of a subscription, for a site of a study: `*|<key or
/// subscription>|<study>/<site>`. All notifications take turns with alerts as if one more key sent them; no API key is
/// `*` here.
pub fn flow_of_notifications(sender: &str, study: &StudyId, site: &SiteId) -> String {
    ["*", &part(sender), &part(&[study.as_str(), site.as_str()].join("/"))].join("|")
}

fn part(text: &str) -> String {
    if ids::is_name(text) { text.to_owned() } else { percent::encode(text) }
}

/// The channel of the clock's ticks.
pub const CLOCK_CHANNEL: &str = "vigil.clock";
/// Exists while the clock ticks: the lease of the running tick, or the announcement of the next one.
pub const CLOCK: &str = "{vigil}:clock";
/// Dead letters, each with its reason: a stream.
pub const DEAD: &str = "{vigil}:dead";
/// Counters: a hash of `<outcome>|<study>|<site>|<kind>` for the doors, where `*` stands for an unknown part or one that
/// is not counted apart, of `counters|<study>` for how many of these a study has, and of `call|<service>|<outcome>` for
/// calls to other services. `queue/count.lua` bounds it.
pub const STATS: &str = "{vigil}:stats";

/// A copy of the settings for callers that must not wait for the store: a hash of `revision`, `index` and contents that
/// were read.
pub const SETTINGS: &str = "{vigil}:settings";
/// Held by the caller that changes the settings.
pub const SETTINGS_LOCK: &str = "{vigil}:settings:lock";

/// The submissions of a subject: a sorted set of `<submission> <site> <instrument or kind>` by when they were written.
pub fn filed(pseudonym: &Pseudonym) -> String {
    ["{vigil}:filed:", pseudonym.as_str()].concat()
}

/// API keys in force: a hash, SHA-256 of the secret (hex) to the record.
pub const KEYS: &str = "{vigil}:keys";
/// The last use of API keys: a hash, SHA-256 of the secret (hex) to minutes since the epoch.
pub const KEYS_USED: &str = "{vigil}:keys:used";
/// The warnings of keys that end soon: a hash, id to the days of the last one.
pub const KEYS_WARNED: &str = "{vigil}:keys:warned";
/// The mark that somebody looked for keys that end soon. It expires.
pub const KEYS_LOOKED: &str = "{vigil}:keys:looked";

/// A session in force, by the SHA-256 of its secret (hex): its line. It expires.
pub fn session(sha256: &str) -> String {
    ["{vigil}:session:", sha256].concat()
}

/// The sessions in force: a sorted set of the SHA-256 of their secrets (hex) by when they end, milliseconds.
pub const SESSIONS: &str = "{vigil}:sessions";

/// The time until which the tokens of a person are refused, seconds; `person` is a digest. It expires.
pub fn signed_out(person: &str) -> String {
    ["{vigil}:signed-out:", person].concat()
}

/// The mark that a client's assertion was used, by the SHA-256 of its id. It expires with the assertion.
pub fn assertion(sha256: &str) -> String {
    ["{vigil}:assertion:", sha256].concat()
}

/// Links of subjects: a hash, subject to all subjects of the person, `<subject> <site> ...`. Derived from the records.
pub const LINKS: &str = "{vigil}:links";
/// Held by the caller that changes the links.
pub const LINKS_LOCK: &str = "{vigil}:links:lock";

/// How far each subscription is in each journal: a hash of `<subscription> <study>` to `<since> <position>`.
pub const EVENTS: &str = "{vigil}:events";
/// Prefix, before the name of a subscription: the messages that wait to be sent to its receiver, a set of their ids.
pub const EVENTS_WAITING: &str = "{vigil}:events:waiting:";

/// The messages of a subscription that wait to be sent.
pub fn events_waiting(subscription: &SubscriptionId) -> String {
    [EVENTS_WAITING, subscription.as_str()].concat()
}

/// The counters of a study's month: a hash of `day|<day>|<site>` and `alert|<severity>`. `queue/count.lua` bounds it.
pub fn month(study: &StudyId, month: &str) -> String {
    ["{vigil}:month:", study.as_str(), ":", month].concat()
}

/// A cached reply of another service.
pub fn cached(what: impl Display) -> String {
    format!("{{vigil}}:cache:{what}")
}

/// Held by the caller that calls that service again.
pub fn cached_lock(what: impl Display) -> String {
    format!("{{vigil}}:cache:{what}:lock")
}

/// The token bucket of an API key.
pub fn rate_of_key(key: &KeyId) -> String {
    format!("{{vigil}}:rate:key:{key}")
}

/// The token bucket of a site; `scope` is `study|site`.
pub fn rate_of_site(scope: impl Display) -> String {
    format!("{{vigil}}:rate:site:{scope}")
}

/// The mark that a line about a refused request of this key was written within the last second.
pub fn logged(event: &str, key: &str) -> String {
    format!("{{vigil}}:logged:{event}:{key}")
}

/// Prefix of the hashes of idempotency records, before three hexadecimal digits.
pub const ONCE: &str = "{vigil}:once:";
/// The places of these digits in an id: those of its site, see `identity.rs`.
const ONCE_DIGITS: Range<usize> = 15..18;
/// The scopes of idempotency records, numbered: a sorted set.
pub const SCOPES: &str = "{vigil}:scopes";

/// The hash that has the idempotency record of a submission; the first writer wins.
pub fn once(submission_id: &SubmissionId) -> String {
    [ONCE, submission_id.as_str().get(ONCE_DIGITS).unwrap_or_default()].concat()
}

/// The mark of a superseded submission: the later submission's id. It does not expire.
pub fn superseded_mark(submission_id: &SubmissionId) -> String {
    format!("{{vigil}}:superseded:{submission_id}")
}

/// A subject's submissions of an expected kind (an instrument, `/diary`) by when they came in, milliseconds.
pub fn received(subject: &Pseudonym, what: impl Display) -> String {
    format!("{{vigil}}:received:{subject}:{what}")
}

/// Held by the caller that scores the responses of a study again.
pub fn rescore_lock(study: &StudyId) -> String {
    format!("{{vigil}}:rescore:{study}")
}

/// The pinned decision on a submission, or on an entry without one, before it is stored.
pub fn pinned(id: &str) -> String {
    ["{vigil}:pinned:", id].concat()
}

/// The subjects whose keys were destroyed last: a sorted set by the number of the destruction.
pub const KEYS_DESTROYED: &str = "{vigil}:keys-destroyed";

/// The last record of an entity's audit chain.
pub fn audit_head(entity: impl Display) -> String {
    format!("{{vigil}}:audit:{entity}")
}

/// The state of an alert: its revision, a space, its JSON.
pub fn alert_state(id: &AlertId) -> String {
    format!("{{vigil}}:alert:{id}")
}

/// All alerts by when their submissions came in, milliseconds.
pub const ALERTS: &str = "{vigil}:alerts";
/// The facts for lists of alerts: a hash, alert to `<severity> <study> <site> <assignee> <phase>`, where the assignee is
/// `-`, or `@` and a name, percent-encoded.
pub const ALERT_FACTS: &str = "{vigil}:alert-facts";
/// The number of alerts: a hash of `<phase>|<severity>`. With an [`AlertScope`] behind it, the number of those.
pub const ALERT_COUNTS: &str = "{vigil}:alert-counts";
/// The alerts that wait for a person, and after them those that are acknowledged and not resolved: a sorted set, each part
/// by severity and then by when their submissions came in. With an [`AlertScope`] behind it, those of this scope.
pub const URGENT_ALERTS: &str = "{vigil}:alerts:urgent";
/// The revision of each [`AlertScope`], another one after every change of one of its alerts: a hash.
pub const ALERT_REVISIONS: &str = "{vigil}:alert-revisions";
/// The time by which each alert must move next, milliseconds: a sorted set. The clock reports overdue alerts.
pub const ALERTS_NEXT: &str = "{vigil}:alerts:next";
/// Histograms of alerts' durations: a hash of `<what>|<severity>|<at most so many milliseconds>` and `...|sum`.
pub const LAG: &str = "{vigil}:lag";
/// Delivery attempts: a hash of `<channel>|<outcome>`.
pub const ATTEMPTS: &str = "{vigil}:attempts";
/// The figures of the clock: a hash of `overdue`, `dead-trimmed`, and `swept`, which hash of idempotency records it looks
/// through next, and from where.
pub const WATCH: &str = "{vigil}:watch";
/// The figures of the last minutes: a hash of a minute's number since the epoch to its counts and what waited, of `last`,
/// the last sample, and of `scored`, how many submissions were ever scored.
pub const MINUTES: &str = "{vigil}:minutes";
/// Held while a self-check is under way, so that all hosts together send one at a time.
pub const SELF_CHECK_LOCK: &str = "{vigil}:self-check:lock";
/// The state of the self-check: a hash of `looked`, `since`, `sent`, `arrived`, `arrived-of`, all milliseconds, and its
/// door's counters.
pub const SELF_CHECK: &str = "{vigil}:self-check";
/// Receivers that asked to get no more messages: a hash, receiver to the time at which it asked.
pub const DISABLED: &str = "{vigil}:disabled";

/// The alerts of a study, of a site, of both, or all. Shown as the end of a key: `:<study>|<site>` with `*` for any, or
/// nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertScope<'a> {
    /// The study; none: all.
    pub study: Option<&'a StudyId>,
    /// The site; none: all.
    pub site: Option<&'a SiteId>,
}

impl Display for AlertScope<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.study.is_none() && self.site.is_none() {
            return Ok(());
        }
        let (study, site) = (self.study.map_or("*", StudyId::as_str), self.site.map_or("*", SiteId::as_str));
        write!(f, ":{study}|{site}")
    }
}

/// The number of alerts of a scope: a hash of `<phase>|<severity>`.
pub fn alert_counts(scope: AlertScope<'_>) -> String {
    format!("{ALERT_COUNTS}{scope}")
}

/// The alerts of a scope that wait for a person, and those that are acknowledged.
pub fn urgent_alerts(scope: AlertScope<'_>) -> String {
    format!("{URGENT_ALERTS}{scope}")
}

/// The alerts of a phase, by when their submissions came in, milliseconds.
pub fn alerts_of(phase: impl Display) -> String {
    format!("{{vigil}}:alerts:{phase}")
}

/// The last alert of a rule for a subject.
pub fn repeat(key: impl Display) -> String {
    format!("{{vigil}}:repeat:{key}")
}

/// The open group of a subject.
pub fn group(key: impl Display) -> String {
    format!("{{vigil}}:group:{key}")
}

/// A list: the key of a leader's group, then the alerts grouped with its message.
pub fn group_members(leader: &AlertId) -> String {
    format!("{{vigil}}:group:members:{leader}")
}

/// Exists once an acknowledgement link was used.
pub fn link_used(grant: impl Display) -> String {
    format!("{{vigil}}:link:{grant}")
}

/// The id under which an address of `imaging_webhooks` is a receiver. No receiver of alerts has a colon in its id.
pub fn receiver_of_analyses(id: &ReceiverId) -> ReceiverId {
    ["analyses:", id.as_str()].concat().into()
}

/// The state of a receiver's calls.
pub fn breaker(receiver: &ReceiverId) -> String {
    format!("{{vigil}}:breaker:{receiver}")
}

/// The running calls to a receiver, by their latest end: a sorted set.
pub fn calls(receiver: &ReceiverId) -> String {
    format!("{{vigil}}:calls:{receiver}")
}

/// The last attempts to reach a receiver, the latest first, without what was sent and answered: a list.
pub fn attempts_at(receiver: &ReceiverId) -> String {
    format!("{{vigil}}:attempts:{receiver}")
}

/// The token bucket of a receiver.
pub fn rate_of_receiver(receiver: &ReceiverId) -> String {
    format!("{{vigil}}:rate:receiver:{receiver}")
}

/// A token bucket.
pub fn bucket(name: impl Display) -> String {
    format!("{{vigil}}:bucket:{name}")
}

/// The wrong secrets of the last minute by the same sender, or with the same beginning: a sorted set by time.
pub fn wrong_keys(of: impl Display) -> String {
    format!("{{vigil}}:wrong:{of}")
}

/// The progress of an analysis: a hash.
pub fn job(id: &AnalysisId) -> String {
    format!("{{vigil}}:job:{id}")
}

/// The analyses requested for a subject, by the time of the request, milliseconds: a sorted set.
pub fn analyses_of(subject: &Pseudonym) -> String {
    format!("{{vigil}}:analyses:{subject}")
}

/// Analyses that wait, in their order.
pub const JOBS_WAITING: &str = "{vigil}:jobs:waiting";
/// The recent duration of a call of each service, milliseconds: a hash.
pub const JOBS_TOOK: &str = "{vigil}:jobs:took";

/// The slots at a service of limited concurrency: holders, waiting tickets, and until when these count as present.
pub fn places(service: impl Display) -> [String; 3] {
    ["held", "line", "seen"].map(|what| format!("{{vigil}}:places:{service}:{what}"))
}

/// The mark of the key by which pseudonyms are made, as the store has it at [`PSEUDONYM_KEY_MARK`].
pub const PSEUDONYM_KEY: &str = "{vigil}:pseudonym-key";
/// The same in the store.
pub const PSEUDONYM_KEY_MARK: &str = "pseudonym-key";

/// Written by the readiness check.
pub const READY_PROBE: &str = "probe/ready";
/// The record of the last self-check that was scored. Written by `score`.
pub const SELF_CHECK_RECORD: &str = "probe/self-check";

/// The index of configuration documents and instruments, with the version of each that is in force.
pub const SETTINGS_INDEX: &str = "settings";

/// A version of a configuration document.
pub fn config(document: impl Display, version: u64) -> String {
    format!("config/{document}/{version}")
}

/// The audit chain of a configuration document.
pub fn config_entity(document: impl Display) -> String {
    format!("config/{document}")
}

/// The record of a session, and its entity in audit chains.
pub fn session_record(id: &KeyId) -> String {
    ["session/", id.as_str()].concat()
}

/// The entity of a person in audit chains; `person` is a digest.
pub fn person(person: &str) -> String {
    ["person/", person].concat()
}

/// The record of an API key, and its entity in audit chains.
pub fn key(id: &KeyId) -> String {
    ["key/", id.as_str()].concat()
}

/// A stored version of an instrument that is not built in.
pub fn instrument(id: &InstrumentId, version: impl Display) -> String {
    format!("instrument/{id}/{version}")
}

/// The audit chain of an instrument.
pub fn instrument_entity(id: &InstrumentId) -> String {
    format!("instrument/{id}")
}

/// Prefix of the records of submissions.
pub const SUBMISSION: &str = "submission/";

/// The record of a submission.
pub fn submission(id: &SubmissionId) -> String {
    [SUBMISSION, id.as_str()].concat()
}

/// How far a subscription is in a study's journal, for the loss of Redis. Written by `dispatch`.
pub fn events_position(subscription: &SubscriptionId, study: &StudyId) -> String {
    ["events/", subscription.as_str(), "/", study.as_str()].concat()
}

/// The audit chain of a subscription.
pub fn subscription_entity(id: &SubscriptionId) -> String {
    ["subscription/", id.as_str()].concat()
}

/// The submission that replaced this one. Written once, by `score`.
pub fn superseded(id: &SubmissionId) -> String {
    format!("submission/{id}/superseded")
}

/// The alerts raised by the silence after a submission. Written by `score`.
pub fn overdue(id: &SubmissionId) -> String {
    format!("submission/{id}/overdue")
}

/// The scores of a submission by other versions of its instrument.
pub fn rescored(id: &SubmissionId) -> String {
    format!("rescored/{id}")
}

/// A record of an entity's audit chain.
pub fn audit(entity: &str, n: u64) -> String {
    ["audit/", entity, "/", &n.to_string()].concat()
}

/// The subjects that a subject is linked to. Written by `console`.
pub fn subject_links(pseudonym: &Pseudonym) -> String {
    ["subject/", pseudonym.as_str(), "/links"].concat()
}

/// The sealed identity of a subject; empty once it is erased.
pub fn subject(pseudonym: &Pseudonym) -> String {
    ["subject/", pseudonym.as_str()].concat()
}

/// The keys of a subject, wrapped. Written by `score` and `imaging` with its first record, removed by its erasure.
pub fn subject_keys(pseudonym: &Pseudonym) -> String {
    ["subject-keys/", pseudonym.as_str()].concat()
}

/// The record of an alert: the decision and its reason. Written once, by `score`.
pub fn alert(id: &AlertId) -> String {
    ["alert/", id.as_str()].concat()
}

/// The state of an alert, as Redis has it while something is due.
pub fn stored_alert_state(id: &AlertId) -> String {
    format!("alert/{id}/state")
}

/// An entry of an alert's history.
pub fn alert_history(id: &AlertId, n: u32) -> String {
    format!("alert/{id}/history/{n}")
}

/// The result of an analysis. Written by `imaging`.
pub fn analysis(id: &AnalysisId) -> String {
    format!("analysis/{id}")
}

/// The image of a waiting analysis, by the hash of its request.
pub fn analysis_image(id: &AnalysisId, hash: impl Display) -> String {
    format!("analysis/{id}/image/{hash}")
}

/// The outcome of notifying an analysis' requester. Written by `dispatch`.
pub fn analysis_webhook(id: &AnalysisId) -> String {
    format!("analysis/{id}/webhook")
}

/// The attempts to deliver an alert to one receiver. Written by `dispatch` after every attempt.
pub fn delivery(alert: &AlertId, receiver: &ReceiverId) -> String {
    format!("alert/{alert}/delivery/{receiver}")
}
