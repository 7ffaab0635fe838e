//! The systems that assign a site's own patient ids: the configuration document `patient-systems`.
//!
//! ```json
//! {"studies": {"S-1": {"*": ["urn:oid:1.2.3"], "site-7": ["https://his.example/fhir/Patient"]}}}
//! ```
//!
//! A FHIR resource names a patient within a *system*: the `system` of an identifier, or the address before the id of a
//! reference. The same id in two systems means two patients. Documents in Vigil's own format send a bare `patientId`. A
//! site lists the systems that assign these ids; such a system means the same patients. `*` stands for every site of
//! the study without a list of its own.
//!
//! Guarantee: two systems are equal only if a URI makes no difference between them. Schemes and hosts are compared
//! without regard to case. A default port and slashes at the end are ignored. What is percent-encoded without need is
//! decoded. Paths are otherwise compared exactly.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::Finding;
use crate::canonical::nfc;
use crate::finding::Code;
use crate::ids::{self, SiteId, StudyId, is_deceptive, is_name};
use crate::reading::{At, Faults};
use crate::url;

/// The longest system, bytes.
const LONGEST: usize = 255;
/// Stands for every site of a study that has no list of its own.
const ANY: &str = "*";
/// The rule for a system.
pub const RULE: &str = "must be a URI of at most 255 bytes, without spaces and characters that cannot be seen";

/// The systems that assign the sites' own patient ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientSystems {
    studies: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl PatientSystems {
    /// Parses the document.
    ///
    /// # Errors
    /// All its faults, with pointers from its root.
    pub fn read(document: &Value) -> Result<Self, Vec<Finding>> {
        let (mut systems, mut faults) = (PatientSystems::default(), Faults::new());
        let root = At::root(document);
        root.object(&mut faults, &["studies"]);
        if let Some(studies) = root.get("studies") {
            for (study, at) in studies.members(&mut faults) {
                if !is_name(study) {
                    at.fault(&mut faults, Code::Format, ids::NAME_RULE);
                }
                let mut sites = BTreeMap::new();
                for (site, at) in at.members(&mut faults) {
                    if site != ANY && !is_name(site) {
                        let rule = "must be a site, or * for those without a list of their own";
                        at.fault(&mut faults, Code::Format, rule);
                    }
                    sites.insert(site.to_owned(), list(&at, &mut faults));
                }
                systems.studies.insert(study.to_owned(), sites);
            }
        }
        if faults.is_empty() { Ok(systems) } else { Err(faults) }
    }

    /// Whether a system, in the form that [`system`] gives, assigns a site's own patient ids.
    pub fn is_own(&self, study: &StudyId, site: &SiteId, system: &str) -> bool {
        let sites = self.studies.get(study.as_str());
        let own = sites.and_then(|sites| sites.get(site.as_str()).or_else(|| sites.get(ANY)));
        own.is_some_and(|own| own.contains(system))
    }
}

/// The systems of a list.
fn list(at: &At<'_, '_>, faults: &mut Faults) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for one in at.list(faults) {
        match one.value.as_str().map(system) {
            None => one.fault(faults, Code::Type, "must be a string"),
            Some(None) => one.fault(faults, Code::Format, RULE),
            Some(Some(system)) => {
                if !found.insert(system) {
                    one.fault(faults, Code::Conflict, "is there twice");
                }
            }
        }
    }
    found
}

/// The canonical form of a system, for comparison; none if it is not a URI.
pub fn system(text: &str) -> Option<String> {
    let text = url::normal(text)?;
    let text = &*nfc(&text);
    let fits = text.len() <= LONGEST && !text.chars().any(|c| c.is_whitespace() || is_deceptive(c));
    let (scheme, rest) = text.split_once(':').filter(|_| fits)?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    if let Some(rest) = rest.strip_prefix("//") {
        let rest = rest.trim_end_matches('/');
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let mut host = host.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => ":",
        };
        while let Some(short) = host.strip_suffix(port).or_else(|| host.strip_suffix(':')) {
            host.truncate(short.len());
        }
        return (!host.is_empty()).then(|| format!("{scheme}://{host}{path}"));
    }
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return None;
    }
    if scheme == "urn" {
        let (namespace, name) = rest.split_once(':')?;
        let namespace = namespace.to_ascii_lowercase();
        // The hexadecimal digits of a UUID are not case-sensitive.
        let name = if namespace == "uuid" { name.to_ascii_lowercase() } else { name.to_owned() };
        return (!name.is_empty()).then(|| format!("urn:{namespace}:{name}"));
    }
    Some(format!("{scheme}:{rest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_system_has_one_form() {
        for (written, expected) in [
            ("https://His.Example:443/fhir/Patient/", "https://his.example/fhir/Patient"),
            ("HTTP://his.example:80", "http://his.example"),
            ("https://his.example//", "https://his.example"),
            ("https://his.example:8443/a/B", "https://his.example:8443/a/B"),
            ("URN:OID:1.2.3", "urn:oid:1.2.3"),
            ("urn:uuid:0F0E", "urn:uuid:0f0e"),
            ("urn:MRZ:Ward", "urn:mrz:Ward"),
            ("tag:his.example,2026:mrn", "tag:his.example,2026:mrn"),
            ("https://his.example/M%C3%BCnchen/%50atient", "https://his.example/München/Patient"),
            ("https://his.example/Mu%cc%88nchen/%7ea%2fb", "https://his.example/München/~a%2Fb"),
            ("https://his.example/%fc%c3%28%20", "https://his.example/%FC%C3%28%20"),
        ] {
            assert_eq!(system(written).as_deref(), Some(expected), "{written}");
            assert_eq!(system(expected).as_deref(), Some(expected), "{written}");
        }
        let long = format!("https://{}", "x".repeat(LONGEST));
        for written in [
            "",
            "mrn",
            "1.2.3",
            "https://x/%",
            "https://x/%4",
            "https://x/%zz",
            "https://x/%e2%80%8b",
            ":x",
            "https://",
            "https:///x",
            "urn:",
            "urn:oid",
            "urn:oid:",
            "a b:c",
            "x:",
            &long,
        ] {
            assert_eq!(system(written), None, "{written}");
        }
        assert_ne!(system("https://a.example/x"), system("https://a.example/X"));
        assert_ne!(system("https://a.example/x"), system("http://a.example/x"));
    }

    #[test]
    fn a_site_has_its_own_list_or_that_of_all() {
        let document = json!({"studies": {"A": {"*": ["urn:oid:1"], "2": ["https://HIS.example/Patient/"], "3": []}}});
        let systems = PatientSystems::read(&document).unwrap();
        for (study, site, system, own) in [
            ("A", "1", "urn:oid:1", true),
            ("A", "2", "urn:oid:1", false),
            ("A", "2", "https://his.example/Patient", true),
            ("A", "3", "urn:oid:1", false),
            ("B", "1", "urn:oid:1", false),
        ] {
            assert_eq!(systems.is_own(&study.into(), &site.into(), system), own, "{study} {site} {system}");
        }
    }

    #[test]
    fn every_fault_of_the_document_is_told_at_its_place() {
        let found = |document: Value| {
            let faults = PatientSystems::read(&document).err().unwrap_or_default();
            faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({})), []);
        let document = json!({"sites": {}, "studies": {
            "a b": [], "A": {"1": ["mrn", 2, "urn:oid:1", "URN:oid:1"], "x y": "urn:oid:1"}}});
        let expected = [
            ("/sites", Code::Unknown),
            ("/studies/A/1/0", Code::Format),
            ("/studies/A/1/1", Code::Type),
            ("/studies/A/1/3", Code::Conflict),
            ("/studies/A/x y", Code::Format),
            ("/studies/A/x y", Code::Type),
            ("/studies/a b", Code::Format),
            ("/studies/a b", Code::Type),
        ];
        assert_eq!(found(document), expected.map(|(pointer, code)| (pointer.into(), code)));
        assert_eq!(found(json!([])), [("".into(), Code::Type)]);
        assert_eq!(found(json!({"studies": 1})), [("/studies".into(), Code::Type)]);
    }
}
