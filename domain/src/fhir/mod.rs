//! FHIR R4: a `QuestionnaireResponse` as the document it stands for, instruments as `Questionnaire`, scores as
//! `Observation`.
//!
//! Guarantee: nothing of a resource is guessed. An answer counts what the instrument's own option counts; a weight or a
//! total that the resource carries is compared or left aside, never taken over. What is not understood and could change
//! the meaning (a modifier extension, an unknown member, an unknown item with an answer) is a finding.
//!
//! Works on JSON values: of the resources only the few members that matter here are known by name. Depth is bounded
//! ([`response::DEEPEST`]), and so are the findings and the work: every item is looked at once.
//!
//! FHIR has no place for study and site of a response. They are the extensions [`STUDY`] and [`SITE`], each with a
//! `valueString`, or `valueId`, or `valueCode`.

mod codes;
pub mod import;
pub mod observation;
pub mod outcome;
pub mod questionnaire;
pub mod response;

use serde_json::{Value, json};

/// Extension of a `QuestionnaireResponse`: the study.
pub const STUDY: &str = "urn:vigil:study";
/// Extension of a `QuestionnaireResponse`: the site.
pub const SITE: &str = "urn:vigil:site";
/// Extension of a `QuestionnaireResponse` with the status `amended`: the submission that it takes the place of, a
/// `valueReference` to `QuestionnaireResponse/{id}` or the id as `valueString`; the id is the one Vigil gave.
pub const AMENDS: &str = "urn:vigil:amends";
/// Extension of a `QuestionnaireResponse` that amends another: why, a word as `valueString` or `valueCode`.
pub const AMENDS_REASON: &str = "urn:vigil:amends-reason";
/// What an answer counts; the older name is [`ORDINAL_VALUE`].
pub const ITEM_WEIGHT: &str = "http://hl7.org/fhir/StructureDefinition/itemWeight";
/// What an answer counts, as FHIR R4 names it.
pub const ORDINAL_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
/// The code system LOINC.
pub const LOINC: &str = "http://loinc.org";

/// The code system of an answer code: LOINC for its answer codes (`LA6568-5`), else the instrument's own.
fn answer_system(instrument: &str, code: &str) -> alloc::string::String {
    match code.strip_prefix("LA").is_some_and(codes::is_loinc) {
        true => LOINC.into(),
        false => alloc::format!("urn:vigil:answers:{instrument}"),
    }
}

/// A figure as JSON: whole ones without a fraction, so that 1 is written in one way.
fn figure(x: f64) -> Value {
    // Within 2^53 every whole double is an integer; `as` saturates beyond.
    if x.abs() < 9_007_199_254_740_992.0 && crate::instrument::range::is_whole(x) {
        return Value::from(x as i64);
    }
    json!(x)
}
