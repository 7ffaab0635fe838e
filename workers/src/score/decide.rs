//! Decides which alerts a submission raises, and what its record says about them.

use domain::intake::ReportKind;
use domain::lab::{self, Measured};
use domain::report_rules::{self, Facts};
use domain::{Answers, Instrument, Severity};
use serde::{Deserialize, Serialize};
use state::identity::alert_id;
use state::wire::entry::{Alert, Entry};
use state::wire::evaluation::{Evaluation, Grade, HistoryStatus, HistoryUsed};

use crate::score::context::{Context, Past};
use crate::score::rules::Rules;

/// The decision on a submission.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) evaluation: Evaluation,
}

/// The rule id of the alert which says that the study's rules could not be applied.
const UNREADABLE: &str = "study-rules";

fn unavailable(rule: &str) -> String {
    format!("{rule}:history-unavailable")
}

/// Evaluates a scored response.
pub(crate) fn response(
    rules: &mut Rules,
    entry: &Entry,
    instrument: &Instrument,
    answers: &Answers,
    scores: &[domain::Score<'_>],
    context: &Context,
) -> Decided {
    let own = rules.of_response(&entry.submission.study_id, instrument);
    let all = own.all(instrument);
    let history = match &context.past {
        Some(Past::Had(history, _)) => Some(history),
        Some(Past::Unavailable) | None => None,
    };
    let raised = instrument.alerts_by(all, answers, scores, history);
    let mut alerts: Vec<Alert> = raised.into_iter().map(|alert| self::alert(entry, &alert)).collect();
    if matches!(context.past, Some(Past::Unavailable)) {
        for rule in instrument.undecided(all, answers, scores) {
            let severity = if rule.severity() >= Severity::High { Severity::Moderate } else { Severity::Info };
            let reason = "could not be evaluated: the subject's earlier responses could not be had";
            let reason = format!("rule {} {reason}", rule.id());
            alerts.push(said(entry, &unavailable(rule.id()), severity, "history-unavailable", reason));
        }
    }
    if own.used.is_some_and(|used| used.unreadable) {
        let reason = "the study's rules do not fit the instrument's definition: only its own were applied";
        alerts.push(said(entry, UNREADABLE, Severity::Moderate, "study-rules-unreadable", reason.to_owned()));
    }
    let evaluation = Evaluation {
        grades: Vec::new(),
        rules: own.used,
        history: context.past.as_ref().map(used),
        risk: context.risk.clone(),
    };
    Decided { alerts, evaluation }
}

/// Evaluates a report.
pub(crate) fn report(rules: &mut Rules, entry: &Entry, context: &Context) -> Decided {
    let submission = &entry.submission;
    let Some(kind) = ReportKind::parse(&submission.kind) else { return Decided::default() };
    let grades = match kind {
        ReportKind::Lab => lab::grade(&Measured::list(&submission.content), &context.baselines),
        ReportKind::Diary | ReportKind::AdverseEvent | ReportKind::Generic => Vec::new(),
    };
    let (rules, used_rules) = rules.of_report(&submission.study_id, kind);
    let raised = report_rules::alerts(rules, &Facts::of(&submission.content, &grades));
    Decided {
        alerts: raised.iter().map(|raised| alert(entry, raised)).collect(),
        evaluation: Evaluation {
            grades: grades.into_iter().map(shown).collect(),
            rules: used_rules,
            history: context.past.as_ref().map(used),
            risk: None,
        },
    }
}

fn used(past: &Past) -> HistoryUsed {
    match past {
        Past::Had(_, used) => used.clone(),
        Past::Unavailable => HistoryUsed { status: HistoryStatus::HistoryUnavailable, ..HistoryUsed::default() },
    }
}

fn shown(grade: lab::Grade) -> Grade {
    Grade {
        result: grade.result,
        status: grade.status().to_owned(),
        grade: grade.grade,
        or_more: grade.or_more,
        analyte: grade.analyte.filter(|panel| *panel != grade.code).map(str::to_owned),
        term: grade.term.map(str::to_owned),
        code: grade.code,
        reason: grade.reason,
    }
}

fn alert(entry: &Entry, alert: &domain::Alert<'_>) -> Alert {
    said(entry, alert.rule, alert.severity, alert.text_key, alert.reason.clone())
}

fn said(entry: &Entry, rule: &str, severity: Severity, text_key: &str, reason: String) -> Alert {
    let submission = &entry.submission;
    Alert {
        alert_id: alert_id(&submission.submission_id, rule),
        submission_id: submission.submission_id.clone(),
        study_id: submission.study_id.clone(),
        site_id: submission.site_id.clone(),
        subject: submission.subject.clone(),
        instrument: submission.topic().to_owned(),
        rule: rule.to_owned(),
        severity: severity.as_str().to_owned(),
        text_key: text_key.to_owned(),
        reason,
        received_at: submission.received_at.clone(),
        key: submission.key.clone(),
        trace: entry.trace.clone(),
    }
}
