//! Parses one layer of the document: routes, chain, grouping, repeats, retries, language.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::read::Known;
use super::{Chain, Rung, Settings};
use crate::alert::retry::{Schedule, Then};
use crate::alert::template::Language;
use crate::ids::ReceiverId;
use crate::reading::{At, Faults};
use crate::{Code, Severity, ids};

/// A day and a week, seconds.
const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;

/// The members of a layer.
pub(super) const MEMBERS: [&str; 7] =
    ["routes", "chain", "groupSeconds", "repeatSeconds", "repeatSecondsByRule", "retry", "language"];

/// The ids of receivers that the document defines, each once.
fn receivers(at: At<'_, '_>, known: &Known, faults: &mut Faults) -> Vec<ReceiverId> {
    let mut ids: Vec<ReceiverId> = Vec::new();
    for element in at.list(faults) {
        let Some(id) = receiver(element, known, faults) else { continue };
        if ids.contains(&id) {
            element.fault(faults, Code::Conflict, "a receiver is named once");
            continue;
        }
        ids.push(id);
    }
    ids
}

fn receiver(at: At<'_, '_>, known: &Known, faults: &mut Faults) -> Option<ReceiverId> {
    let id = at.text(faults)?;
    if !known.contains_key(id) {
        at.fault(faults, Code::Choice, "must be the id of a receiver that this document defines");
        return None;
    }
    Some(id.into())
}

impl Settings {
    /// Parses the members of a layer. The caller has already checked for unknown members.
    pub(super) fn read(at: At<'_, '_>, known: &Known, faults: &mut Faults) -> Settings {
        let mut settings = Settings::default();
        if let Some(routes) = at.get("routes")
            && routes.object(faults, &Severity::ALL.map(Severity::as_str))
        {
            for (severity, slot) in Severity::ALL.into_iter().zip(&mut settings.routes) {
                let Some(route) = routes.get(severity.as_str()) else { continue };
                if severity == Severity::Critical && route.value.as_array().is_some_and(Vec::is_empty) {
                    route.fault(faults, Code::Range, "at least one receiver: a critical alert is told to somebody");
                }
                *slot = Some(receivers(route, known, faults));
            }
        }
        settings.chain = at.get("chain").map(|at| chain(at, known, faults));
        settings.group_ms = at.get("groupSeconds").and_then(|at| at.millis(0.0, 3600.0, faults));
        settings.repeat_ms = at.get("repeatSeconds").and_then(|at| at.millis(0.0, 30.0 * DAY, faults));
        settings.repeat_by_rule = at.get("repeatSecondsByRule").map(|at| by_rule(at, faults));
        if let Some(retry) = at.get("retry")
            && retry.object(faults, &["critical", "routine"])
        {
            settings.critical = retry.get("critical").map(|at| schedule(at, Schedule::critical(), faults));
            settings.routine = retry.get("routine").map(|at| schedule(at, Schedule::routine(), faults));
        }
        settings.language = at.get("language").and_then(|at| {
            let position = at.choice(&Language::ALL.map(Language::as_str), faults)?;
            Language::ALL.get(position).copied()
        });
        settings
    }
}

fn chain(at: At<'_, '_>, known: &Known, faults: &mut Faults) -> Chain {
    let mut chain = Chain::default();
    if !at.object(faults, &["steps", "repeats", "pauseSeconds", "fallback", "fallbackEverySeconds"]) {
        return chain;
    }
    if let Some(steps) = at.get("steps") {
        chain.rungs = Vec::new();
        let mut told: Vec<ReceiverId> = Vec::new();
        for step in steps.filled_list(faults) {
            if !step.object(faults, &["afterSeconds", "receivers"]) {
                continue;
            }
            let after = step.need("afterSeconds", faults);
            let after_ms = after.and_then(|at| at.millis(0.0, DAY, faults)).unwrap_or(0);
            if chain.rungs.last().is_some_and(|last| last.after_ms >= after_ms)
                && let Some(after) = after
            {
                after.fault(faults, Code::Conflict, "later than the step before");
            }
            let receivers = match step.get("receivers") {
                Some(at) => receivers(at, known, faults),
                None => Vec::new(),
            };
            if receivers.iter().any(|id| told.contains(id)) {
                step.fault(
                    faults,
                    Code::Conflict,
                    "a chain has no loop: each receiver in one step; \"repeats\" repeats",
                );
            }
            told.extend(receivers.iter().cloned());
            chain.rungs.push(Rung { after_ms, receivers });
        }
        if steps.value.as_array().is_some_and(|steps| steps.len() > 20) {
            steps.fault(faults, Code::Range, "at most 20 steps");
        }
    }
    if let Some(repeats) = at.get("repeats").and_then(|at| at.whole(0, 100, faults)) {
        chain.repeats = repeats.into();
    }
    // Reminders without a pause between them would be a flood that nobody reads.
    if let Some(pause_ms) = at.get("pauseSeconds").and_then(|at| at.millis(0.1, DAY, faults)) {
        chain.pause_ms = pause_ms;
    }
    if let Some(every_ms) = at.get("fallbackEverySeconds").and_then(|at| at.millis(0.1, DAY, faults)) {
        chain.fallback_every_ms = every_ms;
    }
    chain.fallback = at.get("fallback").and_then(|at| receiver(at, known, faults));
    chain
}

fn by_rule(at: At<'_, '_>, faults: &mut Faults) -> BTreeMap<String, u64> {
    let mut rules = BTreeMap::new();
    for (key, at) in at.members(faults) {
        let (instrument, rule) = key.split_once('/').unwrap_or(("any", key));
        if !ids::is_name(instrument) || !ids::is_name(rule) {
            at.fault(faults, Code::Format, "named by a rule, or by an instrument, a slash and a rule");
        }
        if let Some(ms) = at.millis(0.0, 30.0 * DAY, faults) {
            rules.insert(key.to_string(), ms);
        }
    }
    rules
}

fn schedule(at: At<'_, '_>, mut schedule: Schedule, faults: &mut Faults) -> Schedule {
    let members =
        ["delaysSeconds", "thenEverySeconds", "thenForSeconds", "longestRetryAfterSeconds", "passOnFromFailure"];
    if !at.object(faults, &members) {
        return schedule;
    }
    if let Some(delays) = at.get("delaysSeconds") {
        let list = delays.list(faults);
        if list.len() > 100 {
            delays.fault(faults, Code::Range, "at most 100 delays");
        }
        schedule.delays_ms = list.iter().filter_map(|at| at.millis(0.0, WEEK, faults)).collect();
    }
    let every = at.get("thenEverySeconds").and_then(|at| at.millis(0.1, WEEK, faults));
    let span = at.get("thenForSeconds").and_then(|at| at.millis(0.0, 4.0 * WEEK, faults));
    if every.is_some() != span.is_some() && schedule.then.is_none() {
        at.fault(faults, Code::Required, "needs \"thenEverySeconds\" and \"thenForSeconds\", or neither");
    }
    let given = Then { every_ms: every.unwrap_or_default(), for_ms: span.unwrap_or_default() };
    schedule.then = match schedule.then {
        Some(default) => {
            Some(Then { every_ms: every.unwrap_or(default.every_ms), for_ms: span.unwrap_or(default.for_ms) })
        }
        None => (every.is_some() && span.is_some()).then_some(given),
    };
    let within: u64 = schedule.delays_ms.iter().fold(0, |sum, delay_ms| sum.saturating_add(*delay_ms));
    if let Some(then) = schedule.then.filter(|then| within.saturating_add(then.every_ms) > then.for_ms)
        && (every.is_some() || span.is_some())
    {
        let rule = "long enough for one attempt after the delays: \"thenForSeconds\" counts from the first attempt";
        let place = at.get("thenForSeconds").or_else(|| at.get("thenEverySeconds"));
        place.unwrap_or(at).fault(
            faults,
            Code::Conflict,
            alloc::format!("{rule}, at least {}", then.every_ms.saturating_add(within) / 1000),
        );
    }
    if let Some(longest) = at.get("longestRetryAfterSeconds").and_then(|at| at.millis(0.0, DAY, faults)) {
        schedule.longest_retry_after_ms = longest;
    }
    if let Some(from) = at.get("passOnFromFailure").and_then(|at| at.whole(1, 100, faults)) {
        schedule.pass_on_from = Some(from.into());
    }
    schedule
}
