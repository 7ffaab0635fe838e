//! The identifiers in a resource: the patient and the response, each by an id within a system.
//!
//! Guarantee: the same id in two systems means two patients or responses. A reference is a URL, so an id in it that is
//! percent-encoded is the same as one that is not. A patient may be named twice, by a reference
//! and by an identifier. Then the site's own id wins, else the reference; two ids in one system are a finding.

use alloc::borrow::ToOwned;
use alloc::string::String;

use serde_json::Value;

use super::{Reading, address_and_id, given};
use crate::Code;
use crate::canonical::nfc;
use crate::patient_systems::{self, PatientSystems};
use crate::reading::At;

impl Reading {
    pub(super) fn client_id(&mut self, root: At<'_, '_>) {
        let identifier = given(&root, "identifier");
        if let Some(at) = identifier.filter(|at| !at.value.is_object()) {
            at.fault(&mut self.faults, Code::Type, "must be a JSON object");
        }
        if let Some(identifier) = &identifier
            && let Some(value) = given(identifier, "value")
        {
            self.put("responseId", value.value.clone(), value);
            self.response_system = self.system(identifier);
        } else if let Some(id) = given(&root, "id") {
            self.put("responseId", id.value.clone(), id);
        }
    }

    /// The system of an identifier; none if it has none. A system that cannot be told from others is a fault.
    fn system(&mut self, identifier: &At<'_, '_>) -> Option<String> {
        let at = given(identifier, "system")?;
        let system = at.value.as_str().and_then(patient_systems::system);
        if system.is_none() {
            let code = if at.value.is_string() { Code::Format } else { Code::Type };
            at.fault(&mut self.faults, code, patient_systems::RULE);
        }
        system
    }

    pub(super) fn subject(&mut self, root: At<'_, '_>, systems: Option<&PatientSystems>) {
        let Some(subject) = given(&root, "subject") else {
            return self.missing("/subject", "the patient is required: a reference Patient/{id}");
        };
        self.reference(subject, &["Patient"]);
        let (reference, identifier) = (given(&subject, "reference"), given(&subject, "identifier"));
        if let Some(at) = identifier.filter(|at| !at.value.is_object()) {
            return at.fault(&mut self.faults, Code::Type, "must be a JSON object");
        }
        let value = identifier.as_ref().and_then(|identifier| given(identifier, "value"));
        let system = match (&identifier, &value) {
            (Some(identifier), Some(_)) => self.system(identifier).and_then(|system| self.foreign(system, systems)),
            _ => None,
        };
        let Some(at) = reference else {
            match value {
                Some(at) => self.patient(system, at.value.clone(), at),
                None => subject.fault(&mut self.faults, Code::Required, "needs a reference Patient/{id}"),
            }
            return;
        };
        // Other faults of the reference are already reported.
        let Some((address, id)) = at.value.as_str().and_then(address_and_id) else { return };
        let referred = match address.contains('/') {
            false => None,
            true => match patient_systems::system(address).filter(|system| system.contains("://")) {
                Some(system) => self.foreign(system, systems),
                None => return at.fault(&mut self.faults, Code::Format, "must be Patient/{id}, alone or after a URL"),
            },
        };
        match value {
            Some(other) if referred == system && other.value.as_str().is_none_or(|other| nfc(other) != id) => {
                let detail = "names another patient than the reference, in the same system";
                other.fault(&mut self.faults, Code::Conflict, detail);
            }
            Some(own) if referred.is_some() && system.is_none() => self.patient(system, own.value.clone(), own),
            _ => self.patient(referred, id.into(), at),
        }
    }

    fn patient(&mut self, system: Option<String>, id: Value, at: At<'_, '_>) {
        self.patient_system = system;
        self.put("patientId", id, at);
    }

    /// The system, unless it assigns the site's own patient ids. The system of a reference ends in `/Patient`; a site
    /// may list it without that.
    fn foreign(&self, system: String, systems: Option<&PatientSystems>) -> Option<String> {
        let word = |member| self.document.get(member).and_then(Value::as_str);
        if let (Some(systems), Some(study), Some(site)) = (systems, word("studyId"), word("siteId")) {
            let base = system.strip_suffix("/Patient").map(ToOwned::to_owned);
            let is_own = |system: &String| systems.is_own(&study.into(), &site.into(), system);
            if is_own(&system) || base.as_ref().is_some_and(is_own) {
                return None;
            }
        }
        Some(system)
    }
}
