//! Every variable of the application, declared once: name, form with its bounds, default, who reads it, and what it is
//! for.
//!
//! Guarantee: a component reads a variable by its constant here, so no bound is written twice. `tests/variables.rs`
//! compares this table with `spin.toml` and writes `docs/variables.md` from it. Sentences, defaults and readers are in no
//! component: only a native build has them.
//!
//! In a declaration, the comment is the sentence of the page, where `{bounds}` stands for the bounds of the form.
//! `default` or `secret` and a value, or `required secret`, say what holds if nobody sets the variable. `read_by` names the
//! components that read it; a variable that is a `grant_of` components is read by none, but says where they may connect.

mod form;

use platform::redis::{PATIENCE, Redis};
use platform::variables::{Base64, Number, Optional, Reader, Span, Text, Variable};

use crate::queue::rate_limit::RateLimit;
use form::{Delays, Label, UnknownStudies};

/// The variables of every component that admits the holders of keys: the keys, the limit of wrong ones, the proxies.
pub const OF_KEYS: (Variable<Text>, Variable<Number<u32>>, Variable<Text>) =
    (API_KEYS, WRONG_KEYS_PER_MINUTE, TRUSTED_PROXIES);

/// The Redis server, by its variable.
pub async fn redis(reader: &mut Reader) -> Redis {
    Redis::patient(&redis_url(reader).await, PATIENCE)
}

/// The address of the Redis server, for callers with a deadline of their own.
pub async fn redis_url(reader: &mut Reader) -> String {
    let check = |text: &str| domain::url::check_redis(text).map(|()| text.to_owned());
    reader.parsed(&REDIS_URL, |text| check(text).map_err(|rule| vec![rule.to_owned()])).await
}

/// A variable as it is declared, for the page and for comparisons.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct Declared {
    /// The heading on the page.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The name of its constant.
    pub constant: &'static str,
    /// None: it is required.
    pub default: Option<&'static str>,
    /// Whether its form reads its default.
    pub is_sound: bool,
    /// Whether it is secret.
    pub secret: bool,
    /// What it is for, as its declaration says it.
    pub sentence: &'static str,
    /// The bounds of its form.
    pub bounds: String,
    /// Whether it only says where components may connect.
    pub is_grant: bool,
    /// The components that read it, or may connect by it.
    pub components: &'static [&'static str],
}

macro_rules! variables {
    ($($section:literal {$(
        $(#[doc = $line:literal])+
        $constant:ident = $name:literal: $form:ty = $value:expr,
            $($kind:ident)+ $($default:literal)?, $use:ident $($component:ident)+;
    )+})+) => {
        $($(
            $(#[doc = $line])+
            pub const $constant: Variable<$form> = Variable { name: $name, form: $value };
        )+)+

        /// All variables, in the order of the page.
        #[cfg(not(target_family = "wasm"))]
        pub fn declared() -> Vec<Declared> {
            use platform::variables::Form as _;
            vec![$($({
                let default: Option<&str> = None $(.or(Some($default)))?;
                Declared {
                    section: $section,
                    name: $name,
                    constant: stringify!($constant),
                    default,
                    is_sound: default.is_none_or(|default| $constant.form.read(default).is_some()),
                    secret: [$(stringify!($kind)),+].contains(&"secret"),
                    sentence: concat!($($line),+),
                    bounds: $constant.form.bounds(),
                    is_grant: stringify!($use) == "grant_of",
                    components: &[$(stringify!($component)),+],
                }
            }),+),+]
        }
    };
}

variables! {
    "Redis" {
        /// The Redis server that keeps the queues: scheme, user and password if needed, host and port. Put nothing after
        /// the port, because spin.toml builds other addresses from it. AOF on, `appendfsync always`,
        /// `maxmemory-policy noeviction`.
        REDIS_URL = "redis_url": Text = Text, default "redis://127.0.0.1:6379",
            read_by access alerts clock console dispatch imaging ops records score studies submit;
        /// What the components may connect to: scheme, host and port of `redis_url`, without user and password.
        REDIS_GRANT = "redis_grant": Text = Text, default "redis://127.0.0.1:*",
            grant_of access alerts clock console dispatch imaging ops records score studies submit;
    }

    "Keys and identities" {
        /// JSON array of `{"id","role","study","site","sha256"}`. `sha256` is the hex digest of the bearer key
        /// (`printf %s "$KEY" | sha256sum`); `id` names the holder in logs and records: 1 to 64 characters of ASCII without
        /// blanks, each once. `study` and `site` may be `*`; [api.md](api.md) has the roles.
        API_KEYS = "api_keys": Text = Text, required secret,
            read_by access alerts console imaging ops records studies submit;
        /// Base64 of {bounds} (`openssl rand -base64 32`). Never change it: pseudonyms and submission ids follow from it.
        PSEUDONYM_KEY = "pseudonym_key": Base64 = Base64(32, 1024), required secret, read_by imaging records submit;
        /// Base64 of {bounds}. It seals the patients' identities, and wraps the keys of every subject. Never lose it.
        IDENTITY_KEY = "identity_key": Base64 = Base64(32, 32), required secret,
            read_by alerts console dispatch imaging ops records score submit;
        /// JSON array of earlier keys, which open what they sealed and wrapped, and seal nothing any more.
        IDENTITY_KEYS_OLD = "identity_keys_old": Text = Text, secret "[]",
            read_by alerts console dispatch imaging ops records score submit;
        /// Base64 of {bounds} (`openssl rand -base64 32`). It signs the heads of the journals, by which `vigilctl verify` finds
        /// what was changed in the store afterwards. Empty: nothing is signed. [security.md](security.md) says what that is
        /// good for, and where to keep it.
        LOG_KEY = "log_key": Optional<Base64> = Optional(Base64(32, 32)), secret "", read_by clock;
        /// How many identities and patients' records one key may look up in a minute, {bounds}.
        IDENTITY_LOOKS_PER_MINUTE = "identity_looks_per_minute": Number<u32> = Number(1, 10_000), default "30",
            read_by records;
        /// The identity providers by which persons sign in: a JSON array of
        /// `{"issuer","label","clientId","clientSecret"?,"audience"?,"algorithms"?,"groupsClaim"?,"scope"?}`.
        /// [persons.md](persons.md) says what to write there.
        OIDC = "oidc": Text = Text, secret "[]", read_by access;
        /// What `access` may connect to for them: scheme, host and port; `*.` may stand before a domain, `*` for a port.
        OIDC_GRANT = "oidc_grant": Text = Text, default "https://oidc.invalid", grant_of access;
        /// For how many seconds a person's session lasts, {bounds}.
        SESSION_SECONDS = "session_seconds": Number<u32> = Number(60, 43_200), default "900", read_by access;
        /// For how many seconds after a person authenticated at the identity provider they may sign (resolve an alert, erase,
        /// store an instrument or a document), {bounds}; `0` asks nobody for a signature. Keys sign nothing.
        SIGNATURE_SECONDS = "signature_seconds": Number<u32> = Number(0, 43_200), default "300",
            read_by alerts console imaging records studies;
    }

    "Wrong keys" {
        /// The most different wrong keys of one sender, or with the same first characters, that are looked up in a minute,
        /// {bounds}; of sessions, ten times as many of one sender. Beyond that 429. `0` is no limit.
        WRONG_KEYS_PER_MINUTE = "wrong_keys_per_minute": Number<u32> = Number(0, 10_000), default "30",
            read_by access alerts console imaging ops records studies submit;
        /// JSON array of the networks of the proxies before Vigil, `["10.0.0.0/8"]`. Who comes from there is the last address
        /// of `X-Forwarded-For` (or, without it, of `Forwarded`) that is in none of them, so list only proxies that write it.
        /// Without it, a sender whose address is not public counts as a proxy, and wrong keys are limited by their first
        /// characters alone.
        TRUSTED_PROXIES = "trusted_proxies": Text = Text, default "[]",
            read_by access alerts console imaging ops records studies submit;
    }

    "The door and the queues" {
        /// How many submissions may wait to be scored before the door answers 503, {bounds}.
        QUEUE_CAPACITY = "queue_capacity": Number<u64> = Number(1, 1_000_000_000), default "1000000",
            read_by clock ops submit;
        /// How many submissions of one API key may wait before the door answers that key 429, {bounds}: a fraction of
        /// `queue_capacity`.
        QUEUE_CAPACITY_PER_KEY = "queue_capacity_per_key": Number<u64> = Number(1, 1_000_000_000), default "250000",
            read_by submit;
        /// How fast one API key may send, in submissions a second: `50`, or `50,200` with a burst, from {bounds}; beyond
        /// that 429. `0` is no limit.
        RATE_PER_KEY = "rate_per_key": RateLimit = RateLimit, default "0", read_by submit;
        /// The same for one site of a study, whoever sends for it.
        RATE_PER_SITE = "rate_per_site": RateLimit = RateLimit, default "0", read_by submit;
        /// What becomes of submissions and analyses for a study that has no document ([studies.md](studies.md)): {bounds}. In production,
        /// `refuse`: then a wrong study's id is told to the sender, and is no new study.
        UNKNOWN_STUDIES = "unknown_studies": UnknownStudies = UnknownStudies, default "allow",
            read_by imaging submit;
        /// How many days after a submission came in Vigil recognises a resend, {bounds}, and longer while older ones wait.
        /// Later, the same id counts as a new submission.
        ONCE_DAYS = "once_days": Span = Span::days(1, 36_500), default "400", read_by clock ops;
        /// How often Vigil hands out one queue entry before it becomes a dead letter, {bounds}.
        MAX_ATTEMPTS = "max_attempts": Number<u32> = Number(1, 1000), default "10", read_by dispatch imaging ops score;
        /// How many dead letters Vigil keeps, {bounds}.
        DEAD_LETTERS_MOST = "dead_letters_most": Number<u32> = Number(100, 100_000_000), default "100000",
            read_by clock ops;
        /// For how many days Vigil keeps them, {bounds}.
        DEAD_LETTERS_DAYS = "dead_letters_days": Span = Span::days(1, 3650), default "90", read_by clock ops;
    }

    "Alerts" {
        /// Who is told, by severity: `{"critical":[{"url":"https://...","secret":"whsec_..."}]}` with the severities
        /// `critical`, `high`, `moderate`, `info`. `"link":{"baseUrl":"https://..."}` puts links into messages. The document
        /// `alert-routes` replaces this variable once it is stored.
        ALERT_ROUTES = "alert_routes": Text = Text, secret "{}", read_by alerts console dispatch ops;
        /// The networks in which receivers of the document `alert-routes` may be called by number beside the public ones,
        /// with commas between them: `10.1.0.0/16,fd00::/8`. Of names, the host's own list of blocked networks decides.
        RECEIVER_NETWORKS = "receiver_networks": Text = Text, default "", read_by console dispatch ops;
        /// Base64 of {bounds}. It signs the links by which people acknowledge a message. Without it messages have no
        /// links.
        LINK_KEY = "link_key": Optional<Base64> = Optional(Base64(32, usize::MAX)), secret "",
            read_by alerts dispatch ops;
        /// Deadline of one call to a receiver of `alert_routes`, and to the requester of an analysis, {bounds}
        /// milliseconds.
        DELIVERY_DEADLINE_MS = "delivery_deadline_ms": Number<u64> = Number(10, 60_000), default "10000",
            read_by alerts console dispatch ops;
        /// How many calls one dispatch worker makes at the same time for alerts, {bounds}. Up to 16 calls to requesters
        /// of analyses come on top.
        DELIVERY_CONCURRENCY = "delivery_concurrency": Number<usize> = Number(1, 1024), default "256",
            read_by dispatch ops;
        /// Seconds between the attempts at a receiver of `alert_routes`, and at the requester of an analysis: a JSON array
        /// of {bounds}. The last attempt follows the last delay. Empty: by urgency, see [alerts.md](alerts.md).
        RETRY_SCHEDULE = "retry_schedule": Optional<Delays> = Optional(Delays { count: 100, longest: 604_800 }),
            default "", read_by alerts console dispatch ops;
        /// An alert that should have moved this long ago and did not is reported and picked up again, {bounds}.
        ALERT_GRACE_SECONDS = "alert_grace_seconds": Span = Span::seconds(1, 86_400), default "120", read_by clock ops;
    }

    "Health" {
        /// How often a self-check alert goes through the whole path, {bounds}; `/readyz` fails when none has come through
        /// for three times as long. Where only `/v1/ops/drain` runs the workers, not more often than it is called. `0` is
        /// off.
        SELF_CHECK_SECONDS = "self_check_seconds": Span = Span::seconds(0, 86_400), default "60",
            read_by clock console ops;
        /// `/readyz` fails when the oldest waiting entry is older, {bounds}.
        READY_MAX_AGE_SECONDS = "ready_max_age_seconds": Span = Span::seconds(1, 86_400), default "300", read_by ops;
        /// Which hosts `/readyz` asks for their variables: all hosts on the same Redis with this name, which has
        /// {bounds}. Give each host its own name, and a host with a wrong variable takes no other out of service. Empty
        /// where the application runs without Redis triggers, because nobody could answer.
        REPLICA = "replica": Optional<Label> = Optional(Label(253)), default "shared", read_by ops;
    }

    "Services that records and studies ask" {
        /// The parts of `GET /v1/patients/{patientId}/record`: a JSON array of
        /// `{"name","required"?,"url"?,"authorization"?}`. A URL may hold `{patientId}`, `{studyId}` and `{siteId}`; the part
        /// `vigil` is Vigil's own and has no URL. Without a required part there is no answer. `authorization` is sent as
        /// that header.
        RECORD_PARTS = "record_parts": Text = Text, secret r#"[{"name":"vigil","required":true}]"#, read_by records;
        /// The service, at most one, that `GET /v1/studies/{study}` asks, in the same form; its URL may hold `{studyId}`.
        STUDY_SERVICE = "study_service": Text = Text, secret "[]", read_by studies;
        /// The parts of `GET /v1/studies/{study}/report`, in the same form; their URLs may hold `{studyId}` and `{month}`.
        REPORT_PARTS = "report_parts": Text = Text, secret r#"[{"name":"vigil","required":true}]"#, read_by records;
    }

    "An external risk service" {
        /// The URL of the service that `score` asks about scored responses; empty for none.
        RISK_URL = "risk_url": Text = Text, default "", read_by ops score;
        /// What `score` may connect to for it: scheme, host and port.
        RISK_GRANT = "risk_grant": Text = Text, default "https://risk.invalid", grant_of score;
        /// About which instruments it is asked: their ids, with commas between them.
        RISK_INSTRUMENTS = "risk_instruments": Text = Text, default "", read_by ops score;
        /// The deadline of one call, {bounds} milliseconds.
        RISK_DEADLINE_MS = "risk_deadline_ms": Span = Span::millis(10, 10_000), default "800", read_by ops score;
        /// How many calls run at the same time, {bounds}.
        RISK_CONCURRENCY = "risk_concurrency": Number<usize> = Number(1, 256), default "32", read_by ops score;
    }

    "Images" {
        /// The services that analyse images:
        /// `{"chest-xray":{"url":"https://...","limit":10,"deadlineMs":30000,"alerts":[{"rule":"pneumothorax","finding":"/pneumothorax","atLeast":0.9,"severity":"critical"}]}}`.
        /// `limit` (1 to 1000) is how many calls may run at once over all hosts; `deadlineMs` is 10 to 600000, 30000 if left
        /// out; `alerts` says which numbers of a result raise an alert, by JSON pointer.
        AI_SERVICES = "ai_services": Text = Text, secret "{}", read_by imaging;
        /// What `imaging` may connect to for the services: scheme, host and port; `*.` may stand before a domain, `*` for a
        /// port.
        AI_GRANT = "ai_grant": Text = Text, default "https://ai.invalid", grant_of imaging;
        /// JSON array of addresses, each ending in a slash. An image that a service is to fetch must lie below one of
        /// them.
        IMAGE_SOURCES = "image_sources": Text = Text, default "[]", read_by imaging;
        /// JSON array of `{"url","secret"}`: below which addresses a requester may be told, and which secret signs the
        /// message. `dispatch` calls them: see [alerts.md](alerts.md#requesters-of-analyses).
        IMAGING_WEBHOOKS = "imaging_webhooks": Text = Text, secret "[]", read_by dispatch imaging ops;
        /// How many analyses may wait before the door answers 503, {bounds}.
        IMAGING_CAPACITY = "imaging_capacity": Number<u64> = Number(1, 1_000_000), default "1000", read_by imaging;
        /// How many calls one imaging worker makes at the same time, {bounds}.
        IMAGING_CONCURRENCY = "imaging_concurrency": Number<usize> = Number(2, 256), default "8", read_by imaging;
        /// Seconds between the attempts at a service: a JSON array of {bounds}.
        IMAGING_RETRY_SCHEDULE = "imaging_retry_schedule": Delays = Delays { count: 100, longest: 604_800 },
            default "[2,15,60,300]", read_by imaging;
    }
}
