//! Translates a `QuestionnaireResponse` into the document of `POST /v1/surveys/{instrument}/responses`.
//!
//! Guarantee: [`Response::translate`] gives a document and the place in the resource of each of its members. The rules
//! of the envelope then check the document. All findings of both steps are reported together and point into the
//! resource.
//!
//! | resource | document |
//! |---|---|
//! | `questionnaire` | the instrument: the canonical ends in its id or LOINC code; `instrumentVersion` after `\|` |
//! | `identifier.value`, else `id` | `responseId`, within `identifier.system` |
//! | extensions [`STUDY`] and [`SITE`], else the key's own | `studyId`, `siteId` |
//! | `subject`, `Patient/{id}` or an identifier | `patientId`, within the reference's address or `identifier.system` |
//! | `authored` | `authoredAt` |
//! | [`AMENDS`](super::AMENDS), [`AMENDS_REASON`](super::AMENDS_REASON), with the status `amended` | `amends` |
//! | `item`, at any nesting depth | `answers` |
//!
//! `author` and `source` are checked and not kept: they can name people, and no rule needs them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::codes::{self, Form};
use super::{SITE, STUDY};
use crate::canonical::nfc;
use crate::patient_systems::PatientSystems;
use crate::reading::{At, Faults};
use crate::url::decode;
use crate::{Code, Finding, Instrument};

mod amends;
mod answers;
mod named;

/// The maximum nesting depth of items.
pub const DEEPEST: usize = 16;
/// The most findings reported for one resource. Reading stops there. Without this limit, the response to a body with a
/// hundred thousand faults would be a hundred times as large as the body.
pub const MOST_FINDINGS: usize = 1000;

/// The members of a `QuestionnaireResponse` in FHIR R4.
const MEMBERS: [&str; 20] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "basedOn",
    "partOf",
    "questionnaire",
    "status",
    "subject",
    "encounter",
    "authored",
    "author",
    "source",
    "item",
];

/// A resource, and the instrument that it names.
pub struct Response<'r> {
    resource: &'r Value,
    /// The fault, if the resource names no instrument.
    fault: Option<Finding>,
    selected: Option<Selected<'r>>,
}

/// The parts of the canonical.
#[derive(Clone, Copy)]
struct Selected<'r> {
    instrument: &'r str,
    /// The requested version of our definition.
    version: Option<&'r str>,
    form: Option<&'static Form>,
}

/// The sender's scope: the study and site of its key if the key has only one, and the systems that assign the sites'
/// own patient ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'s> {
    /// The study.
    pub study: Option<&'s str>,
    /// The site.
    pub site: Option<&'s str>,
    /// The systems; none if no site lists any.
    pub systems: Option<&'s PatientSystems>,
}

/// A document, the places of its members in the resource, and the findings of the translation.
pub struct Translation {
    document: Value,
    /// From pointers into the document to pointers into the resource.
    places: BTreeMap<String, String>,
    findings: Vec<Finding>,
    /// The system in which the patient's id is unique.
    pub patient_system: Option<String>,
    /// The system in which the response's id is unique.
    pub response_system: Option<String>,
}

impl<'r> Response<'r> {
    /// Finds the instrument in a resource.
    pub fn open(resource: &'r Value) -> Self {
        match select(resource) {
            Ok(selected) => Response { resource, fault: None, selected: Some(selected) },
            Err(fault) => Response { resource, fault: Some(fault), selected: None },
        }
    }

    /// The id of the instrument that the resource names. This does not check that the instrument exists.
    pub fn instrument(&self) -> Option<&'r str> {
        self.selected.map(|selected| selected.instrument)
    }

    /// The version of the instrument that the resource names.
    pub fn version(&self) -> Option<&'r str> {
        self.selected?.version
    }

    /// Translates the resource. `instrument` is the instrument that it names, if it exists.
    pub fn translate(self, instrument: Option<&Instrument>, scope: Scope<'_>) -> Translation {
        let mut reading = Reading::default();
        reading.faults.extend(self.fault);
        let root = At::root(self.resource);
        // For another resource type, that is the only finding. Missing members do not matter then.
        if self.resource.get("resourceType").is_some_and(|kind| kind == "QuestionnaireResponse") {
            if let Some(selected) = self.selected {
                reading.version(root, selected, instrument);
            }
            reading.envelope(root, scope);
            let form = self.selected.and_then(|selected| selected.form);
            let read = answers::read(&root, instrument, form, &mut reading.faults);
            reading.places.extend(read.places);
            reading.document.insert("answers".into(), Value::Object(read.answers));
        }
        Translation {
            document: Value::Object(reading.document),
            places: reading.places,
            findings: reading.faults,
            patient_system: reading.patient_system,
            response_system: reading.response_system,
        }
    }
}

impl Translation {
    /// Takes the document out. The second call gives `null`.
    pub fn take_document(&mut self) -> Value {
        self.document.take()
    }

    /// Joins the result of the document's own rules with the findings of the translation. Pointers go into the
    /// resource.
    ///
    /// # Errors
    /// All findings.
    pub fn settle<T>(&self, read: Result<T, Vec<Finding>>) -> Result<T, Vec<Finding>> {
        let mut findings = self.findings.clone();
        match read {
            Ok(read) if findings.is_empty() => return Ok(read),
            Ok(_) => {}
            Err(own) => findings.extend(own.into_iter().filter_map(|finding| self.placed(finding))),
        }
        if findings.len() > MOST_FINDINGS {
            findings.truncate(MOST_FINDINGS);
            findings.push(Finding::new("", Code::Range, "more is wrong than these findings tell"));
        }
        Err(findings)
    }

    /// The place in the resource from which a member of the document comes.
    pub fn place(&self, pointer: &str) -> Option<&str> {
        self.places.get(pointer).map(String::as_str)
    }

    fn placed(&self, finding: Finding) -> Option<Finding> {
        if let Some(place) = self.places.get(&finding.pointer) {
            // An answer that could not be read is not also reported as missing.
            let told = |known: &Finding| known.pointer.starts_with(place.as_str());
            if finding.code == Code::Required && self.findings.iter().any(told) {
                return None;
            }
            return Some(Finding { pointer: place.clone(), ..finding });
        }
        if let Some(item) = finding.pointer.strip_prefix("/answers/") {
            let detail = format!("item {item}: {}", finding.detail);
            return Some(Finding::new("/item", finding.code, detail));
        }
        // A member that could not be translated already has a finding.
        self.findings.is_empty().then(|| Finding { pointer: String::new(), ..finding })
    }
}

/// Selects the instrument that the resource answers.
fn select(resource: &Value) -> Result<Selected<'_>, Finding> {
    if !resource.is_object() {
        return Err(Finding::new("", Code::Type, "must be a JSON object"));
    }
    match resource.get("resourceType") {
        Some(Value::String(kind)) if kind == "QuestionnaireResponse" => {}
        None => return Err(Finding::new("/resourceType", Code::Required, "must be QuestionnaireResponse")),
        Some(_) => return Err(Finding::new("/resourceType", Code::Choice, "must be QuestionnaireResponse")),
    }
    let fault = |code, detail: &str| Err(Finding::new("/questionnaire", code, detail));
    let canonical = match resource.get("questionnaire") {
        None | Some(Value::Null) => return fault(Code::Required, "names the instrument, and is required"),
        Some(Value::String(canonical)) => canonical.as_str(),
        Some(_) => return fault(Code::Type, "must be a string"),
    };
    selected(canonical).ok_or_else(|| {
        Finding::new(
            "/questionnaire",
            Code::Format,
            "must be a canonical whose last segment is the id of an instrument",
        )
    })
}

/// The instrument that a canonical names; none if it names none.
fn selected(canonical: &str) -> Option<Selected<'_>> {
    let (url, version) = codes::versioned(canonical);
    if let Some(form) = Form::of(url) {
        return Some(Selected { instrument: form.instrument, version: None, form: Some(form) });
    }
    let last = url.rsplit(['/', ':']).next().unwrap_or_default();
    if last.is_empty() || url.contains('#') {
        return None;
    }
    // LOINC has its own version numbers.
    if let Some(instrument) = codes::instrument_of_panel(last) {
        return Some(Selected { instrument, version: None, form: None });
    }
    Some(Selected { instrument: last, version, form: None })
}

/// The instrument that a canonical names, and its version.
pub(super) fn instrument_named(canonical: &str) -> Option<(&str, Option<&str>)> {
    selected(canonical).map(|it| (it.instrument, it.version))
}

/// The envelope being put together.
#[derive(Default)]
struct Reading {
    document: Map<String, Value>,
    places: BTreeMap<String, String>,
    faults: Faults,
    patient_system: Option<String>,
    response_system: Option<String>,
}

impl Reading {
    fn version(&mut self, root: At<'_, '_>, selected: Selected<'_>, instrument: Option<&Instrument>) {
        let Some(at) = root.get("questionnaire") else { return };
        match (instrument, selected.version) {
            (None, _) => at.fault(&mut self.faults, Code::Choice, "there is no instrument of this canonical"),
            (Some(instrument), Some(version)) if version != instrument.version() => {
                let detail = format!("the version of this instrument is {}", instrument.version());
                at.fault(&mut self.faults, Code::Conflict, detail);
            }
            (Some(_), Some(version)) => {
                self.places.insert("/instrumentVersion".into(), "/questionnaire".into());
                self.document.insert("instrumentVersion".into(), version.into());
            }
            (Some(_), None) => {}
        }
    }

    fn envelope(&mut self, root: At<'_, '_>, scope: Scope<'_>) {
        known(&root, &MEMBERS, &mut self.faults);
        if let Some(at) = given(&root, "implicitRules") {
            at.fault(&mut self.faults, Code::Unknown, "rules that are not written here cannot be followed");
        }
        self.status(root);
        self.client_id(root);
        let extensions = given(&root, "extension");
        let extensions = extensions.as_ref().map(|at| at.list(&mut self.faults)).unwrap_or_default();
        self.place("studyId", STUDY, &extensions, scope.study);
        self.place("siteId", SITE, &extensions, scope.site);
        self.amends(root, &extensions);
        self.subject(root, scope.systems);
        for (name, kinds) in [("author", AUTHORS.as_slice()), ("source", SOURCES.as_slice())] {
            if let Some(at) = given(&root, name) {
                self.reference(at, kinds);
            }
        }
        match given(&root, "authored") {
            None => self.missing("/authored", "when it was answered is required"),
            Some(at) => self.put("authoredAt", at.value.clone(), at),
        }
    }

    /// Adds a member to the document and records its place in the resource.
    fn put(&mut self, member: &str, value: Value, at: At<'_, '_>) {
        self.document.insert(member.into(), value);
        self.places.insert(format!("/{member}"), at.pointer());
    }

    fn missing(&mut self, pointer: &str, detail: impl Into<String>) {
        self.faults.push(Finding::new(pointer, Code::Required, detail));
    }

    fn status(&mut self, root: At<'_, '_>) {
        let Some(at) = given(&root, "status") else {
            return self.missing("/status", "must be completed or amended");
        };
        let why = match at.value.as_str() {
            Some("completed" | "amended") => return,
            Some("in-progress") => "the response is still being answered: send it when it is completed or amended",
            Some("stopped") => "the response was given up before its end: only completed or amended ones are scored",
            Some("entered-in-error") => "the response was entered in error: only completed or amended ones are scored",
            _ => "must be completed or amended",
        };
        at.fault(&mut self.faults, Code::Choice, why);
    }

    /// The extension with this URL, which may occur only once.
    fn extension<'e, 'v, 'p>(&mut self, url: &str, extensions: &'e [At<'v, 'p>]) -> Option<&'e At<'v, 'p>> {
        let mut found = extensions.iter().filter(|at| at.value.get("url").and_then(Value::as_str) == Some(url));
        let first = found.next();
        for again in found {
            if full(&self.faults) {
                break;
            }
            again.fault(&mut self.faults, Code::Conflict, "this extension is there once");
        }
        first
    }

    /// Reads the study or the site from its extension, else from the key.
    fn place(&mut self, member: &str, url: &str, extensions: &[At<'_, '_>], own: Option<&str>) {
        if let Some(at) = self.extension(url, extensions) {
            match given_word(at) {
                None => at.fault(&mut self.faults, Code::Required, "needs a valueString"),
                Some(value) => self.put(member, value.value.clone(), value),
            }
            return;
        }
        match own {
            Some(own) => {
                self.document.insert(member.into(), own.into());
            }
            None => {
                let detail = format!("needs the extension {url}, because the key is not for one only");
                self.missing("/extension", detail);
            }
        }
    }

    /// Checks a reference to a resource of one of these `kinds`.
    fn reference(&mut self, at: At<'_, '_>, kinds: &[&str]) {
        if !at.value.is_object() {
            return at.fault(&mut self.faults, Code::Type, "must be a JSON object");
        }
        let rule = format!("must refer to {}", kinds.join(", "));
        if let Some(kind) = given(&at, "type")
            && !kind.value.as_str().is_some_and(|kind| kinds.contains(&kind))
        {
            kind.fault(&mut self.faults, Code::Choice, rule.as_str());
        }
        let Some(reference) = given(&at, "reference") else { return };
        match reference.value.as_str().map(type_and_id) {
            None => reference.fault(&mut self.faults, Code::Type, "must be a string"),
            Some(None) => reference.fault(&mut self.faults, Code::Format, "must be a reference Type/{id}"),
            Some(Some((kind, _))) if !kinds.contains(&kind.as_str()) => {
                reference.fault(&mut self.faults, Code::Choice, rule);
            }
            Some(Some(_)) => {}
        }
    }
}

const AUTHORS: [&str; 6] = ["Device", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization"];
const SOURCES: [&str; 4] = ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson"];

/// Type and id of a reference such as `Patient/1`, `https://host/fhir/Patient/1` or `Patient/1/_history/2`.
fn type_and_id(reference: &str) -> Option<(String, String)> {
    let (address, id) = address_and_id(reference)?;
    let kind = decode(address.rsplit('/').next()?)?;
    let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic());
    named.then_some((kind, id))
}

/// The address before the id of a reference, as it was written, and the id, decoded. The last segment of the address is
/// the type. Both are the same for all versions of a resource.
fn address_and_id(reference: &str) -> Option<(&str, String)> {
    let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
    if current.contains(['#', '?']) {
        return None;
    }
    let (address, id) = current.rsplit_once('/')?;
    let id = decode(id).filter(|id| !id.is_empty())?;
    Some((address, nfc(&id).into_owned()))
}

/// The member `key`, unless it is `null`.
fn given<'v, 's>(at: &'s At<'v, '_>, key: &'s str) -> Option<At<'v, 's>> {
    at.get(key).filter(|at| !at.value.is_null())
}

/// The value of an extension that holds one word.
fn given_word<'v, 's>(extension: &'s At<'v, '_>) -> Option<At<'v, 's>> {
    ["valueString", "valueId", "valueCode"].into_iter().find_map(|name| given(extension, name))
}

/// Whether the limit of findings is exceeded.
fn full(faults: &Faults) -> bool {
    faults.len() > MOST_FINDINGS
}

/// Whether this is an object; reports if not. It also reports members that could change the meaning: members that FHIR
/// R4 does not define here, and modifier extensions.
fn known(at: &At<'_, '_>, members: &[&str], faults: &mut Faults) -> bool {
    let Some(object) = at.value.as_object() else {
        at.fault(faults, Code::Type, "must be a JSON object");
        return false;
    };
    for key in object.keys() {
        if full(faults) {
            break;
        }
        if members.contains(&key.strip_prefix('_').unwrap_or(key)) {
            continue;
        }
        // A sender's text goes into a finding only if it can be the name of a member.
        let plain = key.len() <= 64 && key.bytes().all(|b| b.is_ascii_alphanumeric());
        let pointer = if plain { format!("{}/{key}", at.pointer()) } else { at.pointer() };
        faults.push(Finding::new(pointer, Code::Unknown, "is not a member that FHIR R4 names here"));
    }
    if let Some(modifier) = given(at, "modifierExtension") {
        modifier.fault(faults, Code::Unknown, "a modifier extension changes the meaning, and is not understood here");
    }
    true
}
