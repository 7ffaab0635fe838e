//! The differences between two versions of a study's document, each at its place, with what it will do.
//!
//! Guarantee: what differs is told, and nothing else. Entries of a list that have an id are compared with the entry of the
//! same id, wherever it stands; so the order of sites and instruments makes no difference.
//!
//! A place is a JSON pointer into the new version; of what is gone, into the old one.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::Value;

use crate::reading::pointer;

/// The most differences that are told; a study of which everything differs is told as a whole.
const MOST: usize = 500;

/// A difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its place.
    pub pointer: String,
    /// What is there now; none: nothing.
    pub old: Option<Value>,
    /// What will be there; none: nothing.
    pub new: Option<Value>,
    /// What it will do, in words.
    pub effect: String,
}

/// The differences of a new version to the old one, and how many there are; the first 500 are listed. Without an old
/// version, the study is new.
pub fn differences(old: Option<&Value>, new: &Value) -> (Vec<Difference>, usize) {
    let mut found = Found { list: Vec::new(), count: 0, path: Vec::new() };
    match old {
        Some(old) => found.compare(&mut String::new(), Some(old), Some(new)),
        None => found.add("", None, Some(new)),
    }
    (found.list, found.count)
}

struct Found<'v> {
    list: Vec<Difference>,
    count: usize,
    /// The names on the way, without numbers of lists; of an entry with an id, its id.
    path: Vec<&'v str>,
}

impl<'v> Found<'v> {
    fn add(&mut self, place: &str, old: Option<&'v Value>, new: Option<&'v Value>) {
        self.count += 1;
        if self.list.len() < MOST {
            let effect = effect(&self.path, old, new);
            self.list.push(Difference { pointer: place.to_owned(), old: old.cloned(), new: new.cloned(), effect });
        }
    }

    fn compare(&mut self, place: &mut String, old: Option<&'v Value>, new: Option<&'v Value>) {
        if old == new {
            return;
        }
        match (old, new) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                for (name, old) in before {
                    self.below(place, &pointer(name), name, Some(old), after.get(name));
                }
                for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                    self.below(place, &pointer(name), name, None, Some(new));
                }
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => match (by_id(before), by_id(after)) {
                (Some(before), Some(after)) => {
                    for (id, (index, old)) in &before {
                        let found = after.get(id);
                        let step = format!("/{}", found.map_or(*index, |(index, _)| *index));
                        self.below(place, &step, id, Some(old), found.map(|(_, new)| *new));
                    }
                    for (id, (index, new)) in after.iter().filter(|(id, _)| !before.contains_key(*id)) {
                        self.below(place, &format!("/{index}"), id, None, Some(new));
                    }
                }
                _ => self.add(place, old, new),
            },
            _ => self.add(place, old, new),
        }
    }

    fn below(&mut self, place: &mut String, step: &str, name: &'v str, old: Option<&'v Value>, new: Option<&'v Value>) {
        let length = place.len();
        place.push_str(step);
        self.path.push(name);
        self.compare(place, old, new);
        self.path.pop();
        place.truncate(length);
    }
}

/// The entries of a list with their places, by their ids, if all have one of their own.
fn by_id(list: &[Value]) -> Option<BTreeMap<&str, (usize, &Value)>> {
    let entries = list.iter().enumerate().map(|(index, one)| Some((one.get("id")?.as_str()?, (index, one))));
    entries.collect::<Option<BTreeMap<_, _>>>().filter(|entries| entries.len() == list.len())
}

/// What a difference will do.
fn effect(path: &[&str], old: Option<&Value>, new: Option<&Value>) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
    match *path {
        [] => "The study is new: from now on its document decides what is taken in for it.".into(),
        ["state"] => match text(new).as_str() {
            "draft" => "Submissions for the study are refused until it is live.".into(),
            "live" => "Submissions from the study's sites are taken in.".into(),
            "paused" => "Nobody is invited any more; submissions are still taken in.".into(),
            _ => "Submissions that are written from now on are refused; what was written before is taken in.".into(),
        },
        ["sites", id] if old.is_none() => format!("Submissions from the site {id} are taken in."),
        ["sites", id] => format!("Submissions from the site {id} are refused; what it sent stays."),
        ["sites", id, "state"] if text(new) == "closed" => {
            format!("Submissions from the site {id} that are written from now on are refused.")
        }
        ["sites", id, "state"] => format!("Submissions from the site {id} are taken in."),
        ["sites", id, "zone"] => format!("Local times at the site {id} follow another time zone."),
        ["instruments", id] if old.is_none() => format!("The study has the instrument {id}."),
        ["instruments", id] => format!("The study has the instrument {id} no more; responses to it stay."),
        ["instruments", id, ..] => {
            format!("Responses to {id} that name no version or parameters are scored by these from now on.")
        }
        ["alertRules", ..] => {
            if path.len() == 1 && new.is_none() {
                "New submissions are judged by the rules of the installation's document again.".into()
            } else {
                "New submissions are judged by these alert rules; earlier ones keep their alerts.".into()
            }
        }
        ["alertRoutes", ..] => "Alerts of the study are sent by these routes from now on.".into(),
        ["deidentification", ..] => {
            if path.len() == 1 && new.is_none() {
                "New documents are de-identified by the installation's document again.".into()
            } else {
                "New documents are de-identified by this; what is stored stays as it is.".into()
            }
        }
        ["patientSystems", ..] => "Patients of new FHIR resources are recognised by these systems.".into(),
        ["people", ..] => "Persons have these grants from their next sign-in.".into(),
        ["retention", ..] => "What is stored is erased, or kept, by this.".into(),
        ["schedule", ..] => "It is kept with the study; nothing is due by it yet.".into(),
        ["crisis", language, ..] => format!("Persons who read {language} are told this where they are in danger."),
        _ => "It is shown to people; nothing else follows from it.".into(),
    }
}
