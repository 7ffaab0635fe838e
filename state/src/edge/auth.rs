//! Authorization: bearer keys and persons' sessions, their roles, and the study and site that they cover.
//!
//! Guarantee: Vigil knows a key only by its SHA-256. A token that matches no key exactly is refused, and whoever tries many is
//! refused before another is looked up ([`crate::edge::wrong_keys`]).
//!
//! Mechanism: the keys of the variable `api_keys` are known to every instance. Others are records ([`crate::edge::keys`]), as
//! sessions are ([`crate::edge::sessions`]): an instance looks for one in Redis, and believes what it found for a second.

use domain::access::Person;
pub use domain::access::{Grant, Role};
use domain::ids::{KeyId, NAME_RULE, SiteId, StudyId, is_name};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use platform::deadline::{Deadline, TimedOut};
use platform::digest::digest;
use platform::http::Incoming;
use platform::redis::Redis;
use platform::variables::{Number, Reader, Text, Variable};
use platform::{clock, variables};
use serde::Deserialize;

use crate::edge::keys::{self, InForce};
use crate::edge::looks::Seen;
use crate::edge::problem::{Problem, ProblemType};
use crate::edge::refusal_log;
use crate::edge::request::unavailable;
use crate::edge::sessions;
use crate::edge::wrong_keys::{Kind, WrongKeys};

/// An action that needs a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send a submission.
    Submit,
    /// See that a submission exists, and its state; see the own key's role.
    Follow,
    /// See scores and alerts.
    Read,
    /// Acknowledge, resolve, reopen, note and assign alerts.
    Attend,
    /// Stop alerts from being sent for a while.
    Silence,
    /// See counters and queue lengths.
    Measure,
    /// See the identity of a subject.
    Identify,
    /// See all that is known about a patient.
    Treat,
    /// Take everything that is held about a subject.
    Export,
    /// Read the audit trail.
    Audit,
    /// Remove a submission.
    Erase,
    /// Say that two subjects are one person.
    Link,
    /// Run the operators' rounds of the workers.
    Operate,
    /// Change the configuration and instruments of all studies.
    Configure,
    /// Create and withdraw keys.
    Grant,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 15] = [
        Action::Submit,
        Action::Follow,
        Action::Read,
        Action::Attend,
        Action::Silence,
        Action::Measure,
        Action::Identify,
        Action::Treat,
        Action::Export,
        Action::Audit,
        Action::Erase,
        Action::Link,
        Action::Operate,
        Action::Configure,
        Action::Grant,
    ];

    /// Whether a role covers it.
    pub fn is_of(self, role: Role) -> bool {
        self.roles().contains(&role)
    }

    /// The roles that may do it, within the study and site of their key.
    pub fn roles(self) -> &'static [Role] {
        use Role::{Admin, Auditor, Clinician, Coordinator, Operator, Read, Submit};
        match self {
            Action::Submit => &[Submit, Coordinator, Admin],
            Action::Follow => &Role::ALL,
            Action::Read => &[Read, Clinician, Admin],
            Action::Attend | Action::Silence | Action::Export => &[Clinician, Admin],
            Action::Measure => &[Read, Operator, Auditor, Admin],
            // Not the administrator: only those who treat a patient need the identity.
            Action::Identify | Action::Treat => &[Clinician],
            Action::Audit => &[Auditor, Admin],
            Action::Operate => &[Operator, Admin],
            Action::Erase | Action::Link | Action::Configure | Action::Grant => &[Admin],
        }
    }
}

/// The longest id of a key, bytes.
const LONGEST_ID: usize = 64;
/// The refusal of a role.
const OTHER_ROLE: &str = "the role of this key does not cover this";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: KeyId,
    role: Role,
    study: StudyId,
    site: SiteId,
    sha256: String,
}

/// The holder of a key, or a person in a session.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The id of the key or session, which logs show.
    pub id: KeyId,
    /// The actor, as records and histories name it.
    pub actor: KeyId,
    /// Its role and scope.
    pub grant: Grant,
    /// The person whose session it is.
    pub person: Option<Person>,
    /// The time at which it ends, milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// When the person authenticated at the identity provider, seconds since the epoch; none if nothing proves it.
    pub authenticated: Option<i64>,
    /// The meaning of the signature under this request, if a person signs it.
    pub meaning: Option<String>,
    /// Whose data the request looks at.
    pub(crate) seen: Seen,
}

impl Principal {
    /// Refuses a key whose role does not cover the action, as [`Keys::admit`] does.
    ///
    /// # Errors
    /// 403.
    pub fn must(&self, redis: &Redis, action: Action) -> Result<(), Problem> {
        if self.may(action) {
            return Ok(());
        }
        refusal_log::write(redis, "key-refused", Some(&self.id), ProblemType::Forbidden.as_str());
        Err(Problem::new(ProblemType::Forbidden, OTHER_ROLE))
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.grant.role
    }

    /// Whether the grant covers this study and site.
    pub fn covers(&self, study: &StudyId, site: &SiteId) -> bool {
        self.grant.covers(study, site)
    }

    /// The study and the site that the grant covers, `*` for all.
    pub fn scope(&self) -> (&str, &str) {
        (self.grant.study.as_str(), self.grant.site.as_str())
    }

    /// Whether the grant covers every study and site.
    pub fn covers_all(&self) -> bool {
        self.grant.covers_all()
    }

    /// Refuses a key that does not cover every study and site, for all that cannot be divided by study and site.
    ///
    /// # Errors
    /// 403.
    pub fn must_cover_all(&self) -> Result<(), Problem> {
        if self.covers_all() {
            return Ok(());
        }
        Err(Problem::new(ProblemType::Forbidden, "this is shared by all studies, and the key does not cover all"))
    }

    /// The key's study, unless it covers all.
    pub fn study(&self) -> Option<&StudyId> {
        Some(&self.grant.study).filter(|study| *study != "*")
    }

    /// The key's site, unless it covers all.
    pub fn site(&self) -> Option<&SiteId> {
        Some(&self.grant.site).filter(|site| *site != "*")
    }

    /// Whether the key's role covers the action.
    pub fn may(&self, action: Action) -> bool {
        action.is_of(self.grant.role)
    }
}

impl From<InForce> for Principal {
    fn from(found: InForce) -> Self {
        let InForce { key_id, grant, expires_ms, person, authenticated } = found;
        let actor = person.as_ref().map_or_else(|| key_id.clone(), |person| sessions::actor(&key_id, person));
        let (meaning, seen) = (None, Seen::default());
        Principal { id: key_id, actor, grant, person, expires_ms, authenticated, meaning, seen }
    }
}

/// The time for which an instance believes what it found in Redis.
const BELIEVED: Duration = Duration::from_secs(1);
/// The most keys that an instance remembers.
const MOST_REMEMBERED: usize = 256;
/// The refusal of a session that is in force no more.
const SESSION_ENDED: &str = "the session has ended, sign in again";
/// The kinds of secrets, of which wrong ones are counted.
const KEY: Kind = Kind::Key(keys::BEGINNING.len());
const SESSION: Kind = Kind::Session(sessions::BEGINNING.len());
/// The longest time to look for a key.
const LOOK: Duration = Duration::from_secs(2);

/// All keys.
#[derive(Default)]
pub struct Keys {
    /// The keys of the variable.
    fixed: BTreeMap<[u8; 32], Principal>,
    /// Looks of the last second, at most one for each secret.
    found: RefCell<Vec<Found>>,
    /// The limits of wrong ones.
    pub wrong: WrongKeys,
}

/// A look for a secret in Redis.
struct Found {
    hash: [u8; 32],
    at: Instant,
    key: Option<InForce>,
}

impl Keys {
    /// Reads the keys and the limits of wrong ones from `variables::OF_KEYS`.
    pub async fn of(
        reader: &mut Reader,
        (keys, per_minute, proxies): (Variable<Text>, Variable<Number<u32>>, Variable<Text>),
    ) -> Self {
        let keys = reader.parsed(&keys, Keys::read).await;
        Keys { wrong: WrongKeys::of(reader, &per_minute, &proxies).await, ..keys }
    }

    /// Reads the variable `api_keys`.
    ///
    /// # Errors
    /// Every rule that the text breaks, without its value.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let rule = r#"must be a JSON array of {"id","role","study","site","sha256"}"#;
        let entries: Vec<Entry> = variables::json(text, rule)?;
        let (mut keys, mut ids, mut faults) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for (index, entry) in entries.into_iter().enumerate() {
            let id = entry.id.as_str().as_bytes();
            if id.is_empty() || id.len() > LONGEST_ID || !id.iter().all(u8::is_ascii_graphic) {
                faults.push(format!("entry {index}: id must be 1 to {LONGEST_ID} characters of ASCII without blanks"));
            } else if !ids.insert(entry.id.clone()) {
                faults.push(format!("entry {index}: the id stands there twice; records name who acted by it"));
            }
            let is_scope = |name: &str| name == "*" || is_name(name);
            if !is_scope(entry.study.as_str()) || !is_scope(entry.site.as_str()) {
                faults.push(format!("entry {index}: study and site must be * for all, or names: each {NAME_RULE}"));
            }
            let Some(hash) = unhex(&entry.sha256) else {
                faults.push(format!("entry {index}: sha256 must be 64 hex digits"));
                continue;
            };
            if hash == digest(b"") {
                faults.push(format!("entry {index}: sha256 is that of an empty key"));
            }
            let grant = Grant { role: entry.role, study: entry.study, site: entry.site };
            let key = InForce { key_id: entry.id, grant, expires_ms: None, person: None, authenticated: None };
            if keys.insert(hash, Principal::from(key)).is_some() {
                faults.push(format!("entry {index}: the key stands there twice"));
            }
        }
        if faults.is_empty() { Ok(Keys { fixed: keys, ..Keys::default() }) } else { Err(faults) }
    }

    /// Returns the holder of the key in a request's header `Authorization`, if its role covers the action.
    ///
    /// # Errors
    /// 401 without a valid key, 403 when its role does not cover the action, 429 after too many wrong ones, 503 when Redis is
    /// needed and unavailable.
    pub async fn admit(&self, redis: &Redis, incoming: &Incoming, action: Action) -> Result<Principal, Problem> {
        let hashed = hashed(incoming.sole("authorization"));
        let is_session = hashed.is_some_and(|(secret, _)| sessions::is_secret(secret));
        let kind = if is_session { SESSION } else { KEY };
        let refused = |problem: Problem, key: Option<&KeyId>| {
            refusal_log::write(redis, "key-refused", key, problem.kind().as_str());
            problem
        };
        if let Some((secret, _)) = hashed {
            let checked = self.wrong.check(redis, kind, secret, || self.wrong.sender(incoming)).await;
            checked.map_err(|problem| refused(problem, None))?;
        }
        let found = match hashed {
            Some((secret, hash)) if is_session || keys::is_secret(secret) && !self.fixed.contains_key(&hash) => {
                self.look(redis, hash, is_session).await?
            }
            _ => None,
        };
        let decided = self.decide(hashed.map(|(_, hash)| hash), found, action);
        if let (Err(Refused::Unknown), Some((secret, _))) = (&decided, hashed) {
            let counted = self.wrong.count(redis, kind, secret, self.wrong.sender(incoming)).await;
            counted.map_err(|problem| refused(problem, None))?;
        }
        decided.map_err(|why| {
            let (problem, key) = match why {
                Refused::Missing => {
                    (Problem::new(ProblemType::Unauthenticated, "send the header Authorization: Bearer <key>"), None)
                }
                Refused::Unknown if is_session => (Problem::new(ProblemType::Unauthenticated, SESSION_ENDED), None),
                Refused::Unknown => (Problem::new(ProblemType::Unauthenticated, "the key is not known"), None),
                Refused::Expired(id) => {
                    let detail = if is_session { SESSION_ENDED } else { "the key has expired" };
                    (Problem::new(ProblemType::Unauthenticated, detail), Some(id))
                }
                Refused::Forbidden(id) => (Problem::new(ProblemType::Forbidden, OTHER_ROLE), Some(id)),
            };
            refused(problem, key.as_ref())
        })
    }

    /// The key or session in force whose secret has this hash, as it was within the last second.
    async fn look(&self, redis: &Redis, hash: [u8; 32], is_session: bool) -> Result<Option<InForce>, Problem> {
        let now = Instant::now();
        let is_recent = |found: &Found| now.duration_since(found.at) < BELIEVED;
        let known = |found: &&Found| found.hash == hash && is_recent(found);
        if let Some(found) = self.found.borrow().iter().find(known) {
            return Ok(found.key.clone());
        }
        let find =
            async { if is_session { sessions::find(redis, &hash).await } else { keys::find(redis, &hash).await } };
        let key = match Deadline::after(LOOK).run(find).await {
            Ok(found) => found.map_err(|error| unavailable(&error))?,
            Err(TimedOut) => {
                redis.forget();
                return Err(Problem::new(ProblemType::Unavailable, "the key cannot be looked for"));
            }
        };
        let mut found = self.found.borrow_mut();
        found.retain(|found| found.hash != hash && is_recent(found));
        if found.len() < MOST_REMEMBERED {
            found.push(Found { hash, at: now, key: key.clone() });
        }
        Ok(key)
    }

    fn decide(&self, hash: Option<[u8; 32]>, found: Option<InForce>, action: Action) -> Result<Principal, Refused> {
        let hash = hash.ok_or(Refused::Missing)?;
        if let Some(key) = found.as_ref().filter(|key| key.has_expired(clock::now())) {
            return Err(Refused::Expired(key.key_id.clone()));
        }
        let fixed = self.fixed.get(&hash).cloned();
        let principal = fixed.or(found.map(Principal::from)).ok_or(Refused::Unknown)?;
        if principal.may(action) { Ok(principal) } else { Err(Refused::Forbidden(principal.id)) }
    }
}

/// The key in an `Authorization` header, with its hash.
fn hashed(authorization: Option<&str>) -> Option<(&str, [u8; 32])> {
    let (scheme, key) = authorization?.split_once(' ')?;
    // RFC 9110, section 11.4: spaces, and then characters of ASCII that can be seen.
    let key = key.trim_matches(' ');
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_key).then(|| (key, digest(key.as_bytes())))
}

/// Why a request is not admitted.
#[derive(Debug)]
enum Refused {
    /// It has no key.
    Missing,
    /// Nobody has its key.
    Unknown,
    /// The time of its key has passed.
    Expired(KeyId),
    /// The role of its key does not cover the action.
    Forbidden(KeyId),
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::digest::hex;

    fn keys() -> Keys {
        let hash = hex(&digest(b"secret"));
        let text = format!(r#"[{{"id":"k","role":"submit","study":"A","site":"*","sha256":"{hash}"}}]"#);
        Keys::read(&text).unwrap()
    }

    fn check(authorization: Option<&str>, action: Action, expected: Option<ProblemType>) {
        let keys = keys();
        let hash = hashed(authorization).map(|(_, hash)| hash);
        let found = keys.decide(hash, None, action).err().map(|refused| match refused {
            Refused::Missing | Refused::Unknown | Refused::Expired(_) => ProblemType::Unauthenticated,
            Refused::Forbidden(_) => ProblemType::Forbidden,
        });
        assert_eq!(found, expected, "{authorization:?} {action:?}");
    }

    #[test]
    fn a_key_opens_what_its_role_covers() {
        check(Some("Bearer secret"), Action::Submit, None);
        check(Some("bearer secret"), Action::Follow, None);
        check(Some("Bearer secret"), Action::Read, Some(ProblemType::Forbidden));
        check(Some("Bearer secret"), Action::Operate, Some(ProblemType::Forbidden));
        check(Some("Bearer   secret "), Action::Submit, None);
        let nobody = ["secret", "Basic secret", "Bearer Secret", "Bearer ", "", "Bearer", "Bearer\u{a0}secret"];
        let blank =
            ["Bearer \u{a0}secret", "Bearer secret\u{3000}", "Bearer \tsecret", "Bearer se cret", "Bearer \u{200b}"];
        for nobody in nobody.into_iter().chain(blank).map(Some).chain([None]) {
            check(nobody, Action::Submit, Some(ProblemType::Unauthenticated));
        }
    }

    #[test]
    fn who_may_do_what_is_as_it_is_written_down() {
        // In the order of the actions; docs/api.md has the same table in words.
        let table = [
            (Role::Submit, "submit follow"),
            (Role::Read, "follow read measure"),
            (Role::Clinician, "follow read attend silence identify treat export"),
            (Role::Coordinator, "submit follow"),
            (Role::Operator, "follow measure operate"),
            (Role::Auditor, "follow measure audit"),
            (Role::Admin, "submit follow read attend silence measure export audit erase link operate configure grant"),
        ];
        for (role, expected) in table {
            let may: Vec<String> = Action::ALL
                .into_iter()
                .filter(|action| action.is_of(role))
                .map(|action| format!("{action:?}").to_lowercase())
                .collect();
            assert_eq!(may.join(" "), expected, "{role:?}");
        }
    }

    #[test]
    fn a_key_sees_only_its_study_and_site() {
        let keys = keys();
        let principal = keys.decide(Some(digest(b"secret")), None, Action::Submit).unwrap();
        assert!(
            principal.covers(&"A".into(), &"1".into())
                && !principal.covers(&"B".into(), &"1".into())
                && !principal.covers(&"".into(), &"".into())
        );
    }

    #[test]
    fn faults_of_the_variable_are_told_together_and_without_values() {
        let text = r#"[{"id":"a","role":"read","study":"*","site":"*","sha256":"zz"},
                       {"id":"b","role":"read","study":"*","site":"*","sha256":"topsecret"}]"#;
        let faults = Keys::read(text).err().unwrap();
        assert_eq!(faults.len(), 2);
        assert!(!faults.join(" ").contains("topsecret"));
        let hash = |key: &[u8]| hex(&digest(key));
        let entry = |id: &str, study: &str, hash: &str| {
            format!(r#"{{"id":"{id}","role":"read","study":"{study}","site":"*","sha256":"{hash}"}}"#)
        };
        let all = [
            entry("a", "*", &hash(b"1")),
            entry("a", "*", &hash(b"2")),
            entry("", "*", &hash(b"3")),
            entry("a b", "*", &hash(b"4")),
            entry("c", "", &hash(b"5")),
            entry("d", "*", &hash(b"")),
            entry("e", "*", &hash(b"1")),
        ];
        let faults = Keys::read(&format!("[{}]", all.join(","))).err().unwrap();
        let entries: Vec<&str> = faults.iter().filter_map(|fault| fault.get(..7)).collect();
        assert_eq!(entries, ["entry 1", "entry 2", "entry 3", "entry 4", "entry 5", "entry 6"], "{faults:?}");
        assert!(Keys::read("{}").is_err() && Keys::read(r#"[{"id":"a","role":"king"}]"#).is_err());
    }
}
