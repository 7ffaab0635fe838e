//! The rules for a submission: those of its instrument or kind, with the changes of its study. A study whose own document has
//! alert rules has these; the others have those of the document `alert-rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use domain::ids::StudyId;
use domain::intake::ReportKind;
use domain::overdue::OverdueRule;
use domain::report_rules::{self, ReportRule};
use domain::study_rules::{Study, StudyRules};
use domain::{Instrument, Rule};
use platform::redis::Redis;
use platform::{Error, log};
use state::settings::Settings;
use state::settings::studies::of_all;
use state::wire::evaluation::RulesUsed;

/// The rules in force. The changed rules of a study are built once.
#[derive(Default)]
pub(crate) struct Rules {
    version: u64,
    studies: Option<Rc<StudyRules>>,
    /// The rules of studies' own documents, with the versions of these.
    own: BTreeMap<StudyId, (u64, Rc<StudyRules>)>,
    changed: Vec<Changed>,
    reports: Vec<(ReportKind, Vec<ReportRule>)>,
}

/// The rules of an instrument, with a study's changes.
struct Changed {
    study: StudyId,
    /// Hash of the instrument's definition.
    hash: String,
    /// The version of the changes.
    by: RulesUsed,
    /// None: the study's changes do not fit it.
    rules: Option<Rc<Vec<Rule>>>,
}

/// The rules for a response.
pub(crate) struct ForResponse {
    /// None: the instrument's own.
    pub(crate) changed: Option<Rc<Vec<Rule>>>,
    /// The version of the study's rules, if it has some.
    pub(crate) used: Option<RulesUsed>,
}

impl ForResponse {
    /// All of them.
    pub(crate) fn all<'a>(&'a self, instrument: &'a Instrument) -> &'a [Rule] {
        self.changed.as_ref().map_or(instrument.rules(), |changed| changed)
    }
}

impl Rules {
    /// Loads the rules in force for these studies. Gives the studies whose own rules cannot be read: to decide without these
    /// would be wrong.
    pub(crate) async fn load(
        &mut self,
        redis: &Redis,
        settings: &Settings,
        studies: &BTreeSet<&StudyId>,
    ) -> Result<BTreeSet<StudyId>, Error> {
        self.own.clear();
        let mut unreadable = BTreeSet::new();
        for (study, own) in of_all(redis, studies).await? {
            // A section is read from memory, so an error is its own.
            let read = own.and_then(|own| Some((own.section::<StudyRules>().ok()?, own.version())));
            match read {
                Some((Some(rules), Some(version))) => drop(self.own.insert(study, (version, rules))),
                Some(_) => {}
                None => drop(unreadable.insert(study)),
            }
        }
        let version = settings.version::<StudyRules>().map_or(0, |known| known.version);
        if version != self.version {
            self.studies = settings.document(redis).await?;
            self.changed.clear();
            self.version = version;
        }
        Ok(unreadable)
    }

    fn study(&self, id: &StudyId) -> Option<&Study> {
        self.used(id).map(|(study, _)| study)
    }

    /// The rules of a study, and which version they are.
    fn used(&self, id: &StudyId) -> Option<(&Study, RulesUsed)> {
        let used = |version, of_study| RulesUsed { version, of_study, unreadable: false };
        match self.own.get(id) {
            Some((version, own)) => Some((own.study(id.as_str())?, used(*version, true))),
            None => Some((self.studies.as_ref()?.study(id.as_str())?, used(self.version, false))),
        }
    }

    /// The rules for a response to an instrument.
    pub(crate) fn of_response(&mut self, study: &StudyId, instrument: &Instrument) -> ForResponse {
        let used = self.used(study).and_then(|(rules, by)| Some((rules.instrument(instrument.id())?, by)));
        let Some((changes, by)) = used else { return ForResponse { changed: None, used: None } };
        let is_known = |known: &&Changed| known.study == *study && known.hash == instrument.hash() && known.by == by;
        let known = self.changed.iter().find(is_known);
        let changed = match known {
            Some(known) => known.rules.clone(),
            None => {
                let applied = changes.apply(instrument).map(Rc::new).inspect_err(|faults| {
                    log::error("study-rules-unreadable").count(faults.len()).write();
                });
                let (hash, rules) = (instrument.hash().to_owned(), applied.ok());
                self.changed.push(Changed { study: study.clone(), hash, by, rules: rules.clone() });
                rules
            }
        };
        let used = RulesUsed { unreadable: changed.is_none(), ..by };
        ForResponse { changed, used: Some(used) }
    }

    /// The rules for a kind of report, and the version of the study's rules, if it has some.
    pub(crate) fn of_report(&mut self, study: &StudyId, kind: ReportKind) -> (&[ReportRule], Option<RulesUsed>) {
        // Asked twice, because the borrow of what is returned here would last to the end.
        if self.changes_report(study, kind) {
            let own = self.used(study).and_then(|(rules, by)| Some((rules.report(kind)?, by)));
            return own.map_or((&[], None), |(own, by)| (own, Some(by)));
        }
        if !self.reports.iter().any(|(known, _)| *known == kind) {
            let read = report_rules::built_in(kind).inspect_err(|faults| {
                log::error("built-in-rules-unreadable").count(faults.len()).write();
            });
            self.reports.push((kind, read.unwrap_or_default()));
        }
        let built_in = self.reports.iter().find(|(known, _)| *known == kind);
        (built_in.map_or(&[], |(_, rules)| rules), None)
    }

    /// Whether a study has rules of its own for a kind of report.
    pub(crate) fn changes_report(&self, study: &StudyId, kind: ReportKind) -> bool {
        self.study(study).is_some_and(|study| study.report(kind).is_some())
    }

    /// The study's rules on overdue submissions of this instrument or diary.
    pub(crate) fn overdue(&self, study: &StudyId, what: &str) -> &[OverdueRule] {
        self.study(study).map_or(&[], |study| study.overdue(what))
    }

    /// Whether a study grades laboratory results against the subject's first ones.
    pub(crate) fn lab_baseline(&self, study: &StudyId) -> bool {
        self.study(study).is_some_and(Study::lab_baseline)
    }
}
