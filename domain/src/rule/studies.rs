//! A study's own alert rules: the configuration document `alert-rules`.
//!
//! ```json
//! {"studies": {"S": {
//!   "instruments": {"phq-9": {"add": [RULE], "replace": {"severe": RULE}, "off": ["moderately-severe"]}},
//!   "adverseEvent": {"add": [RULE]},
//!   "lab": {"baseline": true, "replace": {"grade-3": RULE}},
//!   "diary": {"add": [RULE], "overdue": [OVERDUE]}
//! }}}
//! ```
//!
//! Guarantee: a rule marked `always` can neither be switched off nor replaced; a stricter study adds a rule. All faults
//! of a document are reported at once. RULE has the form of a rule in a definition, without `id` if it replaces another
//! rule. Rules for an instrument that is not built in are checked when its definition is available. `overdue` is for
//! diaries and for instruments; OVERDUE has the form in [`overdue`].

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use serde_json::Value;

use super::{
    overdue::{self, OverdueRule},
    report::{self, ReportRule},
};
use crate::ids::{InstrumentId, NAME_RULE, is_name};
use crate::reading::{At, Faults};
use crate::{
    Code, Finding, Instrument, Rule,
    instrument::{
        names::Names,
        rules::{Ruled, When, condition, read_list, read_rule},
    },
    intake::ReportKind,
    library,
};

/// The parsed document: studies by their ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudyRules(Vec<(String, Study)>);

/// The rules of one study.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Study {
    instruments: Vec<(InstrumentId, Changes)>,
    adverse_event: Option<Vec<ReportRule>>,
    lab: Option<Vec<ReportRule>>,
    diary: Option<Vec<ReportRule>>,
    lab_baseline: bool,
    /// Overdue rules by topic: an instrument, or [`overdue::DIARY`].
    overdue: Vec<(String, Vec<OverdueRule>)>,
}

/// A study's changes to an instrument's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes(Value);

/// Reads the document.
///
/// # Errors
/// A finding for each fault.
pub fn read(document: &Value) -> Result<StudyRules, Vec<Finding>> {
    let mut faults = Faults::new();
    let mut studies = Vec::new();
    let root = At::root(document);
    if root.object(&mut faults, &["studies"])
        && let Some(list) = root.need("studies", &mut faults)
    {
        for (id, at) in list.members(&mut faults) {
            if !is_name(id) {
                at.fault(&mut faults, Code::Format, NAME_RULE);
            }
            studies.push((id.to_string(), Study::read(at, &mut faults)));
        }
    }
    studies.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    if faults.is_empty() { Ok(StudyRules(studies)) } else { Err(faults) }
}

impl StudyRules {
    /// The rules of a study, if it has its own.
    pub fn study(&self, id: &str) -> Option<&Study> {
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(id)).ok()?;
        self.0.get(found).map(|(_, study)| study)
    }
}

impl Study {
    fn read(at: At<'_, '_>, faults: &mut Faults) -> Study {
        let mut study = Study::default();
        at.object(faults, &["instruments", "adverseEvent", "lab", "diary"]);
        if let Some(instruments) = at.get("instruments") {
            for (id, at) in instruments.members(faults) {
                if !is_name(id) {
                    at.fault(faults, Code::Format, NAME_RULE);
                }
                let known = library::instrument(id).and_then(Result::ok);
                let rules = match known {
                    Some(instrument) => of_instrument(at, &instrument, faults),
                    // The definition is not available, so only the frame is checked.
                    None => {
                        at.object(faults, &AWAITED);
                        Vec::new()
                    }
                };
                study.awaits(at, id, rules.iter().map(Rule::id), faults);
                study.instruments.push((id.into(), Changes(at.value.clone())));
            }
        }
        let mut kind = |member: &str, kind: ReportKind, known: &[&str]| {
            let at = at.get(member)?;
            let own = report::built_in(kind).unwrap_or_default().into_iter().map(|rule| rule.0).collect();
            let when: When<'_, report::Condition> = &|at, faults| report::read(at, kind, faults);
            Some(changed(at, own, known, when, faults).into_iter().map(ReportRule).collect())
        };
        study.adverse_event = kind("adverseEvent", ReportKind::AdverseEvent, &CHANGES);
        study.lab = kind("lab", ReportKind::Lab, &["add", "replace", "off", "baseline"]);
        study.diary = kind("diary", ReportKind::Diary, &AWAITED);
        if let Some(at) = at.get("diary") {
            let diary = study.diary.take().unwrap_or_default();
            study.awaits(at, overdue::DIARY, diary.iter().map(ReportRule::id), faults);
            study.diary = Some(diary);
        }
        let baseline = at.get("lab");
        let baseline = baseline.as_ref().and_then(|lab| lab.get("baseline")).map(|at| at.flag(faults));
        study.lab_baseline = baseline.flatten().unwrap_or_default();
        study
    }

    /// Reads the overdue rules of a topic; `taken` are the ids of the other rules there.
    fn awaits<'i>(&mut self, at: At<'_, '_>, what: &str, taken: impl Iterator<Item = &'i str>, faults: &mut Faults) {
        if let Some(at) = at.get("overdue") {
            let rules = overdue::read(at, &taken.collect::<Vec<_>>(), faults);
            self.overdue.push((what.to_string(), rules));
        }
    }

    /// The overdue rules for a topic: responses to the instrument with this id, or diaries ([`overdue::DIARY`]).
    pub fn overdue(&self, what: &str) -> &[OverdueRule] {
        self.overdue.iter().find(|(known, _)| known == what).map_or(&[], |(_, rules)| rules)
    }

    /// The study's changes to an instrument's rules; none if there are no changes.
    pub fn instrument(&self, id: &InstrumentId) -> Option<&Changes> {
        self.instruments.iter().find(|(known, _)| known == id).map(|(_, changes)| changes)
    }

    /// The study's rules for a kind of report, together with the built-in rules; none if the study changes nothing.
    pub fn report(&self, kind: ReportKind) -> Option<&[ReportRule]> {
        match kind {
            ReportKind::AdverseEvent => self.adverse_event.as_deref(),
            ReportKind::Lab => self.lab.as_deref(),
            ReportKind::Diary => self.diary.as_deref(),
            ReportKind::Generic => None,
        }
    }

    /// Whether laboratory results are graded against the subject's first results, if CTCAE asks for that.
    pub fn lab_baseline(&self) -> bool {
        self.lab_baseline
    }
}

impl Changes {
    /// The rules of an instrument after the study's changes.
    ///
    /// # Errors
    /// A finding for each fault, pointers from the study's member for the instrument.
    pub fn apply(&self, instrument: &Instrument) -> Result<Vec<Rule>, Vec<Finding>> {
        let mut faults = Faults::new();
        let rules = of_instrument(At::root(&self.0), instrument, &mut faults);
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }
}

fn of_instrument(at: At<'_, '_>, instrument: &Instrument, faults: &mut Faults) -> Vec<Rule> {
    let names = Names::compiled(&instrument.items, &instrument.parameters, &instrument.scores);
    let own = instrument.rules.iter().map(|rule| rule.0.clone()).collect();
    let rules = changed(at, own, &AWAITED, &|at, faults| condition(at, &names, faults), faults);
    rules.into_iter().map(Rule).collect()
}

const CHANGES: [&str; 3] = ["add", "replace", "off"];
/// The members for a topic that can be overdue.
const AWAITED: [&str; 4] = ["add", "replace", "off", "overdue"];
/// The most rules that a study adds in one place.
const MOST_ADDED: usize = 200;

/// Applies the changes to the rules `own`.
fn changed<C>(
    at: At<'_, '_>,
    own: Vec<Ruled<C>>,
    known: &[&str],
    when: When<'_, C>,
    faults: &mut Faults,
) -> Vec<Ruled<C>> {
    if !at.object(faults, known) {
        return own;
    }
    let mut rules = own;
    let mut gone: Vec<&str> = Vec::new();
    let may_change = |id: &str, at: At<'_, '_>, rules: &[Ruled<C>], faults: &mut Faults| {
        let found = rules.iter().find(|rule| rule.id == id);
        match found {
            None => at.fault(faults, Code::Unknown, "there is no rule of this id to change"),
            Some(rule) if rule.always => {
                let detail = "this rule always applies: add a rule instead";
                at.fault(faults, Code::Forbidden, detail);
            }
            Some(_) => return true,
        }
        false
    };
    let off = at.get("off");
    for at in off.as_ref().map(|off| off.list(faults)).unwrap_or_default() {
        if let Some(id) = at.name(faults)
            && may_change(id, at, &rules, faults)
        {
            gone.push(id);
        }
    }
    let replace = at.get("replace");
    for (id, at) in replace.as_ref().map(|replace| replace.members(faults)).unwrap_or_default() {
        let allowed = may_change(id, at, &rules, faults);
        if gone.contains(&id) {
            at.fault(faults, Code::Conflict, "this rule is switched off too");
        }
        if at.object(faults, &["severity", "textKey", "always", "when", "note"])
            && let Some(rule) = read_rule(at, id, when, faults)
            && allowed
            && let Some(place) = rules.iter_mut().find(|rule| rule.id == id)
        {
            *place = rule;
        }
    }
    if let Some(add) = at.get("add") {
        if add.value.as_array().is_some_and(|list| list.len() > MOST_ADDED) {
            add.fault(faults, Code::Range, "at most 200 rules");
        }
        let added = read_list(add, when, faults);
        for rule in &added {
            if rules.iter().any(|known| known.id == rule.id) {
                let detail =
                    alloc::format!("there is a rule of the id \"{}\": replace it, or take another id", rule.id);
                add.fault(faults, Code::Conflict, detail);
            }
        }
        rules.extend(added);
    }
    rules.retain(|rule| !gone.contains(&rule.id.as_str()));
    rules
}
