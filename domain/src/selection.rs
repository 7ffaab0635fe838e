//! The scoring selection of a response: the version of the instrument, and the instrument's parameters.
//!
//! Guarantee: nothing is assumed. A parameter that the instrument does not have or does not allow is a finding. A
//! parameter that is not given stays unknown or has the default of the definition. Equal values are written in one way:
//! an age of 30 and an age of "30.0" are the same content.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use serde_json::Value;

use crate::{Code, Finding, Instrument, reading::pointer};

/// The member with the version.
const VERSION: &str = "instrumentVersion";
/// The member with the parameters.
const PARAMETERS: &str = "parameters";

/// A version and parameters, if they are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The version that the sender requests.
    pub version: Option<String>,
    /// Parameters by name, in canonical form, without defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Selection {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.version.is_none() && self.parameters.is_empty()
    }

    /// Takes version and parameters out of a document. `instrument` has the requested version, or the version in force
    /// if the requested one does not exist; none if the instrument is unknown.
    ///
    /// # Errors
    /// Every fault, with pointers from the document's root.
    pub fn take(document: &mut Value, instrument: Option<&Instrument>) -> Result<Selection, Vec<Finding>> {
        let Some(members) = document.as_object_mut() else { return Ok(Selection::default()) };
        let mut faults = Vec::new();
        let version = match members.remove(VERSION) {
            None | Some(Value::Null) => None,
            Some(Value::String(version)) => {
                if instrument.is_some_and(|instrument| instrument.version() != version) {
                    faults.push(Finding::new(pointer(VERSION), Code::Choice, "must be a version of this instrument"));
                }
                Some(version)
            }
            Some(_) => {
                faults.push(Finding::new(pointer(VERSION), Code::Type, "must be a string"));
                None
            }
        };
        let parameters = match members.remove(PARAMETERS) {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(given)) => {
                let given = given.into_iter().filter_map(|(name, value)| text(name, value, &mut faults)).collect();
                match instrument.map(|instrument| instrument.parameters(&given)) {
                    None => given,
                    Some(Ok(settled)) => {
                        let asked = settled.iter().filter(|(name, _)| given.contains_key(*name));
                        asked.map(|(name, value)| (name.to_string(), value.to_string())).collect()
                    }
                    Some(Err(found)) => {
                        let placed =
                            |fault: Finding| Finding { pointer: pointer(PARAMETERS) + &fault.pointer, ..fault };
                        faults.extend(found.into_iter().map(placed));
                        given
                    }
                }
            }
            Some(_) => {
                faults.push(Finding::new(pointer(PARAMETERS), Code::Type, "must be a JSON object"));
                BTreeMap::new()
            }
        };
        if faults.is_empty() { Ok(Selection { version, parameters }) } else { Err(faults) }
    }
}

/// The version that a document requests.
pub fn version(document: &Value) -> Option<&str> {
    document.get(VERSION)?.as_str()
}

/// A parameter in the form that the instrument accepts.
fn text(name: String, value: Value, faults: &mut Vec<Finding>) -> Option<(String, String)> {
    match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        Value::Number(number) => Some((name, number.to_string())),
        _ => {
            let place = format!("{}{}", pointer(PARAMETERS), pointer(&name));
            faults.push(Finding::new(place, Code::Type, "must be a string or a number"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library;
    use serde_json::json;

    fn instrument(id: &str) -> Instrument {
        Instrument::from_json(&library::definition(id).unwrap()).unwrap()
    }

    #[test]
    fn what_is_said_is_taken_out_in_one_form() {
        let dsu = instrument("eq-5d-5l-nice-dsu-map-to-3l-uk");
        for age in [json!(30), json!(30.0), json!("30"), json!("3e1")] {
            let mut document =
                json!({"answers": {}, "parameters": {"age": age, "sex": "F"}, "instrumentVersion": "1.0.0"});
            assert_eq!(version(&document), Some("1.0.0"));
            let selection = Selection::take(&mut document, Some(&dsu)).unwrap();
            let parameters = [("age".into(), "30".into()), ("sex".into(), "F".into())].into();
            assert_eq!(selection, Selection { version: Some("1.0.0".into()), parameters });
            assert_eq!(document, json!({"answers": {}}));
        }
        for said in [json!({}), json!({"parameters": {}}), json!({"parameters": null, "instrumentVersion": null})] {
            assert!(Selection::take(&mut said.clone(), Some(&dsu)).unwrap().is_empty(), "{said}");
        }
    }

    #[test]
    fn a_default_is_not_what_was_said() {
        let selection =
            Selection::take(&mut json!({"parameters": {"sex": "F"}}), Some(&instrument("audit-c"))).unwrap();
        assert_eq!(selection.parameters, [("sex".into(), "F".into())].into());
    }

    #[test]
    fn every_fault_is_told() {
        let check = |said: Value, id: &str, expected: &[(&str, Code)]| {
            let found = Selection::take(&mut said.clone(), Some(&instrument(id))).unwrap_err();
            let found: Vec<(&str, Code)> = found.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
            assert_eq!(found, expected, "{said}");
        };
        check(
            json!({"instrumentVersion": "9", "parameters": {"age": 17, "sex": "x", "a/b": "1", "z": []}}),
            "eq-5d-5l-nice-dsu-map-to-3l-uk",
            &[
                ("/instrumentVersion", Code::Choice),
                ("/parameters/z", Code::Type),
                ("/parameters/a~1b", Code::Unknown),
                ("/parameters/age", Code::Choice),
                ("/parameters/sex", Code::Choice),
            ],
        );
        check(
            json!({"instrumentVersion": 1, "parameters": "all"}),
            "eq-5d-5l",
            &[("/instrumentVersion", Code::Type), ("/parameters", Code::Type)],
        );
        check(json!({"parameters": {"valueSet": "all"}}), "phq-9", &[("/parameters/valueSet", Code::Unknown)]);
    }
}
