//! FHIR R4: translates a `QuestionnaireResponse` into the document of a response, and publishes instruments as
//! `Questionnaire`, stored responses as `QuestionnaireResponse` and scores as `Observation`.
//!
//! Guarantee: nothing in a resource is guessed. An answer counts the weight of the instrument's own option. A weight or
//! a total in the resource is compared or ignored, never used. Anything unknown that could change the meaning (a
//! modifier extension, an unknown member, an unknown item with an answer) is a finding.
//!
//! Mechanism: works on JSON values and reads only the few members that matter. Nesting depth ([`response::DEEPEST`]),
//! findings and work are bounded: every item is visited once.
//!
//! FHIR has no member for the study and the site of a response. Vigil uses the extensions [`STUDY`] and [`SITE`], each
//! with a `valueString`, a `valueId` or a `valueCode`.

pub mod answered;
pub mod capability;
mod codes;
pub mod import;
pub mod observation;
pub mod outcome;
pub mod questionnaire;
pub mod response;
pub mod search;
mod weights;

/// Extension of a `QuestionnaireResponse`: the study.
pub const STUDY: &str = "urn:vigil:study";
/// Extension of a `QuestionnaireResponse`: the site.
pub const SITE: &str = "urn:vigil:site";
/// Extension of a `QuestionnaireResponse` with the status `amended`: the submission that it replaces. It is a
/// `valueReference` to `QuestionnaireResponse/{id}`, or the id as `valueString`; Vigil gave the id.
pub const AMENDS: &str = "urn:vigil:amends";
/// Extension of an amending `QuestionnaireResponse`: the reason, one word as `valueString` or `valueCode`.
pub const AMENDS_REASON: &str = "urn:vigil:amends-reason";
/// Extension: the weight of an answer. The older name is [`ORDINAL_VALUE`].
pub const ITEM_WEIGHT: &str = "http://hl7.org/fhir/StructureDefinition/itemWeight";
/// Extension: the weight of an answer, under its FHIR R4 name.
pub const ORDINAL_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
/// Extension of an option of a `Questionnaire`, `"valueBoolean": true`: it stands for a missing answer and has no weight.
pub const MISSING: &str = "urn:vigil:missing";
/// The code system LOINC.
pub const LOINC: &str = "http://loinc.org";

/// The code system of an answer code: LOINC for its answer codes (`LA6568-5`), else the instrument's own.
fn answer_system(instrument: &str, code: &str) -> alloc::string::String {
    match code.strip_prefix("LA").is_some_and(codes::is_loinc) {
        true => LOINC.into(),
        false => alloc::format!("urn:vigil:answers:{instrument}"),
    }
}
