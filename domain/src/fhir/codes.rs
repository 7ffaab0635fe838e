//! Codes that others have published: LOINC codes of whole instruments and of their scores, and the link ids of other
//! publishers' forms. The codes of items and answers are in the definitions of the instruments.

use alloc::string::String;

/// LOINC's names of an instrument.
struct Published {
    instrument: &'static str,
    /// The code of the form.
    panel: &'static str,
    /// Scores by id.
    scores: &'static [(&'static str, &'static str)],
}

/// Only codes that at least two publications give. A score without an entry here is sent without a LOINC code.
const PUBLISHED: &[Published] = &[
    Published { instrument: "audit-c", panel: "72109-2", scores: &[("total", "75626-2")] },
    Published { instrument: "gad-7", panel: "69737-5", scores: &[("total", "70274-6")] },
    Published { instrument: "gcs", panel: "9269-2", scores: &[("total", "9269-2")] },
    Published { instrument: "phq-2", panel: "55757-9", scores: &[("total", "55758-7")] },
    Published { instrument: "phq-4", panel: "69724-3", scores: &[] },
    Published { instrument: "phq-9", panel: "44249-1", scores: &[("total", "44261-6")] },
];

/// A form of another publisher: its link ids, which have no meaning by themselves, and its answer codes.
pub(super) struct Form {
    /// Its canonical, or the relative reference in its publisher's examples, without version.
    canonicals: &'static [&'static str],
    pub(super) instrument: &'static str,
    /// Link ids and the ids of our items.
    items: &'static [(&'static str, &'static str)],
    /// Link ids of the form's computed values. They are never read, because Vigil computes the scores.
    computed: &'static [&'static str],
    /// The code system of the answers, and for each of its codes the code of our option.
    system: &'static str,
    answers: &'static [(&'static str, &'static str)],
}

const FORMS: &[Form] = &[
    // HL7, Structured Data Capture. Its example response prints a total of 13, but its answers add up to 10.
    Form {
        canonicals: &["http://hl7.org/fhir/uv/sdc/Questionnaire/questionnaire-sdc-profile-example-PHQ9"],
        instrument: "phq-9",
        items: &[
            ("H1/T1/Q1", "q1"),
            ("H1/T1/Q2", "q2"),
            ("H1/T1/Q3", "q3"),
            ("H1/T1/Q4", "q4"),
            ("H1/T1/Q5", "q5"),
            ("H1/T1/Q6", "q6"),
            ("H1/T1/Q7", "q7"),
            ("H1/T1/Q8", "q8"),
            ("H1/T1/Q9", "q9"),
        ],
        computed: &["H1/TS"],
        system: "http://hl7.org/fhir/uv/sdc/CodeSystem/CSPHQ9",
        answers: &[
            ("Not-at-all", "LA6568-5"),
            ("Several-days", "LA6569-3"),
            ("More than half the days", "LA6570-1"),
            ("Nearly every day", "LA6571-9"),
        ],
    },
    // HL7, FHIR R4, the example of the Glasgow Coma Scale. No answer code belongs to two items, so a form with other
    // numbering is refused and not misread.
    Form {
        canonicals: &["http://hl7.org/fhir/Questionnaire/gcs", "Questionnaire/gcs"],
        instrument: "gcs",
        items: &[("1.1", "verbal"), ("1.2", "motor"), ("1.3", "eye")],
        computed: &[],
        system: "",
        answers: &[],
    },
];

impl Form {
    /// The form with this canonical.
    pub(super) fn of(canonical: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.canonicals.contains(&canonical))
    }

    /// The id of our item for a link id.
    pub(super) fn item(&self, link_id: &str) -> Option<&'static str> {
        self.items.iter().find(|(known, _)| *known == link_id).map(|(_, item)| *item)
    }

    /// Whether the form computes this value.
    pub(super) fn computes(&self, link_id: &str) -> bool {
        self.computed.contains(&link_id)
    }

    /// The code of our option for an answer of this form.
    pub(super) fn answer(&self, system: Option<&str>, code: &str) -> Option<&'static str> {
        if system.is_some_and(|system| system != self.system) {
            return None;
        }
        self.answers.iter().find(|(known, _)| *known == code).map(|(_, option)| *option)
    }
}

/// The instrument with this LOINC panel code.
pub(super) fn instrument_of_panel(code: &str) -> Option<&'static str> {
    PUBLISHED.iter().find(|published| published.panel == code).map(|published| published.instrument)
}

/// The LOINC panel code of an instrument.
pub(super) fn panel(instrument: &str) -> Option<&'static str> {
    PUBLISHED.iter().find(|published| published.instrument == instrument).map(|published| published.panel)
}

/// The LOINC code of a score.
pub(super) fn score(instrument: &str, score: &str) -> Option<&'static str> {
    let published = PUBLISHED.iter().find(|published| published.instrument == instrument)?;
    published.scores.iter().find(|(id, _)| *id == score).map(|(_, code)| *code)
}

/// Whether this is the LOINC code of a score of the instrument.
pub(super) fn is_score(instrument: &str, code: &str) -> bool {
    let published = PUBLISHED.iter().find(|published| published.instrument == instrument);
    published.is_some_and(|published| published.scores.iter().any(|(_, known)| *known == code))
}

/// Whether a text has the form of a LOINC code: up to seven digits, a hyphen, a check digit.
pub(super) fn is_loinc(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(number, check)| {
        (1..=7).contains(&number.len()) && digits(number) && check.len() == 1 && digits(check)
    })
}

/// The canonical without its version, and the version.
pub(super) fn versioned(canonical: &str) -> (&str, Option<&str>) {
    canonical.split_once('|').map_or((canonical, None), |(canonical, version)| (canonical, Some(version)))
}

/// The canonical under which Vigil publishes an instrument.
pub(super) fn canonical(instrument: &str) -> String {
    alloc::format!("urn:vigil:questionnaire:{instrument}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instrument, library};

    fn instrument(id: &str) -> Instrument {
        Instrument::from_json(&library::definition(id).unwrap()).unwrap()
    }

    #[test]
    fn every_name_stands_for_something_of_the_library() {
        for published in PUBLISHED {
            let instrument = instrument(published.instrument);
            assert!(is_loinc(published.panel));
            for (id, code) in published.scores {
                assert!(instrument.score_ids().any(|known| known == *id) && is_loinc(code), "{code}");
            }
        }
        for form in FORMS {
            let instrument = instrument(form.instrument);
            for (_, item) in form.items {
                let item = instrument.items.iter().find(|known| known.id == *item).unwrap();
                for (_, code) in form.answers {
                    assert!(item.options.iter().any(|choice| choice.code.as_deref() == Some(*code)), "{code}");
                }
            }
        }
    }

    #[test]
    fn a_loinc_code_has_digits_and_a_check_digit() {
        for code in ["44249-1", "9269-2", "1-8"] {
            assert!(is_loinc(code), "{code}");
        }
        for text in ["", "-", "44249", "44249-", "44249-12", "q1", "12345678-1", "4424a-1"] {
            assert!(!is_loinc(text), "{text}");
        }
    }
}
