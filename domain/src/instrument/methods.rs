//! Parses the methods of scores.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    condition::{Condition, Scope, read_test},
    item::{Item, values_of},
    method::{Assume, Case, Combine, Complete, Key, Method, ScoreDef, Source, Term},
    range::Span,
    scores::{Reader, read_bands},
    value_set,
};
use crate::Code;
use crate::reading::At;

/// The members of each method.
pub(crate) const MEMBERS: [(&str, &[&str]); 7] = [
    ("sum", &["items", "scores", "terms", "reverse", "complete", "fill", "require", "assume", "rescale", "linear"]),
    ("mean", &["items", "scores", "terms", "reverse", "complete", "require", "assume", "rescale", "linear"]),
    ("count", &["count", "rescale", "linear"]),
    ("flag", &["when"]),
    ("band", &["score", "show", "bands"]),
    ("profile", &["items", "missing"]),
    ("lookup", &["keys", "values", "assume", "linear"]),
];

/// Reads the method `name`.
pub(crate) fn read(reader: &mut Reader, at: At<'_, '_>, name: &str) -> Option<Method> {
    match name {
        "sum" | "mean" => combine(reader, at, name == "mean").map(Method::Combine),
        "count" => count(reader, at),
        "flag" => {
            let when = at.need("when", reader.faults)?;
            Condition::read(when, Scope::Flag, reader.names, reader.faults).map(Method::Flag)
        }
        "band" => band(reader, at),
        "profile" => {
            let items = at.need("items", reader.faults)?;
            let items = reader.names.items(items, reader.faults);
            let missing = at.need("missing", reader.faults)?.words(reader.faults)?;
            Some(Method::Profile { items, missing: missing.to_string() })
        }
        _ => lookup(reader, at),
    }
}

fn combine(reader: &mut Reader, at: At<'_, '_>, mean: bool) -> Option<Combine> {
    let before = reader.faults.len();
    let mut terms: Vec<Term> = Vec::new();
    if let Some(items) = at.get("items") {
        terms.extend(reader.names.items(items, reader.faults).into_iter().map(|item| Term::plain(Source::Item(item))));
    }
    if let Some(scores) = at.get("scores") {
        for score in scores.filled_list(reader.faults) {
            terms.extend(number_score(reader, score).map(|score| Term::plain(Source::Score(score))));
        }
    }
    if let Some(list) = at.get("terms") {
        for term in list.filled_list(reader.faults) {
            terms.extend(read_term(reader, term));
        }
    }
    if let Some(reverse) = at.get("reverse") {
        for item in reader.names.items(reverse, reader.faults) {
            let mirror = reader.mirror(Source::Item(item));
            match terms.iter_mut().find(|term| term.source == Source::Item(item)) {
                Some(term) => term.mirror = mirror,
                None => reverse.fault(reader.faults, Code::Conflict, "only items of this score are reversed"),
            }
        }
    }
    for (n, term) in terms.iter().enumerate() {
        if terms.iter().take(n).any(|earlier| earlier.source == term.source) {
            at.fault(reader.faults, Code::Conflict, "each item and each score is a term once");
        }
    }
    if terms.is_empty() && reader.faults.len() == before {
        at.fault(reader.faults, Code::Required, "needs \"items\", \"scores\" or \"terms\"");
    }
    let of = u16::try_from(terms.len()).unwrap_or(u16::MAX);
    let complete = match at.get("complete") {
        Some(complete) => read_complete(reader, complete, of)?,
        None => Complete::All,
    };
    if let Some(fill) = at.get("fill") {
        fill.choice(&["mean"], reader.faults);
    }
    // A sum over fewer terms has another scale, so the definition must say that the mean replaces missing terms.
    if !mean && complete != Complete::All {
        if at.get("fill").is_none() && reader.faults.len() == before {
            at.fault(reader.faults, Code::Required, "a sum with missing terms says \"fill\": \"mean\"");
        }
        let weights = terms.windows(2).all(|pair| matches!(pair, [a, b] if a.weight == b.weight));
        if !weights {
            at.fault(reader.faults, Code::Conflict, "terms of unequal weight cannot be filled with their mean");
        }
    }
    let require = match at.get("require") {
        Some(require) if require.object(reader.faults, &["items", "complete"]) => {
            let items = require.need("items", reader.faults)?;
            let items = reader.names.items(items, reader.faults);
            let of = u16::try_from(items.len()).unwrap_or(u16::MAX);
            let complete = require.need("complete", reader.faults)?;
            Some((items, read_complete(reader, complete, of)?))
        }
        _ => None,
    };
    let assume = read_assume(reader, at);
    let is_plain = |term: &Term| *term == Term::plain(term.source) && matches!(term.source, Source::Item(_));
    let plain = assume.is_empty() && require.is_none() && terms.iter().all(is_plain);
    Some(Combine { mean, terms, complete, require, assume, plain })
}

fn number_score(reader: &mut Reader, at: At<'_, '_>) -> Option<u16> {
    let score = reader.names.score(at, reader.faults)?;
    if reader.names.known(score) && reader.names.span(score).is_none() {
        at.fault(reader.faults, Code::Type, "must be a score that is a number");
        return None;
    }
    Some(score)
}

fn read_term(reader: &mut Reader, at: At<'_, '_>) -> Option<Term> {
    if !at.object(reader.faults, &["item", "score", "weight", "reverse", "recode", "rounded"]) {
        return None;
    }
    let source = match (at.get("item"), at.get("score")) {
        (Some(item), None) => Source::Item(reader.names.item(item, reader.faults)?),
        (None, Some(score)) => Source::Score(number_score(reader, score)?),
        _ => {
            at.fault(reader.faults, Code::Required, "needs either \"item\" or \"score\"");
            return None;
        }
    };
    let mut term = Term::plain(source);
    if let Some(weight) = at.get("weight") {
        term.weight = weight.number(reader.faults)?;
        if term.weight == 0.0 {
            weight.fault(reader.faults, Code::Range, "must be a weight that is not 0");
        }
    }
    if let Some(reverse) = at.get("reverse")
        && reverse.flag(reader.faults)?
    {
        term.mirror = reader.mirror(source);
    }
    if let Some(rounded) = at.get("rounded") {
        term.rounded = rounded.flag(reader.faults)?;
    }
    if let Some(recode) = at.get("recode") {
        if term.mirror.is_some() {
            recode.fault(reader.faults, Code::Conflict, "either \"reverse\" or \"recode\"");
        }
        for pair in recode.filled_list(reader.faults) {
            match pair.numbers(reader.faults).as_slice() {
                [from, to] if !term.recode.iter().any(|(known, _)| known == from) => term.recode.push((*from, *to)),
                _ => pair.fault(reader.faults, Code::Range, "must be two numbers, each first one once"),
            }
        }
    }
    Some(term)
}

/// Reads how many of `of` things must be answered.
fn read_complete(reader: &mut Reader, at: At<'_, '_>, of: u16) -> Option<Complete> {
    if at.value.is_string() {
        let found = at.choice(&["all", "any", "half", "moreThanHalf"], reader.faults)?;
        return [Complete::All, Complete::Any, Complete::Half, Complete::MoreThanHalf].get(found).copied();
    }
    if !at.object(reader.faults, &["missingAtMost", "answeredAtLeast", "answeredShareAbove"]) {
        return None;
    }
    if at.value.as_object().is_some_and(|rule| rule.len() != 1) {
        at.fault(reader.faults, Code::Conflict, "one rule");
        return None;
    }
    if let Some(most) = at.get("missingAtMost") {
        return most.whole(0, of.saturating_sub(1), reader.faults).map(Complete::MissingAtMost);
    }
    if let Some(least) = at.get("answeredAtLeast") {
        return least.whole(1, of.max(1), reader.faults).map(Complete::AnsweredAtLeast);
    }
    let share_at = at.get("answeredShareAbove")?;
    let share = share_at.number(reader.faults)?;
    if !(0.0..1.0).contains(&share) {
        share_at.fault(reader.faults, Code::Range, "must be a share from 0 to below 1");
        return None;
    }
    Some(Complete::ShareAbove(share))
}

fn read_assume(reader: &mut Reader, at: At<'_, '_>) -> Vec<Assume> {
    let Some(list) = at.get("assume") else { return Vec::new() };
    let mut assume = Vec::new();
    for element in list.filled_list(reader.faults) {
        if !element.object(reader.faults, &["when", "items", "counts"]) {
            continue;
        }
        let when = element.need("when", reader.faults);
        let when = when.and_then(|when| Condition::read(when, Scope::Flag, reader.names, reader.faults));
        let items = element.need("items", reader.faults);
        let items = items.map(|items| reader.names.items(items, reader.faults));
        let counts = element.need("counts", reader.faults).and_then(|at| at.number(reader.faults));
        if let (Some(when), Some(items), Some(counts)) = (when, items, counts) {
            assume.push(Assume { when, items, counts });
        }
    }
    assume
}

fn count(reader: &mut Reader, at: At<'_, '_>) -> Option<Method> {
    let mut tests = Vec::new();
    for element in at.need("count", reader.faults)?.filled_list(reader.faults) {
        if !element.object(reader.faults, &["items", "atLeast", "above", "atMost", "below", "is", "in"]) {
            continue;
        }
        let Some(list) = element.need("items", reader.faults) else { continue };
        let items = reader.names.items(list, reader.faults);
        let span = items.iter().filter_map(|item| reader.names.item_span(*item)).reduce(Span::join);
        let Some(test) = read_test(element, span, reader.faults) else { continue };
        for item in items {
            if tests.iter().any(|(known, _)| *known == item) {
                list.fault(reader.faults, Code::Conflict, "an item is counted once");
            }
            tests.push((item, test.clone()));
        }
    }
    Some(Method::Count { tests })
}

fn band(reader: &mut Reader, at: At<'_, '_>) -> Option<Method> {
    let score_at = at.need("score", reader.faults)?;
    let score = number_score(reader, score_at)?;
    let label = match at.get("show") {
        Some(show) => show.choice(&["id", "label"], reader.faults)? == 1,
        None => false,
    };
    let bands = match at.get("bands") {
        Some(bands) => read_bands(bands, reader.names.span(score), reader.faults),
        None if reader.names.known(score) && !reader.names.has_bands(score) => {
            score_at.fault(reader.faults, Code::Conflict, "a score with bands");
            return None;
        }
        None => Vec::new(),
    };
    Some(Method::Band { score, bands, label })
}

fn lookup(reader: &mut Reader, at: At<'_, '_>) -> Option<Method> {
    let before = reader.faults.len();
    let mut keys = Vec::new();
    let (mut cells, mut sized) = (Some(1usize), true);
    for element in at.need("keys", reader.faults)?.filled_list(reader.faults) {
        if !element.object(reader.faults, &["item", "score"]) {
            continue;
        }
        let (source, span) = match (element.get("item"), element.get("score")) {
            (Some(item), None) => {
                let Some(item) = reader.names.item(item, reader.faults) else { continue };
                (Source::Item(item), reader.counted(item))
            }
            (None, Some(score)) => {
                let Some(score) = number_score(reader, score) else { continue };
                (Source::Score(score), reader.names.span(score))
            }
            _ => {
                element.fault(reader.faults, Code::Required, "needs either \"item\" or \"score\"");
                continue;
            }
        };
        let Some(span) = span else {
            // The score of the key has a fault of its own, so the expected number of values is unknown.
            sized = false;
            continue;
        };
        let size = span.high - span.low + 1.0;
        if !span.whole || !(1.0..=100_000.0).contains(&size) {
            element.fault(reader.faults, Code::Conflict, "a key takes whole numbers, at most 100,000 of them");
            continue;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 1 to 100,000")]
        let size = size as usize;
        cells = cells.and_then(|cells| cells.checked_mul(size));
        keys.push(Key { source, from: span.low, size });
    }
    let values_at = at.need("values", reader.faults)?;
    let mut values = Vec::new();
    for value in values_at.list(reader.faults) {
        values.push(if value.value.is_null() { None } else { value.number(reader.faults) });
    }
    let assume = read_assume(reader, at);
    if sized && reader.faults.len() == before && cells != Some(values.len()) {
        let cells = cells.map_or_else(|| String::from("countless"), |cells| cells.to_string());
        values_at.fault(reader.faults, Code::Range, format!("one value for each combination of keys: {cells}"));
    }
    Some(Method::Lookup { keys, values, assume })
}

/// Reads a score with the method `index`: it gives one score for each value set.
pub(crate) fn index(reader: &mut Reader, at: At<'_, '_>, id: &str) -> Option<Vec<ScoreDef>> {
    let items_at = at.need("items", reader.faults);
    let items = items_at.map(|items| reader.names.items(items, reader.faults)).unwrap_or_default();
    let parameter_at = at.need("parameter", reader.faults);
    let parameter = parameter_at.and_then(|at| reader.names.parameter(at, reader.faults));
    let choices: Vec<String> = parameter.iter().flat_map(|p| reader.names.choices(*p)).map(String::from).collect();
    let mut levels = Vec::new();
    for item in &items {
        let item = reader.items.get(usize::from(*item)).filter(|item| !item.faulty);
        let values = item.map(values_of)?;
        let rising = values.windows(2).all(|pair| matches!(pair, [a, b] if *b == a + 1.0));
        if values.first() != Some(&1.0) || values.len() < 2 || !rising {
            at.fault(reader.faults, Code::Conflict, "dimensions of an index have the levels 1, 2, ...");
        }
        levels.push(values.len());
    }
    let crosswalk = match at.get("crosswalk") {
        Some(crosswalk) => Some(value_set::read_crosswalk(crosswalk, &levels, reader.faults)?),
        None => None,
    };
    let dimensions = value_set::Dimensions { items: items.clone(), levels, crosswalk };
    let mut defs = Vec::new();
    for (name, set) in at.need("sets", reader.faults)?.members(reader.faults) {
        let choice = choices.iter().position(|choice| choice == name);
        let choice = choice.and_then(|position| u16::try_from(position).ok());
        if choice.is_none() && parameter.is_some_and(|parameter| reader.names.known_parameter(parameter)) {
            set.fault(reader.faults, Code::Unknown, "the parameter has no such choice");
        }
        let Some(read) = value_set::read(reader, set, &dimensions) else { continue };
        let leaves = items.clone();
        let case = Case { when: None, method: Method::Index(read), linear: Vec::new(), leaves, scores: Vec::new() };
        let source = set.value.get("source").and_then(|source| source.as_str()).map(String::from);
        let mut def = ScoreDef {
            cases: Vec::from([case]),
            only: parameter.zip(choice),
            source,
            ..ScoreDef::faulty(&format!("{id}.{name}"))
        };
        reader.finish(at, &mut def);
        defs.push(def);
    }
    Some(defs)
}

/// The figures that a case can give after its linear steps; `None` for flags and texts.
pub(crate) fn span(reader: &Reader, case: &Case) -> Option<Span> {
    let span = match &case.method {
        Method::Combine(combine) => combine_span(reader, combine)?,
        Method::Count { tests } => Span::count(tests.len()),
        Method::Lookup { values, .. } => Span::of(values.iter().flatten().copied())?,
        Method::Index(set) => value_set::span(set),
        Method::Flag(_) | Method::Band { .. } | Method::Profile { .. } => return None,
    };
    let steps = case.linear.iter();
    Some(steps.fold(span, |span, (less, factor, add)| span.linear(1.0, -less).linear(*factor, *add)))
}

fn combine_span(reader: &Reader, combine: &Combine) -> Option<Span> {
    let mut spans = Vec::with_capacity(combine.terms.len());
    for term in &combine.terms {
        let mut span = match term.source {
            Source::Item(item) => reader.counted(item)?,
            Source::Score(score) => reader.names.span(score)?,
        };
        if let Some(mirror) = term.mirror {
            span = span.linear(-1.0, mirror);
        }
        if let Some(recoded) = Span::of(term.recode.iter().map(|(_, to)| *to)) {
            span = recoded;
        }
        for assume in combine.assume.iter().filter(|a| a.items.iter().any(|i| Source::Item(*i) == term.source)) {
            span = span.join(Span { low: assume.counts, high: assume.counts, whole: true });
        }
        spans.push((span, term.weight));
    }
    if combine.mean {
        let span = spans.iter().map(|(span, _)| *span).reduce(Span::join)?;
        return Some(Span { whole: span.whole && spans.len() == 1, ..span });
    }
    let whole = combine.complete == Complete::All;
    let none = Span { low: 0.0, high: 0.0, whole };
    let add = |sum: Span, one: Span| Span {
        low: sum.low + one.low,
        high: sum.high + one.high,
        whole: sum.whole && one.whole,
    };
    Some(spans.iter().fold(none, |sum, (span, weight)| add(sum, span.linear(*weight, 0.0))))
}

impl Term {
    pub(crate) fn plain(source: Source) -> Term {
        Term { source, weight: 1.0, mirror: None, recode: Vec::new(), rounded: false }
    }
}

impl Reader<'_, '_> {
    fn counted(&self, item: u16) -> Option<Span> {
        self.items.get(usize::from(item)).filter(|item| !item.faulty).map(Item::counted_span)
    }

    /// The sum of the lowest and the highest figure: `mirror - x` reverses the scale.
    fn mirror(&self, source: Source) -> Option<f64> {
        let span = match source {
            Source::Item(item) => self.counted(item),
            Source::Score(score) => self.names.span(score),
        };
        span.map(|span| span.low + span.high)
    }

    /// The items and the scores that `method` depends on, including items of those scores.
    pub(crate) fn rests_on(&self, method: &Method) -> (Vec<u16>, Vec<u16>) {
        let (mut items, mut scores): (Vec<u16>, Vec<u16>) = (Vec::new(), Vec::new());
        let mut source = |source: Source| match source {
            Source::Item(item) => items.push(item),
            Source::Score(score) => scores.push(score),
        };
        match method {
            Method::Combine(combine) => combine.terms.iter().for_each(|term| source(term.source)),
            Method::Lookup { keys, .. } => keys.iter().for_each(|key| source(key.source)),
            Method::Count { tests } => items.extend(tests.iter().map(|(item, _)| *item)),
            Method::Band { score, .. } => scores.push(*score),
            Method::Profile { items: of, .. } => items.extend(of),
            Method::Index(set) => items.extend(&set.items),
            Method::Flag(condition) => {
                for leaf in condition.leaves() {
                    match leaf {
                        Condition::Item { item, .. } | Condition::Unanswered { item, .. } => items.push(*item),
                        Condition::Missing { items: of, .. } | Condition::Answered { items: of, .. } => {
                            items.extend(of);
                        }
                        Condition::Score { score, .. }
                        | Condition::Flag { score, .. }
                        | Condition::Band { score, .. }
                        | Condition::Unscored { score, .. } => scores.push(*score),
                        _ => {}
                    }
                }
            }
        }
        let below = scores.iter().filter_map(|score| self.names.scores().get(usize::from(*score)));
        items.extend(below.flat_map(|def| &def.cases).flat_map(|case| case.leaves.iter().copied()));
        items.sort_unstable();
        items.dedup();
        (items, scores)
    }
}
