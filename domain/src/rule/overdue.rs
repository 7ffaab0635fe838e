//! Overdue rules: a subject should have sent a diary, or a response to an instrument, by now.
//!
//! ```json
//! {"id": "no-diary", "severity": "high", "textKey": "diary.overdue",
//!  "when": {"everySeconds": 86400, "graceSeconds": 7200, "most": 3}}
//! ```
//!
//! Guarantee: a miss occurs when nothing has arrived for one interval plus the grace period. Each further interval of
//! the same silence is another miss, up to `most` misses (default 3). The next submission ends the silence. After the
//! last miss nobody is notified again: the clinicians already know, and a subject that left the study must not alarm
//! for ever. The id of a miss is the length of the silence, so it is the same miss at any time and for any instance
//! that finds it.
//!
//! A silence counts from the time of receipt, not from the time of writing. A device's clock may be wrong, a study may
//! shift dates, and an unsent submission on a device informs nobody. A late submission ends the silence when it
//! arrives. A correction of an earlier document is not a new submission.

use alloc::{format, string::String, vec::Vec};

use super::Alert;
use crate::Code;
use crate::instrument::rules::{Ruled, When, read_list};
use crate::number::figure;
use crate::reading::{At, Faults};
use crate::severity::worst_first;

/// The name under which diaries are expected. No instrument has such an id.
pub const DIARY: &str = "/diary";

/// The expected interval, and the most notifications when nothing arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    every_ms: u64,
    grace_ms: u64,
    most: u16,
}

impl Expected {
    /// The length of the silence at its `n`th miss.
    fn after_ms(self, n: u64) -> u64 {
        self.every_ms.saturating_mul(n).saturating_add(self.grace_ms)
    }

    /// The number of misses in a silence, up to the configured maximum.
    fn misses(self, silence_ms: u64) -> u64 {
        let misses = silence_ms.saturating_sub(self.grace_ms).checked_div(self.every_ms).unwrap_or(0);
        misses.min(self.most.into())
    }

    /// The length of the silence at the miss after `misses`; none after the last.
    fn next_ms(self, misses: u64) -> Option<u64> {
        (misses < u64::from(self.most)).then(|| self.after_ms(misses + 1))
    }
}

/// A rule on overdue submissions.
#[derive(Debug, Clone, PartialEq)]
pub struct OverdueRule(Ruled<Expected>);

/// The latest miss of a rule in a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed<'a> {
    /// The alert for it.
    pub alert: Alert<'a>,
    /// The length of the silence at this miss, milliseconds. Together with the rule it identifies the miss.
    pub after_ms: u64,
}

/// The evaluation of a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation<'a> {
    /// The latest miss of each rule that has one, the most severe first.
    pub missed: Vec<Missed<'a>>,
    /// The time of the next check, in milliseconds after the silence began. It is later than the present length. None
    /// if all misses are reported.
    pub look_after_ms: Option<u64>,
}

/// A silence is checked at least this often, so that stricter rules also apply to subjects that are already silent.
pub const LOOK_MS: u64 = 86_400_000;
/// The longest interval and grace, seconds.
const LONGEST: f64 = 366.0 * 86_400.0;
/// The default maximum of misses per silence.
const MOST: u16 = 3;

/// Parses the rules of one place; `taken` are the ids of the other rules there.
pub(super) fn read(at: At<'_, '_>, taken: &[&str], faults: &mut Faults) -> Vec<OverdueRule> {
    let when: When<'_, Expected> = &|at, faults| {
        if !at.object(faults, &["everySeconds", "graceSeconds", "most"]) {
            return None;
        }
        let every_ms = at.need("everySeconds", faults).and_then(|at| at.millis(0.1, LONGEST, faults));
        let grace_ms = at.get("graceSeconds").map_or(Some(0), |at| at.millis(0.0, LONGEST, faults));
        let most = at.get("most").map_or(Some(MOST), |at| at.whole(1, 100, faults));
        Some(Expected { every_ms: every_ms?, grace_ms: grace_ms?, most: most? })
    };
    let rules = read_list(at, when, faults);
    for rule in rules.iter().filter(|rule| taken.contains(&rule.id.as_str())) {
        let detail = format!("there is a rule of the id \"{}\": take another id", rule.id);
        at.fault(faults, Code::Conflict, detail);
    }
    rules.into_iter().map(OverdueRule).collect()
}

/// Evaluates a silence: for `silence_ms` milliseconds, nothing of the topic `what` arrived from a subject.
pub fn judge<'a>(rules: &'a [OverdueRule], what: &str, silence_ms: u64) -> Evaluation<'a> {
    let what = what.trim_start_matches('/');
    let (mut missed, mut look_after_ms) = (Vec::new(), None);
    for OverdueRule(rule) in rules {
        let expected = rule.when;
        let misses = expected.misses(silence_ms);
        if misses > 0 {
            let after_ms = expected.after_ms(misses);
            let (silence, every, grace) = (span(after_ms), span(expected.every_ms), span(expected.grace_ms));
            let grace = if expected.grace_ms > 0 { format!(", grace {grace}") } else { String::new() };
            let reason = format!("no {what} for {silence}, rule: every {every}{grace}");
            missed.push(Missed { alert: rule.raise(reason), after_ms });
        }
        look_after_ms = [look_after_ms, expected.next_ms(misses)].into_iter().flatten().min();
    }
    let missed = worst_first(missed.into_iter(), |missed| missed.alert.severity);
    Evaluation { missed, look_after_ms: look_after_ms.map(|next: u64| next.min(silence_ms.saturating_add(LOOK_MS))) }
}

/// A span of time in words, such as "26 h" or "7 d 2 h". Spans of two days and more are given in days and hours.
fn span(ms: u64) -> String {
    let (day, hour, minute) = (86_400_000, 3_600_000, 60_000);
    let days = if ms >= 2 * day { ms / day } else { 0 };
    let rest = ms - days * day;
    let seconds = figure((rest % minute) as f64 / 1000.0);
    let parts = [
        (days > 0).then(|| format!("{days} d")),
        (rest >= hour).then(|| format!("{} h", rest / hour)),
        (rest % hour >= minute).then(|| format!("{} min", rest % hour / minute)),
        (!rest.is_multiple_of(minute) || ms == 0).then(|| format!("{seconds} s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
