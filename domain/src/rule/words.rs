//! The reason of an alert, in words.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use crate::{
    Instrument,
    instrument::condition::{Condition, Since, Test},
    number::figure,
    score::{Known, answers::Slot, evaluate::band},
};

/// The reason why `condition` holds.
pub(crate) fn reason(instrument: &Instrument, known: &Known, condition: &Condition) -> String {
    let item = |item: u16| instrument.items.get(usize::from(item)).map_or("", |item| item.id.as_str());
    let score = |score: u16| instrument.scores.get(usize::from(score)).map_or("", |score| score.id.as_str());
    let part = |part: &Condition| reason(instrument, known, part);
    match condition {
        Condition::Item { item: id, test } => match known.answers.slot(*id) {
            Slot::Answered { raw, .. } => format!("item {} is {}, rule: {}", item(*id), figure(raw), words(test)),
            _ => format!("item {} is missing", item(*id)),
        },
        Condition::Unanswered { item: id, .. } => match known.answers.slot(*id) {
            Slot::Missing => format!("item {} is missing", item(*id)),
            Slot::Answered { .. } => format!("item {} is answered", item(*id)),
            Slot::Skipped { .. } => format!("item {} is skipped", item(*id)),
        },
        Condition::Missing { items, test } => {
            let n = known.count(items, |slot| matches!(slot, Slot::Missing));
            format!("{n} of {} items missing, rule: {}", items.len(), words(test))
        }
        Condition::Answered { items, test } => {
            let n = known.count(items, |slot| matches!(slot, Slot::Answered { .. }));
            format!("{n} of {} items answered, rule: {}", items.len(), words(test))
        }
        Condition::Score { score: id, test, certain } => {
            let certain = *certain || (known.certain && test.is_upward());
            let least = certain.then(|| at_least(known, *id)).flatten();
            match (least, known.score(*id).and_then(|score| score.exact())) {
                (Some(least), _) => format!("score {} is {}, rule: {}", score(*id), least.told(""), words(test)),
                (None, Some(x)) => format!("score {} is {}, rule: {}", score(*id), figure(x), words(test)),
                (None, None) => format!("score {} has no value", score(*id)),
            }
        }
        Condition::Flag { score: id, is, .. } => {
            let flag = known.score(*id).and_then(|score| score.flag());
            match known.certain_flag(*id).filter(|_| flag.is_none()) {
                Some((condition, known)) => {
                    format!("score {} is certain: {}", score(*id), reason(instrument, &known, condition))
                }
                None => format!("score {} is {}", score(*id), if *is { "true" } else { "false" }),
            }
        }
        Condition::Band { score: id, bands, certain } => {
            let found = known.score(*id);
            let all = instrument.scores.get(usize::from(*id)).map(|def| def.bands.as_slice()).unwrap_or_default();
            let is = match certain.then(|| at_least(known, *id)).flatten() {
                Some(least) => {
                    let band = band(all, least.figure).map(|band| band.id.as_str()).unwrap_or_default();
                    let last = all.last().is_some_and(|last| last.id == band);
                    least.told(&format!(" ({band}{})", if last { "" } else { " or beyond" }))
                }
                None => {
                    let value = found.and_then(|score| score.exact()).map(figure).unwrap_or_default();
                    format!("{value} ({})", found.and_then(|score| score.band).unwrap_or_default())
                }
            };
            let named = bands.iter().filter_map(|band| all.get(usize::from(*band)));
            let named: Vec<&str> = named.map(|band| band.id.as_str()).collect();
            format!("score {} is {is}, rule: band {}", score(*id), named.join(" or "))
        }
        Condition::Unscored { score: id, is } => {
            format!("score {} has {} value", score(*id), if *is { "no" } else { "a" })
        }
        Condition::Change { score: id, since, test } => {
            let (now, then) = known.change(*id, *since).unwrap_or_default();
            let history = known.history;
            let (since, elsewhere) = match since {
                Since::Previous => ("the previous response", history.is_some_and(|history| history.previous_elsewhere)),
                Since::Baseline => ("baseline", history.is_some_and(|history| history.baseline_elsewhere)),
            };
            let (by, elsewhere) = match elsewhere {
                true => (String::new(), ", which is of another site"),
                false => (format!(" by {}", figure(now - then)), ""),
            };
            let (score, now, rule) = (score(*id), figure(now), words(test));
            format!("score {score} changed{by} since {since}{elsewhere}, to {now}, rule: {rule}")
        }
        Condition::Parameter { .. } => String::from("the parameters are as the rule asks"),
        Condition::All(parts) => parts.iter().map(part).collect::<Vec<_>>().join(" and "),
        // Only parts that hold are reasons.
        Condition::Any(parts) => {
            let held = parts.iter().filter(|part| known.holds(part) == Some(true));
            held.map(part).collect::<Vec<_>>().join(" and ")
        }
        Condition::Not(denied) => format!("not so: {}", part(denied)),
    }
}

/// The least possible figure of a score with missing answers.
struct AtLeast {
    figure: f64,
    missing: u16,
}

/// The least possible figure of a score, if it says more than the score itself.
fn at_least(known: &Known, score: u16) -> Option<AtLeast> {
    let found = known.score(score)?;
    let figure = known.least(score).filter(|least| found.exact().is_none_or(|exact| *least > exact))?;
    Some(AtLeast { figure, missing: found.missing })
}

impl AtLeast {
    /// The text, such as "at least 15 (severe) with 3 answers missing".
    fn told(&self, band: &str) -> String {
        let answers = if self.missing == 1 { "answer" } else { "answers" };
        format!("at least {}{band} with {} {answers} missing", figure(self.figure), self.missing)
    }
}

/// The requirement of a test, such as "3 or more".
pub(crate) fn words(test: &Test) -> String {
    let mut words = Vec::new();
    let mut add = |bound: Option<f64>, before: &str, after: &str| {
        words.extend(bound.map(|bound| format!("{before}{bound}{after}")));
    };
    add(test.at_least, "", " or more");
    add(test.above, "more than ", "");
    add(test.at_most, "", " or less");
    add(test.below, "less than ", "");
    match test.one_of.as_slice() {
        [] => {}
        [one] => words.push(format!("exactly {one}")),
        many => words.push(format!("one of {}", many.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))),
    }
    words.join(", ")
}
