//! Conditions as data: a reviewer can read them, a validator can check them, and the engine can decide them.
//!
//! Guarantee: a condition is *unknown*, neither true nor false, if its result depends on a missing answer. `any` with
//! one true part is true, and `all` with one false part is false, even if other parts are unknown.

use alloc::{boxed::Box, format, string::ToString as _, vec::Vec};

use super::{method::is_sum, names::Names, range::Span};
use crate::reading::{At, Faults};
use crate::{Code, number::NEAR};

/// Bounds and choices for a number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Test {
    pub(crate) at_least: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) at_most: Option<f64>,
    pub(crate) below: Option<f64>,
    pub(crate) one_of: Vec<f64>,
}

impl Test {
    /// Whether `x` passes.
    pub(crate) fn holds(&self, x: f64) -> bool {
        self.at_least.is_none_or(|bound| x >= bound - NEAR)
            && self.above.is_none_or(|bound| x > bound + NEAR)
            && self.at_most.is_none_or(|bound| x <= bound + NEAR)
            && self.below.is_none_or(|bound| x < bound - NEAR)
            && (self.one_of.is_empty() || self.one_of.iter().any(|one| (x - one).abs() <= NEAR))
    }

    /// Whether at least one figure of `span` passes.
    pub(crate) fn possible(&self, span: Span) -> bool {
        if !self.one_of.is_empty() {
            return self.one_of.iter().any(|one| span.contains(*one) && self.holds(*one));
        }
        let low = [Some(span.low), self.at_least, self.above.map(|x| self.step(x, span, 1.0))];
        let high = [Some(span.high), self.at_most, self.below.map(|x| self.step(x, span, -1.0))];
        let low = low.into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
        let high = high.into_iter().flatten().fold(f64::INFINITY, f64::min);
        low <= high && (low < high || self.holds(low))
    }

    /// Whether the test has only lower bounds: if a figure passes, every higher figure passes too.
    pub(crate) fn is_upward(&self) -> bool {
        self.at_most.is_none() && self.below.is_none() && self.one_of.is_empty()
    }

    /// The next figure past a strict bound, for whole figures.
    fn step(&self, bound: f64, span: Span, by: f64) -> f64 {
        if span.whole { bound + by } else { bound }
    }
}

/// The earlier score from which a change is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Previous,
    Baseline,
}

/// The required value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    Choice(Vec<u16>),
    Number(Test),
}

/// A condition, with names resolved to positions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Item {
        item: u16,
        test: Test,
    },
    Unanswered {
        item: u16,
        is: bool,
    },
    Missing {
        items: Vec<u16>,
        test: Test,
    },
    Answered {
        items: Vec<u16>,
        test: Test,
    },
    /// `certain`: also true if the score must pass for all possible values of the missing answers.
    Score {
        score: u16,
        test: Test,
        certain: bool,
    },
    /// `certain`: also true if the flag must be set for all possible values of the missing answers.
    Flag {
        score: u16,
        is: bool,
        certain: bool,
    },
    /// `certain`: also true if the least possible score lies in one of the bands. The score then ends in this band or a
    /// later one.
    Band {
        score: u16,
        bands: Vec<u16>,
        certain: bool,
    },
    Unscored {
        score: u16,
        is: bool,
    },
    Change {
        score: u16,
        since: Since,
        test: Test,
    },
    Parameter {
        parameter: u16,
        given: Given,
    },
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

/// The subjects that a condition may use, by the place where it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A skip: answers only.
    Items,
    /// A case of a score: parameters only.
    Parameters,
    /// A score of the method `flag`: answers, earlier scores and parameters.
    Flag,
    /// An alert rule: answers, scores, changes.
    Rule,
}

impl Scope {
    fn allows(self, subject: &str) -> bool {
        match subject {
            "item" | "missing" | "answered" => self != Scope::Parameters,
            "score" => matches!(self, Scope::Flag | Scope::Rule),
            "change" => self == Scope::Rule,
            "parameter" => matches!(self, Scope::Parameters | Scope::Flag),
            _ => true,
        }
    }
}

const SUBJECTS: [&str; 9] = ["item", "missing", "answered", "score", "change", "parameter", "all", "any", "not"];
const TESTS: [&str; 6] = ["atLeast", "above", "atMost", "below", "is", "in"];

impl Condition {
    /// Reads a condition; `None` when a fault was reported.
    pub(crate) fn read(at: At<'_, '_>, scope: Scope, names: &Names, faults: &mut Faults) -> Option<Condition> {
        let Some(object) = at.value.as_object() else {
            at.fault(faults, Code::Type, "must be a JSON object: a condition");
            return None;
        };
        let mut subjects = SUBJECTS.into_iter().filter(|subject| object.contains_key(*subject));
        // `{"item": "q9", "missing": true}` asks for an item's absence; `{"missing": [...]}` counts.
        let subject = match (subjects.next(), subjects.next(), subjects.next()) {
            (Some(one), None, _) => one,
            (Some("item"), Some("missing" | "answered"), None) => "item",
            (None, ..) => {
                at.fault(faults, Code::Required, format!("a condition has one of: {}", SUBJECTS.join(", ")));
                return None;
            }
            _ => {
                at.fault(faults, Code::Conflict, "a condition has one subject; combine several with all or any");
                return None;
            }
        };
        if !scope.allows(subject) {
            at.fault(faults, Code::Choice, format!("\"{subject}\" cannot be asked here"));
            return None;
        }
        let before = faults.len();
        let (more, tests): (&[&str], &[&str]) = match subject {
            "all" | "any" | "not" => (&[], &[]),
            "item" => (&["missing", "answered"], &TESTS),
            "score" if scope == Scope::Rule => (&["band", "notScored", "certain"], &TESTS),
            "score" => (&["band", "notScored"], &TESTS),
            "change" => (&["since"], &TESTS),
            _ => (&[], &TESTS),
        };
        at.object_of(faults, &[&[subject], more, tests]);
        let found = match subject {
            "all" => Condition::All(parts(at.get("all")?, scope, names, faults)),
            "any" => Condition::Any(parts(at.get("any")?, scope, names, faults)),
            "not" => Condition::Not(Box::new(Condition::read(at.get("not")?, scope, names, faults)?)),
            "item" => read_item(at, names, faults)?,
            "missing" => {
                let items = names.items(at.get("missing")?, faults);
                let test = read_test(at, Some(Span::count(items.len())), faults)?;
                Condition::Missing { items, test }
            }
            "answered" => {
                let items = names.items(at.get("answered")?, faults);
                let test = read_test(at, Some(Span::count(items.len())), faults)?;
                Condition::Answered { items, test }
            }
            "score" => read_score(at, names, faults)?,
            "change" => {
                let subject = at.get("change")?;
                let score = names.score(subject, faults)?;
                if names.span(score).is_none() && names.known(score) {
                    subject.fault(faults, Code::Type, "must be a score that is a number");
                }
                let since = at.need("since", faults)?.choice(&["previous", "baseline"], faults)?;
                let since = if since == 0 { Since::Previous } else { Since::Baseline };
                let span = names.span(score).map(|span| Span {
                    low: span.low - span.high,
                    high: span.high - span.low,
                    whole: span.whole,
                });
                Condition::Change { score, since, test: read_test(at, span, faults)? }
            }
            _ => read_parameter(at, names, faults)?,
        };
        (faults.len() == before).then_some(found)
    }

    /// Whether it uses a change since an earlier response.
    pub(crate) fn asks_for_change(&self) -> bool {
        match self {
            Condition::Change { .. } => true,
            Condition::All(parts) | Condition::Any(parts) => parts.iter().any(Condition::asks_for_change),
            Condition::Not(part) => part.asks_for_change(),
            _ => false,
        }
    }

    /// The parts that are not `all`, `any` or `not` themselves.
    pub(crate) fn leaves(&self) -> Vec<&Condition> {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().flat_map(Condition::leaves).collect(),
            Condition::Not(part) => part.leaves(),
            leaf => Vec::from([leaf]),
        }
    }
}

fn parts(at: At<'_, '_>, scope: Scope, names: &Names, faults: &mut Faults) -> Vec<Condition> {
    at.filled_list(faults).into_iter().filter_map(|part| Condition::read(part, scope, names, faults)).collect()
}

fn read_item(at: At<'_, '_>, names: &Names, faults: &mut Faults) -> Option<Condition> {
    let item = names.item(at.get("item")?, faults)?;
    for (key, unanswered) in [("missing", true), ("answered", false)] {
        if let Some(asked) = at.get(key) {
            let is = asked.flag(faults)? == unanswered;
            return Some(Condition::Unanswered { item, is });
        }
    }
    Some(Condition::Item { item, test: read_test(at, names.item_span(item), faults)? })
}

fn read_score(at: At<'_, '_>, names: &Names, faults: &mut Faults) -> Option<Condition> {
    let subject = at.get("score")?;
    let score = names.score(subject, faults)?;
    let certain_at = at.get("certain");
    let certain = certain_at.as_ref().map_or(Some(false), |at| at.flag(faults))?;
    let certain_at = certain_at.filter(|_| certain);
    if let Some(asked) = &certain_at
        && names.known(score)
        && !is_sum(names.scores(), score)
    {
        asked.fault(faults, Code::Conflict, "only a sum, a mean, a count, or a flag on them is certain before its end");
    }
    if let Some(asked) = at.get("notScored") {
        if let Some(certain) = certain_at {
            certain.fault(faults, Code::Conflict, "an absence of a score is never certain");
        }
        return Some(Condition::Unscored { score, is: asked.flag(faults)? });
    }
    if let Some(asked) = at.get("band") {
        let one = core::slice::from_ref(asked.value);
        let wanted = asked.value.as_array().map_or(one, Vec::as_slice);
        let mut bands = Vec::new();
        for band in wanted {
            match band.as_str().and_then(|band| names.band(score, band)) {
                Some(band) => bands.push(band),
                None if names.known(score) => asked.fault(faults, Code::Unknown, "a band of this score"),
                None => {}
            }
        }
        if let Some(certain) = certain_at
            && bands.contains(&0)
        {
            certain.fault(faults, Code::Conflict, "the lowest band is no finding while answers are missing");
        }
        return Some(Condition::Band { score, bands, certain });
    }
    if let Some(asked) = at.get("is")
        && let Some(is) = asked.value.as_bool()
    {
        if !names.is_flag(score) && names.known(score) {
            asked.fault(faults, Code::Type, "must be a number: this score is not a flag");
        }
        if let Some(certain) = certain_at.filter(|_| !is) {
            certain.fault(faults, Code::Conflict, "only what is true is certain before its end");
        }
        return Some(Condition::Flag { score, is, certain });
    }
    if names.known(score) && names.span(score).is_none() {
        subject.fault(faults, Code::Type, "must be a score that is a number");
        return None;
    }
    let test = read_test(at, names.span(score), faults)?;
    if let Some(certain) = certain_at {
        if !test.is_upward() {
            certain.fault(faults, Code::Conflict, "only \"atLeast\" or \"above\": missing answers can add to a score");
        } else if names.span(score).is_some_and(|span| test.holds(span.low)) {
            certain.fault(faults, Code::Conflict, "always true: the lowest score passes");
        }
    }
    Some(Condition::Score { score, test, certain })
}

fn read_parameter(at: At<'_, '_>, names: &Names, faults: &mut Faults) -> Option<Condition> {
    let parameter = names.parameter(at.get("parameter")?, faults)?;
    if !names.known_parameter(parameter) {
        return None;
    }
    let choices = names.choices(parameter);
    if choices.is_empty() {
        let span = names.parameter_span(parameter);
        return Some(Condition::Parameter { parameter, given: Given::Number(read_test(at, span, faults)?) });
    }
    let asked = at.get("is").or_else(|| at.get("in"));
    let Some(asked) = asked else {
        at.fault(faults, Code::Required, "needs \"is\" or \"in\"");
        return None;
    };
    let one = core::slice::from_ref(asked.value);
    let mut wanted = Vec::new();
    for choice in asked.value.as_array().map_or(one, Vec::as_slice) {
        let position = choice.as_str().and_then(|choice| choices.iter().position(|known| *known == choice));
        match position.and_then(|position| u16::try_from(position).ok()) {
            Some(position) => wanted.push(position),
            None => asked.fault(faults, Code::Choice, format!("must be one of {}", choices.join(", "))),
        }
    }
    Some(Condition::Parameter { parameter, given: Given::Choice(wanted) })
}

/// Reads the bounds in `at`. Reports if there are none, or if no figure of `span` can pass them.
pub(crate) fn read_test(at: At<'_, '_>, span: Option<Span>, faults: &mut Faults) -> Option<Test> {
    let before = faults.len();
    let mut number = |key: &str| at.get(key).and_then(|at| at.number(faults));
    let mut test = Test {
        at_least: number("atLeast"),
        above: number("above"),
        at_most: number("atMost"),
        below: number("below"),
        one_of: number("is").into_iter().collect(),
    };
    if let Some(list) = at.get("in") {
        test.one_of.extend(list.numbers(faults));
    }
    if faults.len() > before {
        return None;
    }
    if test == Test::default() {
        at.fault(faults, Code::Required, format!("a test has one of: {}", TESTS.join(", ")));
        return None;
    }
    if let Some(span) = span
        && !test.possible(span)
    {
        let (low, high) = (span.low.to_string(), span.high.to_string());
        at.fault(faults, Code::Conflict, format!("never true: the figure lies between {low} and {high}"));
        return None;
    }
    Some(test)
}
