//! Rules on what did not come: a diary, or a response to an instrument, that a subject should have sent by now.
//!
//! ```json
//! {"id": "no-diary", "severity": "high", "textKey": "diary.overdue",
//!  "when": {"everySeconds": 86400, "graceSeconds": 7200, "most": 3}}
//! ```
//!
//! Guarantee: when nothing came for an interval and the grace since the last one, that is a miss; so is each further
//! interval of the same silence, up to `most` of them (3 where it does not say). The next one that comes ends the silence.
//! After the last miss nobody is told again: who is to know knows, and a subject that left the study does not alarm for ever.
//! A miss is named by how long the silence had lasted, so that it is the same one whoever finds it, and when.
//!
//! A silence counts from the time of receipt, not from when something was written: a device's clock may be wrong, a study
//! may have dates shifted, and what lies unsent on a device keeps nobody informed. What comes in late ends the silence
//! when it comes. A correction of an earlier document is not a new one.

use alloc::{format, string::String, vec::Vec};

use super::{
    Alert, Ruled,
    read::{When, read_list},
    worst_first,
};
use crate::{
    Code,
    alert::routes::millis,
    instrument::walk::{At, Faults},
};

/// What diaries are awaited as. No instrument has such an id.
pub const DIARY: &str = "/diary";

/// What is expected, and how often its absence is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    every_ms: u64,
    grace_ms: u64,
    most: u16,
}

impl Expected {
    /// How long the silence has lasted at its `n`th miss.
    fn after_ms(self, n: u64) -> u64 {
        self.every_ms.saturating_mul(n).saturating_add(self.grace_ms)
    }

    /// How many misses there are in a silence, up to the most that are told.
    fn misses(self, silence_ms: u64) -> u64 {
        let misses = silence_ms.saturating_sub(self.grace_ms).checked_div(self.every_ms).unwrap_or(0);
        misses.min(self.most.into())
    }

    /// When the miss after `misses` comes; none after the last.
    fn next_ms(self, misses: u64) -> Option<u64> {
        (misses < u64::from(self.most)).then(|| self.after_ms(misses + 1))
    }
}

/// A rule on what did not come.
#[derive(Debug, Clone, PartialEq)]
pub struct OverdueRule(Ruled<Expected>);

/// The latest miss of a rule in a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed<'a> {
    /// The alert for it.
    pub alert: Alert<'a>,
    /// How long the silence had lasted then, milliseconds. With the rule it names the miss.
    pub after_ms: u64,
}

/// What there is to say of a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged<'a> {
    /// The latest miss of each rule that has one, the most severe first.
    pub missed: Vec<Missed<'a>>,
    /// When to look again: so many milliseconds after the silence began, later than it has lasted. None when all is told.
    pub look_after_ms: Option<u64>,
}

/// A silence is looked at once in this time at least, so that rules that became stricter apply to those who are silent.
pub const LOOK_MS: u64 = 86_400_000;
/// The longest interval and grace, seconds.
const LONGEST: f64 = 366.0 * 86_400.0;
/// How often a silence is told where the rule does not say.
const MOST: u16 = 3;

/// Reads the rules of one place; `taken` are the ids of the other rules there.
pub(super) fn read(at: At<'_, '_>, taken: &[&str], faults: &mut Faults) -> Vec<OverdueRule> {
    let when: When<'_, Expected> = &|at, faults| {
        if !at.object(faults, &["everySeconds", "graceSeconds", "most"]) {
            return None;
        }
        let every_ms = at.need("everySeconds", faults).and_then(|at| millis(at, 0.1, LONGEST, faults));
        let grace_ms = at.get("graceSeconds").map_or(Some(0), |at| millis(at, 0.0, LONGEST, faults));
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

/// Judges a silence: how long nothing of `what` came in from a subject, milliseconds.
pub fn judge<'a>(rules: &'a [OverdueRule], what: &str, silence_ms: u64) -> Judged<'a> {
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
    Judged { missed, look_after_ms: look_after_ms.map(|next: u64| next.min(silence_ms.saturating_add(LOOK_MS))) }
}

/// A span of time in words, such as "26 h" or "7 d 2 h". Days are counted from two on.
fn span(ms: u64) -> String {
    let (day, hour, minute) = (86_400_000, 3_600_000, 60_000);
    let days = if ms >= 2 * day { ms / day } else { 0 };
    let rest = ms - days * day;
    let seconds = super::figure((rest % minute) as f64 / 1000.0);
    let parts = [
        (days > 0).then(|| format!("{days} d")),
        (rest >= hour).then(|| format!("{} h", rest / hour)),
        (rest % hour >= minute).then(|| format!("{} min", rest % hour / minute)),
        (!rest.is_multiple_of(minute) || ms == 0).then(|| format!("{seconds} s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
