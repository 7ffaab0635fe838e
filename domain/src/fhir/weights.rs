//! The weights of a `Questionnaire`'s options, and the options that stand for a missing answer.
//!
//! Guarantee: a weight that cannot be read is a finding and never no weight. An option without a weight beside options
//! with weights stands for a missing answer only if it says so: by the extension [`MISSING`], by a code of a code system
//! for absent data, or by one of a few words.

use alloc::string::String;

use serde_json::Value;

use super::{ITEM_WEIGHT, MISSING, ORDINAL_VALUE};
use crate::Code;
use crate::reading::{At, Faults};

/// The code systems whose codes all say why there is no answer.
const ABSENT: [&str; 2] =
    ["http://terminology.hl7.org/CodeSystem/data-absent-reason", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"];

/// Codes and labels that mean that there is no answer: their letters, in lower case. Sorted.
const WORDS: [&str; 20] = [
    "askeddeclined",
    "askedunknown",
    "declined",
    "declinedtoanswer",
    "doesnotapply",
    "donotknow",
    "dontknow",
    "missing",
    "na",
    "noanswer",
    "notanswered",
    "notapplicable",
    "notasked",
    "prefernotanswer",
    "prefernottoanswer",
    "prefernottosay",
    "refused",
    "skipped",
    "unanswered",
    "unknown",
];

/// A weight that cannot be read; a finding says why.
pub(super) struct Unreadable;

/// Reads the weight at these places: an option and its value. They may repeat it.
pub(super) fn weight(places: &[&At<'_, '_>], faults: &mut Faults) -> Result<Option<f64>, Unreadable> {
    let (mut found, before) = (None, faults.len());
    for place in places {
        let Some(extensions) = place.get("extension") else { continue };
        for extension in extensions.list(faults) {
            let url = extension.value.get("url").and_then(Value::as_str);
            if !url.is_some_and(|url| [ITEM_WEIGHT, ORDINAL_VALUE].contains(&url)) {
                continue;
            }
            let value =
                ["valueDecimal", "valueInteger"].iter().find_map(|member| extension.value.get(*member)?.as_f64());
            let Some(value) = value.filter(|value| value.is_finite()) else {
                extension.fault(faults, Code::Type, "a weight is a number: valueDecimal or valueInteger");
                continue;
            };
            if found.replace(value).is_some_and(|other| other != value) {
                extension.fault(faults, Code::Conflict, "an option has one weight");
            }
        }
    }
    if faults.len() == before { Ok(found) } else { Err(Unreadable) }
}

/// Whether an option says that it stands for a missing answer.
pub(super) fn is_missing(option: &Value, coding: Option<&Value>) -> bool {
    let extensions = option.get("extension").and_then(Value::as_array);
    let mut extensions = extensions.into_iter().flatten();
    if let Some(said) = extensions.find(|extension| extension.get("url").is_some_and(|url| url == MISSING)) {
        return said.get("valueBoolean") == Some(&Value::Bool(true));
    }
    let text = |member: &str| coding.and_then(|coding| coding.get(member)).and_then(Value::as_str);
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let says = |member| text(member).is_some_and(|text| WORDS.binary_search(&letters(text).as_str()).is_ok());
    text("system").is_some_and(|system| ABSENT.contains(&system)) || says("code") || says("display")
}
