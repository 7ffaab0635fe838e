//! The sites of a study, and whether they take documents in.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Code;
use crate::alert::zone::Clock;
use crate::ids::{NAME_RULE, SiteId};
use crate::reading::{At, Faults};
use crate::study::LONGEST_TITLE;

/// The most sites of a study.
const MOST: usize = 10_000;

/// Whether a site takes documents in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// It does.
    #[default]
    Live,
    /// It is over: what was written before is taken in.
    Closed,
}

impl Place {
    const WORDS: [&str; 2] = ["live", "closed"];

    /// Its name in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Live => "live",
            Place::Closed => "closed",
        }
    }
}

/// A site of a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its id, which documents name.
    pub id: SiteId,
    /// Its title.
    pub title: String,
    /// Its time zone, by its name in the IANA database.
    pub zone: String,
    /// Whether it takes documents in.
    pub place: Place,
    /// Its languages; none: those of the study.
    pub languages: Vec<String>,
}

/// Reads the list of sites of a study with these languages.
pub(super) fn read(at: &At<'_, '_>, languages: &[&str], faults: &mut Faults) -> Vec<Site> {
    let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
    for one in at.list_within(MOST, faults) {
        if !one.object(faults, &["id", "title", "zone", "state", "languages"]) {
            continue;
        }
        let id = one.need("id", faults).and_then(|at| {
            let id = at.form(NAME_RULE, faults, SiteId::parse)?;
            if !ids.insert(id.clone()) {
                at.fault(faults, Code::Conflict, "is there twice");
            }
            Some(id)
        });
        let title = one.need("title", faults).and_then(|at| at.text_within(LONGEST_TITLE, faults));
        let rule = "must be a time zone of the IANA database, such as Europe/Berlin";
        let zone =
            one.need("zone", faults).and_then(|at| at.form(rule, faults, |name| Clock::zone(name).map(|_| name)));
        let place = one.get("state").map(|at| at.choice(&Place::WORDS, faults));
        let mut own = Vec::new();
        if let Some(at) = one.get("languages") {
            for language in at.filled_list(faults) {
                match language.choice(languages, faults).and_then(|place| languages.get(place)) {
                    Some(known) if own.iter().any(|other| other == known) => {
                        language.fault(faults, Code::Conflict, "is there twice");
                    }
                    known => own.extend(known.map(|known| (*known).to_owned())),
                }
            }
        }
        if let (Some(id), Some(title), Some(zone)) = (id, title, zone) {
            let place = if place == Some(Some(1)) { Place::Closed } else { Place::Live };
            found.push(Site { id, title: title.to_owned(), zone: zone.to_owned(), place, languages: own });
        }
    }
    found
}
