//! Reads which earlier submission a resource replaces.

use alloc::format;
use alloc::string::String;

use serde_json::{Map, Value};

use super::{Reading, given, given_word, type_and_id};
use crate::Code;
use crate::fhir::{AMENDS, AMENDS_REASON};
use crate::reading::At;

impl Reading {
    /// Reads the extensions. A resource may be `amended` without them: then the amended response was never sent to
    /// Vigil.
    pub(super) fn amends(&mut self, root: At<'_, '_>, extensions: &[At<'_, '_>]) {
        let reason = self.extension(AMENDS_REASON, extensions);
        let Some(at) = self.extension(AMENDS, extensions) else {
            if let Some(reason) = reason {
                reason.fault(
                    &mut self.faults,
                    Code::Conflict,
                    format!("gives a reason and needs the extension {AMENDS}"),
                );
            }
            return;
        };
        if let Some(status) = given(&root, "status").filter(|status| status.value == "completed") {
            status.fault(&mut self.faults, Code::Conflict, format!("must be amended with the extension {AMENDS}"));
        }
        let mut amends = Map::new();
        match (given(at, "valueReference"), given(at, "valueString")) {
            (Some(_), Some(_)) => at.fault(&mut self.faults, Code::Conflict, "has one value only"),
            (Some(reference), None) => self.amended(&reference, &mut amends),
            (None, Some(id)) => self.put_amends(&mut amends, "submissionId", id.value.clone(), id),
            (None, None) => at.fault(&mut self.faults, Code::Required, "needs a valueReference or a valueString"),
        }
        if let Some(reason) = reason {
            match given_word(reason) {
                Some(word) => self.put_amends(&mut amends, "reason", word.value.clone(), word),
                None => reason.fault(&mut self.faults, Code::Required, "needs a valueString"),
            }
        }
        self.put("amends", Value::Object(amends), *at);
        self.tell_versions_apart(root);
    }

    /// FHIR keeps the id of a resource when it changes. For Vigil, an amendment is a document of its own, so the
    /// version becomes part of its id.
    fn tell_versions_apart(&mut self, root: At<'_, '_>) {
        let version = root.value.pointer("/meta/versionId").and_then(Value::as_str);
        if let (Some(version), Some(Value::String(id))) = (version, self.document.get_mut("responseId")) {
            id.push_str("/_history/");
            id.push_str(version);
        }
    }

    fn amended(&mut self, reference: &At<'_, '_>, amends: &mut Map<String, Value>) {
        self.reference(*reference, &["QuestionnaireResponse"]);
        match given(reference, "reference") {
            None if reference.value.is_object() => {
                reference.fault(&mut self.faults, Code::Required, "needs a reference QuestionnaireResponse/{id}");
            }
            None => {}
            Some(at) => {
                // Other faults of the reference are already reported.
                if let Some((_, id)) = at.value.as_str().and_then(type_and_id) {
                    self.put_amends(amends, "submissionId", id.into(), at);
                }
            }
        }
    }

    fn put_amends(&mut self, amends: &mut Map<String, Value>, member: &str, value: Value, at: At<'_, '_>) {
        amends.insert(member.into(), value);
        self.places.insert(format!("/amends/{member}"), at.pointer());
    }
}
