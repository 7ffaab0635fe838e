//! Access: roles, grants, and the configuration document `access`, which gives grants to persons and says in which studies
//! the reads of programs are not recorded.
//!
//! ```json
//! {"grants": [{"issuer": "https://login.example", "group": "ward-3", "role": "clinician", "study": "S-1", "site": "7"},
//!             {"issuer": "https://login.example", "subject": "248289761001", "role": "admin", "study": "*", "site": "*"}],
//!  "services": {"unrecordedIn": ["S-1"]}}
//! ```
//!
//! An identity provider says who a person is and to which groups they belong; this document says what that is worth here.
//! It also names the programs that sign who they are ([`Client`]).
//!
//! Guarantee: a person has the grants that name their group or their own id at the very provider that vouches for them, and
//! no others. A client has its own grant.

mod client;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::Code;
use crate::ids::{NAME_RULE, SiteId, StudyId, is_name};
use crate::reading::{At, Faults};
use crate::{Finding, url};
pub use client::{Client, ClientKeys};

/// The most grants, and the most studies.
const MOST: usize = 1000;
/// The longest name of a group, and id of a person, bytes. OpenID Connect Core, section 2, bounds `sub` by 255.
const LONGEST: usize = 255;

/// A set of actions that the holder of a key, or a person, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Role {
    /// A program that sends submissions and follows their state.
    Submit,
    /// A program or a person that reads results.
    Read,
    /// Sees and acts on the alerts and the patients of a site, and silences alerts there.
    Clinician,
    /// Sends the reports of a site's patients, alone and in batches, and follows their state.
    Coordinator,
    /// Looks after receivers, dead letters and the workers. Sees no reports of patients.
    Operator,
    /// Reads the audit trail: every action and its actor. Changes nothing.
    Auditor,
    /// Does everything that does not concern a single patient's identity.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 7] =
        [Role::Submit, Role::Read, Role::Clinician, Role::Coordinator, Role::Operator, Role::Auditor, Role::Admin];

    /// The role of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Submit => "submit",
            Role::Read => "read",
            Role::Clinician => "clinician",
            Role::Coordinator => "coordinator",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }
}

/// A role within a study and a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The study that it covers, `*` for all.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::NameOrAll"))]
    pub study: StudyId,
    /// The site that it covers, `*` for all.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::NameOrAll"))]
    pub site: SiteId,
}

impl Grant {
    /// Whether it covers this study and site.
    pub fn covers(&self, study: &StudyId, site: &SiteId) -> bool {
        let one = |own: &str, asked: &str| own == "*" || own == asked;
        one(self.study.as_str(), study.as_str()) && one(self.site.as_str(), site.as_str())
    }

    /// Whether it covers every study and site.
    pub fn covers_all(&self) -> bool {
        self.study == "*" && self.site == "*"
    }
}

/// A person, as an identity provider knows them; or a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// The address of the identity provider.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
    /// The person's name when they signed in.
    pub name: String,
}

/// The issuer of clients. No identity provider has it, because it is no address.
const CLIENTS: &str = "client";

impl Person {
    /// A client, as records name it.
    pub fn of_client(client: &Client) -> Self {
        let name = client.label.as_ref().unwrap_or(&client.id).clone();
        Person { issuer: CLIENTS.to_owned(), subject: client.id.clone(), name }
    }

    /// Whether it is a client: a program, and no person.
    pub fn is_client(&self) -> bool {
        self.issuer == CLIENTS
    }

    /// Whether it is the same person, whatever the name.
    pub fn is(&self, other: &Person) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }
}

/// The persons that a grant names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    Group(String),
    Subject(String),
}

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    grants: Vec<(String, Whom, Grant)>,
    audience: Option<String>,
    clients: Vec<Client>,
    /// The studies in which the reads of services, which have keys, are not recorded.
    pub unrecorded: Vec<StudyId>,
}

impl Access {
    /// Reads the document.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read(document: &Value) -> Result<Self, Vec<Finding>> {
        let (at, mut faults, mut access) = (At::root(document), Faults::new(), Access::default());
        at.object(&mut faults, &["grants", "audience", "clients", "services", "note"]);
        if let Some(services) = at.get("services") {
            access.unrecorded = unrecorded(&services, &mut faults);
        }
        let Some(grants) = at.get("grants") else {
            at.fault(&mut faults, Code::Required, "grants is missing");
            return Err(faults);
        };
        let list = grants.list(&mut faults);
        if list.len() > MOST {
            grants.fault(&mut faults, Code::Range, format!("has at most {MOST} grants"));
        }
        for one in list {
            if let Some(grant) = grant(&one, &mut faults) {
                if access.grants.contains(&grant) {
                    one.fault(&mut faults, Code::Conflict, "is there twice");
                }
                access.grants.push(grant);
            }
        }
        let is_address = |text: &str| url::Url::parse(text).is_ok();
        let rule = "must be the address of this installation's sessions";
        access.audience = line(&at, &mut faults, "audience", rule, &is_address).map(str::to_owned);
        let clients = at.get("clients");
        let list = clients.as_ref().map(|clients| clients.list_within(client::MOST, &mut faults)).unwrap_or_default();
        if !list.is_empty() && at.get("audience").is_none() {
            at.fault(&mut faults, Code::Required, "audience is missing, which assertions of clients must name");
        }
        for one in list {
            if let Some(client) = client::read(&one, &mut faults) {
                if access.client(&client.id).is_some() {
                    one.fault(&mut faults, Code::Conflict, "has the clientId of another one");
                }
                access.clients.push(client);
            }
        }
        if faults.is_empty() { Ok(access) } else { Err(faults) }
    }

    /// The grants of a person: `issuer` is the provider that vouches for them, `subject` their id there. In the order of the
    /// document, each once.
    pub fn grants(&self, issuer: &str, subject: &str, groups: &[String]) -> Vec<Grant> {
        if issuer == CLIENTS {
            return self.client(subject).map(|client| client.grant.clone()).into_iter().collect();
        }
        let mut found: Vec<Grant> = Vec::new();
        for (own, whom, grant) in &self.grants {
            let is_named = match whom {
                Whom::Group(group) => groups.contains(group),
                Whom::Subject(named) => named == subject,
            };
            if own == issuer && is_named && !found.contains(grant) {
                found.push(grant.clone());
            }
        }
        found
    }

    /// The client of this id.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The audience that assertions of clients must name.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }
}

/// A member that is a text of a form, which `rule` tells.
fn line<'a>(
    at: &At<'a, '_>,
    faults: &mut Faults,
    name: &'static str,
    rule: &str,
    fits: &dyn Fn(&str) -> bool,
) -> Option<&'a str> {
    let found = at.get(name)?;
    let text = found.value.as_str().filter(|text| fits(text));
    if text.is_none() {
        found.fault(faults, Code::Format, rule);
    }
    text
}

/// The members `role`, `study` and `site`.
fn scoped(at: &At<'_, '_>, faults: &mut Faults) -> Option<Grant> {
    let roles = format!("must be one of {}", Role::ALL.map(Role::as_str).join(", "));
    let role = line(at, faults, "role", &roles, &|text| Role::parse(text).is_some());
    let scope = format!("must be * for all, or a name: {NAME_RULE}");
    let is_scope = |text: &str| text == "*" || is_name(text);
    let (study, site) = (line(at, faults, "study", &scope, &is_scope), line(at, faults, "site", &scope, &is_scope));
    for name in ["role", "study", "site"] {
        if at.get(name).is_none() {
            at.fault(faults, Code::Required, format!("{name} is missing"));
        }
    }
    Some(Grant { role: Role::parse(role?)?, study: study?.into(), site: site?.into() })
}

/// The studies of the section `services`.
fn unrecorded(services: &At<'_, '_>, faults: &mut Faults) -> Vec<StudyId> {
    services.object(faults, &["unrecordedIn"]);
    let Some(studies) = services.get("unrecordedIn") else {
        services.fault(faults, Code::Required, "unrecordedIn is missing");
        return Vec::new();
    };
    let list = studies.list(faults);
    if list.len() > MOST {
        studies.fault(faults, Code::Range, format!("has at most {MOST} studies"));
    }
    let mut found: Vec<StudyId> = Vec::new();
    for one in list {
        match one.value.as_str().filter(|study| is_name(study)) {
            None => one.fault(faults, Code::Format, format!("must be a study: {NAME_RULE}")),
            Some(study) if found.iter().any(|it| *it == study) => one.fault(faults, Code::Conflict, "is there twice"),
            Some(study) => found.push(study.into()),
        }
    }
    found
}

fn grant(at: &At<'_, '_>, faults: &mut Faults) -> Option<(String, Whom, Grant)> {
    let before = faults.len();
    at.object(faults, &["issuer", "group", "subject", "role", "study", "site"]);
    let is_line = |text: &str| (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    let rule = format!("must be one line of 1 to {LONGEST} bytes");
    let is_address = |text: &str| url::Url::parse(text).is_ok();
    let issuer = line(at, faults, "issuer", "must be the address of an identity provider", &is_address);
    let group = line(at, faults, "group", &rule, &is_line);
    let subject = line(at, faults, "subject", &rule, &is_line);
    if at.get("issuer").is_none() {
        at.fault(faults, Code::Required, "issuer is missing");
    }
    let grant = scoped(at, faults);
    if at.get("group").is_some() == at.get("subject").is_some() {
        at.fault(faults, Code::Required, "must name either a group or a subject");
    }
    if faults.len() > before {
        return None;
    }
    let group = group.map(|group| Whom::Group(group.to_owned()));
    let whom = group.or_else(|| subject.map(|subject| Whom::Subject(subject.to_owned())))?;
    Some((issuer?.to_owned(), whom, grant?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use serde_json::json;

    fn grant(role: Role, study: &str, site: &str) -> Grant {
        Grant { role, study: study.into(), site: site.into() }
    }

    #[test]
    fn a_person_has_the_grants_of_their_groups_and_their_own_at_their_provider_alone() {
        let (one, other) = ("https://one.example", "https://other.example");
        let access = Access::read(&json!({"grants": [
            {"issuer": one, "group": "ward", "role": "clinician", "study": "S", "site": "1"},
            {"issuer": other, "group": "ward", "role": "admin", "study": "*", "site": "*"},
            {"issuer": one, "subject": "7", "role": "read", "study": "S", "site": "*"},
            {"issuer": one, "group": "all", "role": "clinician", "study": "S", "site": "1"},
        ]}))
        .unwrap();
        let groups = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let clinician = grant(Role::Clinician, "S", "1");
        assert_eq!(access.grants(one, "8", &groups(&["ward", "all"])), vec![clinician.clone()]);
        assert_eq!(access.grants(one, "7", &groups(&["ward"])), vec![clinician, grant(Role::Read, "S", "*")]);
        assert_eq!(access.grants(other, "7", &groups(&["ward"])), vec![grant(Role::Admin, "*", "*")]);
        assert_eq!(access.grants("https://third.example", "7", &groups(&["ward"])), vec![]);
        assert_eq!(access.grants(one, "8", &groups(&["7"])), vec![], "a group is no subject");
    }

    #[test]
    fn every_fault_of_the_document_is_told() {
        let faults = |document: Value| {
            let mut found: Vec<String> =
                Access::read(&document).err().unwrap_or_default().into_iter().map(|it| it.pointer).collect();
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(faults(json!({"grants": []})), [""; 0]);
        assert_eq!(faults(json!({})), [""]);
        assert_eq!(faults(json!({"grants": [{}]})), ["/grants/0"]);
        let one =
            json!({"issuer": "nobody", "group": "", "subject": "7", "role": "king", "study": "a b", "site": 1, "x": 1});
        let places =
            ["", "/group", "/issuer", "/role", "/site", "/study", "/x"].map(|place| format!("/grants/0{place}"));
        assert_eq!(faults(json!({"grants": [one]})), places);
        let one = json!({"issuer": "https://a.example", "group": "g", "role": "read", "study": "*", "site": "*"});
        assert_eq!(faults(json!({"grants": [one, one]})), ["/grants/1"]);
        // Faults of both sections are told together.
        let of = |services: Value| faults(json!({"grants": [{}], "services": services}));
        assert_eq!(of(json!(1)), ["/grants/0", "/services"]);
        assert_eq!(of(json!({})), ["/grants/0", "/services"]);
        assert_eq!(of(json!({"unrecordedIn": "S", "x": 1})), ["/grants/0", "/services/unrecordedIn", "/services/x"]);
        let studies = json!({"unrecordedIn": ["S", "*", "S", 1, "a b"]});
        let places = [1, 2, 3, 4].map(|place| format!("/services/unrecordedIn/{place}"));
        assert_eq!(of(studies)[1..], places);
    }

    #[test]
    fn a_document_names_the_studies_in_which_services_are_not_recorded() {
        let unrecorded = |document: Value| Access::read(&document).unwrap().unrecorded;
        assert!(unrecorded(json!({"grants": []})).is_empty());
        let studies = [StudyId::from("S-1"), "T".into()];
        assert_eq!(unrecorded(json!({"grants": [], "services": {"unrecordedIn": ["S-1", "T"]}})), studies);
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), json!(role.as_str()));
        }
        assert_eq!(Role::parse("king"), None);
    }
}
