//! A study as one document: what it is called, whether it takes documents in, its sites, its instruments and its own
//! settings.
//!
//! ```json
//! {"title": "Sleep after surgery", "state": "live", "languages": ["en", "zh"],
//!  "sites": [{"id": "1", "title": "Harbour Clinic", "zone": "Europe/Berlin", "languages": ["en"]}],
//!  "instruments": [{"id": "phq-9"}],
//!  "alertRules": {"diary": {"add": []}}, "deidentification": {"shiftDays": 30},
//!  "crisis": {"en": "In an emergency call 112."}}
//! ```
//!
//! Guarantee: all faults of a document are told at once, each at its place. A section has the form that a study has in the
//! configuration document of the same name. What a study leaves out, the installation's documents decide.
//!
//! [`differences`] says what a new version changes. Which documents a study takes in, the door decides in one script.

mod differences;
mod sections;
mod sites;

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::ids::{InstrumentId, SiteId};
use crate::reading::{At, Faults};
use crate::retention::Retention;
use crate::{Code, Finding};

pub use differences::{Difference, differences};
pub use sections::{AWAITED, OWN, as_document};
pub use sites::{Place, Site};

/// The longest title of a study or a site, characters.
const LONGEST_TITLE: usize = 200;
/// The longest text for a crisis, characters.
const LONGEST_CRISIS: usize = 4000;
/// The most languages.
const MOST_LANGUAGES: usize = 50;
/// The most instruments.
const MOST_INSTRUMENTS: usize = 200;

/// The members of the document that are no section.
const MEMBERS: [&str; 6] = ["title", "state", "sites", "languages", "instruments", "crisis"];

/// How far a study has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is being prepared: nothing is taken in.
    Draft,
    /// It runs.
    Live,
    /// Nobody is invited; what comes is taken in.
    Paused,
    /// It is over: what was written before is taken in.
    Closed,
}

impl State {
    /// All states.
    pub const ALL: [State; 4] = [State::Draft, State::Live, State::Paused, State::Closed];

    /// Its name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Live => "live",
            State::Paused => "paused",
            State::Closed => "closed",
        }
    }

    /// The state of this name.
    pub fn parse(text: &str) -> Option<Self> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An instrument of a study: which version is meant where a response names none, and which parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The instrument.
    pub id: InstrumentId,
    /// The version; none: the one in force.
    pub version: Option<String>,
    /// Parameters by name.
    pub parameters: BTreeMap<String, String>,
}

/// A study's document, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its title.
    pub title: String,
    /// How far it has come.
    pub state: State,
    /// Its sites, in the order of the document.
    pub sites: Vec<Site>,
    /// Its languages.
    pub languages: Vec<String>,
    /// Its instruments.
    pub instruments: Vec<Chosen>,
    /// How long its data are kept; none: as the installation keeps them.
    pub retention: Option<Retention>,
    /// What a person in danger is told, by language.
    pub crisis: BTreeMap<String, String>,
}

impl Study {
    /// Reads a study's document.
    ///
    /// # Errors
    /// A finding for each fault.
    pub fn read(document: &Value) -> Result<Study, Vec<Finding>> {
        let (root, mut faults) = (At::root(document), Faults::new());
        let known = [MEMBERS.as_slice(), &sections::NAMES].concat();
        if !root.object(&mut faults, &known) {
            return Err(faults);
        }
        let title = root.need("title", &mut faults).and_then(|at| at.text_within(LONGEST_TITLE, &mut faults));
        let state = root.need("state", &mut faults);
        let state = state.and_then(|at| at.choice(&State::ALL.map(State::as_str), &mut faults));
        let languages = root.need("languages", &mut faults).map(|at| languages(&at, &mut faults)).unwrap_or_default();
        let sites = root.need("sites", &mut faults).map(|at| sites::read(&at, &languages, &mut faults));
        let instruments = root.need("instruments", &mut faults).map(|at| instruments(&at, &mut faults));
        let crisis = root.get("crisis").map(|at| crisis(&at, &languages, &mut faults)).unwrap_or_default();
        let retention = root.get("retention").and_then(|at| {
            let read = Retention::read(at.value);
            read.map_err(|found| sections::placed(found, &at.pointer(), &mut faults)).ok()
        });
        sections::check(&root, &mut faults);
        let study = Some(()).filter(|()| faults.is_empty()).and_then(|()| {
            let (title, state) = (title?.to_owned(), *State::ALL.get(state?)?);
            let languages = languages.into_iter().map(str::to_owned).collect();
            Some(Study { title, state, sites: sites?, languages, instruments: instruments?, retention, crisis })
        });
        study.ok_or(faults)
    }

    /// Its site of this id.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }
}

/// Whether a text is a language by BCP 47: a language, perhaps with a script and a region.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    parts.next().is_some_and(|first| (2..=3).contains(&first.len()) && letters(first) && first.to_lowercase() == first)
        && parts.clone().count() <= 3
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The languages of a list, each once.
fn languages<'v>(at: &At<'v, '_>, faults: &mut Faults) -> Vec<&'v str> {
    let mut found: Vec<&str> = Vec::new();
    if at.value.as_array().is_some_and(Vec::is_empty) {
        at.fault(faults, Code::Range, "must have at least one entry");
    }
    for one in at.list_within(MOST_LANGUAGES, faults) {
        let rule = "must be a language, such as en or zh-Hant";
        let Some(language) = one.form(rule, faults, |text| is_language(text).then_some(text)) else { continue };
        if found.contains(&language) {
            one.fault(faults, Code::Conflict, "is there twice");
            continue;
        }
        found.push(language);
    }
    found
}

fn instruments(at: &At<'_, '_>, faults: &mut Faults) -> Vec<Chosen> {
    let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
    for one in at.list_within(MOST_INSTRUMENTS, faults) {
        if !one.object(faults, &["id", "version", "parameters"]) {
            continue;
        }
        let id = one.need("id", faults).and_then(|at| {
            let id = at.form(crate::ids::NAME_RULE, faults, InstrumentId::parse)?;
            if !ids.insert(id.clone()) {
                at.fault(faults, Code::Conflict, "is there twice");
            }
            Some(id)
        });
        let version = one.get("version").and_then(|at| at.text_within(64, faults)).map(str::to_owned);
        let mut parameters = BTreeMap::new();
        if let Some(at) = one.get("parameters") {
            for (name, at) in at.members(faults) {
                let text = match at.value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => format!("{number}"),
                    _ => {
                        at.fault(faults, Code::Type, "must be a string or a number");
                        continue;
                    }
                };
                parameters.insert(name.to_owned(), text);
            }
        }
        found.extend(id.map(|id| Chosen { id, version, parameters }));
    }
    found
}

/// The texts for a crisis, in languages of the study.
fn crisis(at: &At<'_, '_>, languages: &[&str], faults: &mut Faults) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (language, at) in at.members(faults) {
        if !languages.contains(&language) {
            at.fault(faults, Code::Choice, "must be a language of the study");
        }
        if let Some(text) = at.text_within(LONGEST_CRISIS, faults) {
            found.insert(language.to_owned(), text.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests;
