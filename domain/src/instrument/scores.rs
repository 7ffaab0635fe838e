//! Parses scores: shape, names, ranges and bands.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    condition::{Condition, Scope},
    item::Item,
    method::{Band, Case, Method, ScoreDef},
    methods,
    names::{Names, Shape},
    range::Span,
};
use crate::reading::{At, Faults};
use crate::{
    Code,
    number::{Mode, NEAR, Rounding},
};

/// The state that is needed to read a score.
pub(crate) struct Reader<'r, 'n> {
    pub(crate) items: &'n [Item],
    pub(crate) names: &'r mut Names<'n>,
    pub(crate) faults: &'r mut Faults,
    /// The number of faults before the score that is being read.
    pub(crate) before: usize,
}

/// Members every score may have.
const COMMON: [&str; 10] = ["id", "title", "method", "cases", "bands", "bandOn", "round", "range", "note", "source"];

/// The ids of all scores. They distinguish a later score from an unknown one.
pub(crate) fn ids<'v>(at: At<'v, '_>) -> Vec<&'v str> {
    let scores = at.value.as_array().map(Vec::as_slice).unwrap_or_default();
    scores.iter().filter_map(|score| score.get("id")?.as_str()).collect()
}

impl Reader<'_, '_> {
    /// Reads the list of scores.
    pub(crate) fn read(&mut self, at: At<'_, '_>) {
        for score in at.filled_list(self.faults) {
            self.before = self.faults.len();
            let Some(id) = self.id(score) else { continue };
            let defs = self.score(score, id).unwrap_or_default();
            let faulty = self.faulty() || defs.is_empty();
            if faulty {
                // The name stays known, so that references to it do not report this fault again.
                self.names.add_score(ScoreDef::faulty(id), Shape::Faulty);
            } else {
                for def in defs {
                    let shape = if self.rests_on_faults(&def) { Shape::Faulty } else { def.shape() };
                    self.names.add_score(def, shape);
                }
            }
        }
    }

    /// Whether the score that is being read already has a fault. Consequences of it are not reported again.
    pub(crate) fn faulty(&self) -> bool {
        self.faults.len() > self.before
    }

    /// Whether this score depends on an item or a score with a fault. Its range is not known then.
    fn rests_on_faults(&self, def: &ScoreDef) -> bool {
        let item = |item: &u16| self.items.get(usize::from(*item)).is_none_or(|item| item.faulty);
        let score = |score: &u16| !self.names.known(*score);
        def.cases.iter().any(|case| case.leaves.iter().any(item) || case.scores.iter().any(score))
    }

    fn id<'v>(&mut self, at: At<'v, '_>) -> Option<&'v str> {
        if !at.value.is_object() {
            at.fault(self.faults, Code::Type, "must be a JSON object");
            return None;
        }
        let id_at = at.need("id", self.faults)?;
        let id = id_at.name(self.faults)?;
        if self.names.scores().iter().any(|known| known.id == id) {
            id_at.fault(self.faults, Code::Conflict, "a score is defined once");
            return None;
        }
        Some(id)
    }

    fn score(&mut self, at: At<'_, '_>, id: &str) -> Option<Vec<ScoreDef>> {
        for key in ["title", "note", "source"] {
            if let Some(words) = at.get(key) {
                words.words(self.faults);
            }
        }
        if at.value.get("method").and_then(|method| method.as_str()) == Some("index") {
            at.object_of(self.faults, &[&COMMON, &["items", "parameter", "crosswalk", "sets"]]);
            return methods::index(self, at, id);
        }
        let cases = self.cases(at)?;
        let mut def = ScoreDef { cases, ..ScoreDef::faulty(id) };
        self.finish(at, &mut def);
        Some(Vec::from([def]))
    }

    fn cases(&mut self, at: At<'_, '_>) -> Option<Vec<Case>> {
        let Some(list) = at.get("cases") else {
            let method = at.need("method", self.faults)?;
            return Some(Vec::from([self.case(at, method, None, &COMMON)?]));
        };
        if at.get("method").is_some() {
            at.fault(self.faults, Code::Conflict, "either \"method\" or \"cases\"");
        }
        at.object(self.faults, &COMMON);
        let mut cases = Vec::new();
        for case in list.filled_list(self.faults) {
            let when = case
                .need("when", self.faults)
                .and_then(|when| Condition::read(when, Scope::Parameters, self.names, self.faults));
            let Some(method) = case.need("method", self.faults) else { continue };
            cases.extend(self.case(case, method, when, &["when", "method"]));
        }
        (!cases.is_empty()).then_some(cases)
    }

    fn case(&mut self, at: At<'_, '_>, method: At<'_, '_>, when: Option<Condition>, also: &[&str]) -> Option<Case> {
        let name = method.text(self.faults)?;
        let Some((_, members)) = methods::MEMBERS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = methods::MEMBERS.iter().map(|(known, _)| *known).collect();
            method.fault(self.faults, Code::Choice, format!("must be one of {}, index", known.join(", ")));
            return None;
        };
        at.object_of(self.faults, &[also, members]);
        let method = methods::read(self, at, name)?;
        let linear = self.linear(at);
        let (leaves, scores) = self.rests_on(&method);
        Some(Case { when, method, linear, leaves, scores })
    }

    /// `rescale` and `linear`, as factors and offsets.
    fn linear(&mut self, at: At<'_, '_>) -> Vec<(f64, f64, f64)> {
        let mut steps = Vec::new();
        if let Some(rescale) = at.get("rescale")
            && rescale.object(self.faults, &["from", "to"])
        {
            let from = rescale.need("from", self.faults).and_then(|at| at.pair(false, self.faults));
            let to = rescale.need("to", self.faults).and_then(|at| at.pair(true, self.faults));
            if let (Some(from), Some(to)) = (from, to) {
                // Subtract `from.0` first: then the lowest figure is exact, and the highest too if possible.
                steps.push((from.0, (to.1 - to.0) / (from.1 - from.0), to.0));
            }
        }
        if let Some(linear) = at.get("linear")
            && linear.object(self.faults, &["multiply", "add"])
        {
            let multiply = linear.get("multiply").map_or(Some(1.0), |at| at.number(self.faults));
            let add = linear.get("add").map_or(Some(0.0), |at| at.number(self.faults));
            if multiply == Some(0.0) {
                linear.fault(self.faults, Code::Range, "must be a factor that is not 0");
            }
            steps.extend(multiply.zip(add).map(|(multiply, add)| (0.0, multiply, add)));
        }
        steps
    }

    /// Reads range, rounding and bands, which apply to all cases.
    pub(crate) fn finish(&mut self, at: At<'_, '_>, def: &mut ScoreDef) {
        def.title = at.get("title").and_then(|at| at.value.as_str()).map(String::from);
        def.source = def.source.take().or_else(|| at.get("source")?.value.as_str().map(String::from));
        let spans: Vec<Option<Span>> = def.cases.iter().map(|case| methods::span(self, case)).collect();
        def.span = spans.into_iter().reduce(|all, one| Some(all?.join(one?))).flatten();
        self.range(at, def);
        if let Some(round) = at.get("round") {
            def.rounding = self.rounding(round);
            if def.span.is_none() && !self.faulty() && !self.rests_on_faults(def) {
                round.fault(self.faults, Code::Conflict, "only a number is rounded");
            }
        }
        if let Some(on) = at.get("bandOn") {
            def.band_rounded = on.choice(&["unrounded", "rounded"], self.faults) == Some(1);
        }
        if let Some(bands) = at.get("bands")
            && !matches!(def.cases.first().map(|case| &case.method), Some(Method::Band { .. }))
        {
            match def.span {
                _ if self.faulty() || self.rests_on_faults(def) => def.bands = read_bands(bands, None, self.faults),
                Some(span) => def.bands = read_bands(bands, Some(span), self.faults),
                None => bands.fault(self.faults, Code::Conflict, "only a number has bands"),
            }
        }
    }

    fn range(&mut self, at: At<'_, '_>, def: &mut ScoreDef) {
        let Some(declared) = at.get("range") else { return };
        let faulty = self.faulty() || self.rests_on_faults(def);
        let Some((low, high)) = declared.pair(false, self.faults) else { return };
        match def.span {
            _ if faulty => {}
            None => declared.fault(self.faults, Code::Conflict, "only a number has a range"),
            Some(span) if (span.low - low).abs() > 1e-6 || (span.high - high).abs() > 1e-6 => {
                let (low, high) = (span.low, span.high);
                declared.fault(self.faults, Code::Conflict, format!("the answers allow {low} to {high}"));
            }
            Some(span) => def.span = Some(Span { low, high, ..span }),
        }
    }

    fn rounding(&mut self, at: At<'_, '_>) -> Option<Rounding> {
        if !at.object(self.faults, &["digits", "mode"]) {
            return None;
        }
        let digits = at.need("digits", self.faults).and_then(|at| at.whole(0, 6, self.faults));
        let modes = ["half-away-from-zero", "half-even", "down", "up"];
        let mode = at.need("mode", self.faults).and_then(|at| at.choice(&modes, self.faults));
        let mode = match mode? {
            0 => Mode::HalfAwayFromZero,
            1 => Mode::HalfEven,
            2 => Mode::Down,
            _ => Mode::Up,
        };
        Some(Rounding { digits: digits?, mode })
    }
}

/// Reads bands: each `from` (inclusive) up to `below` (exclusive). They must be in order and cover all of `span`,
/// without overlap or gap.
pub(crate) fn read_bands(at: At<'_, '_>, span: Option<Span>, faults: &mut Faults) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let before = faults.len();
    let list = at.filled_list(faults);
    for band in &list {
        if !band.object(faults, &["id", "label", "from", "below"]) {
            continue;
        }
        let id = band.need("id", faults).and_then(|at| at.name(faults));
        let label = band.get("label").and_then(|at| at.words(faults)).map(String::from);
        let bound = |key: &str, open: f64, faults: &mut Faults| match band.get(key) {
            Some(at) => at.number(faults),
            None => Some(open),
        };
        let from = bound("from", f64::NEG_INFINITY, faults);
        let below = bound("below", f64::INFINITY, faults);
        let (Some(id), Some(from), Some(below)) = (id, from, below) else { continue };
        if from >= below {
            band.fault(faults, Code::Range, "\"from\" lies under \"below\"");
        }
        if bands.iter().any(|known| known.id == id) {
            band.fault(faults, Code::Conflict, "a band's id is its own");
        }
        if let Some(last) = bands.last() {
            if from < last.below - NEAR {
                band.fault(faults, Code::Conflict, format!("overlaps the band \"{}\"", last.id));
            } else if from > last.below + NEAR {
                band.fault(faults, Code::Conflict, format!("leaves a gap after the band \"{}\"", last.id));
            }
        }
        if let Some(span) = span
            && (from > span.high + NEAR || below <= span.low + NEAR)
        {
            band.fault(faults, Code::Conflict, format!("no score lies here: {} to {}", span.low, span.high));
        }
        bands.push(Band { id: id.to_string(), label, from, below });
    }
    if let (Some(span), Some(first), Some(last)) = (span, bands.first(), bands.last())
        && faults.len() == before
        && (span.low < first.from - NEAR || span.high >= last.below - NEAR)
    {
        at.fault(faults, Code::Conflict, format!("bands cover {} to {}", span.low, span.high));
    }
    bands
}

impl ScoreDef {
    pub(crate) fn faulty(id: &str) -> ScoreDef {
        ScoreDef {
            id: id.to_string(),
            title: None,
            cases: Vec::new(),
            bands: Vec::new(),
            band_rounded: false,
            rounding: None,
            span: None,
            only: None,
            source: None,
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        match (self.span, self.cases.first().map(|case| &case.method)) {
            (Some(span), _) => Shape::Number(span),
            (None, Some(Method::Flag(_))) => Shape::Flag,
            _ => Shape::Text,
        }
    }
}
