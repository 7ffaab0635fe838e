//! The possible range of a sum while answers are missing.
//!
//! Guarantee: the score of the complete answers lies in the span computed here, for all possible values of the missing
//! answers. The span does not include values that a rule of the instrument substitutes for missing answers, such as
//! their mean.
//!
//! Each score is visited once, in the order of the definition, regardless of how many others refer to it.

use alloc::vec::Vec;

use super::{Known, answers::Slot};
use crate::instrument::{
    item::Item,
    method::{Case, Combine, Method, ScoreDef, Source, Term},
    range::Span,
};

/// The possible figures of one score: unrounded for conditions and sums, and rounded as published.
#[derive(Clone, Copy)]
struct Figures {
    exact: Span,
    rounded: Span,
}

/// The least possible figure of the score at `position`; none if it is not a sum.
pub(crate) fn least(known: &Known, position: u16) -> Option<f64> {
    let mut found: Vec<Option<Figures>> = Vec::new();
    for def in known.defs.iter().take(usize::from(position) + 1) {
        found.push(figures(def, known, &found));
    }
    Some(found.last().copied()??.exact.low)
}

fn figures(def: &ScoreDef, known: &Known, earlier: &[Option<Figures>]) -> Option<Figures> {
    let mut cases = def.cases.iter().map(|case| span(case, known, earlier));
    // The parameters decide which case applies, so the span covers all cases.
    let first = cases.next()??;
    let exact = cases.try_fold(first, |all, case| Some(all.join(case?)))?;
    let rounded = def.rounding.map_or(exact, |rounding| Span {
        low: rounding.apply(exact.low),
        high: rounding.apply(exact.high),
        ..exact
    });
    Some(Figures { exact: if def.band_rounded { rounded } else { exact }, rounded })
}

fn span(case: &Case, known: &Known, earlier: &[Option<Figures>]) -> Option<Span> {
    let span = match &case.method {
        Method::Combine(combine) => combined(combine, known, earlier)?,
        Method::Count { tests } => {
            let slots = || tests.iter().map(|(item, test)| (known.answers.slot(*item), test));
            let passing = slots().filter(|(slot, test)| matches!(slot, Slot::Answered { raw, .. } if test.holds(*raw)));
            let open = slots().filter(|(slot, _)| !matches!(slot, Slot::Answered { .. })).count();
            let passing = Span::count(passing.count()).high;
            Span { low: passing, high: passing + Span::count(open).high, whole: true }
        }
        _ => return None,
    };
    let steps = case.linear.iter();
    Some(steps.fold(span, |span, (less, factor, add)| span.linear(1.0, -less).linear(*factor, *add)))
}

/// The sum or mean of all terms.
fn combined(combine: &Combine, known: &Known, earlier: &[Option<Figures>]) -> Option<Span> {
    if !combine.divides() {
        return None;
    }
    let (mut sum, mut weight) = (Span { low: 0.0, high: 0.0, whole: false }, 0.0);
    for term in &combine.terms {
        let one = term_span(term, combine, known, earlier)?.linear(term.weight, 0.0);
        sum = Span { low: sum.low + one.low, high: sum.high + one.high, ..sum };
        weight += term.weight;
    }
    Some(if combine.mean { Span { low: sum.low / weight, high: sum.high / weight, ..sum } } else { sum })
}

fn term_span(term: &Term, combine: &Combine, known: &Known, earlier: &[Option<Figures>]) -> Option<Span> {
    let span = match term.source {
        Source::Item(item) => item_span(item, combine, known)?,
        Source::Score(score) => {
            let figures = earlier.get(usize::from(score)).copied()??;
            if term.rounded { figures.rounded } else { figures.exact }
        }
    };
    if let Some(mirror) = term.mirror {
        return Some(span.linear(-1.0, mirror));
    }
    if term.recode.is_empty() {
        return Some(span);
    }
    let reached = term.recode.iter().filter(|(from, _)| span.low - 1e-9 <= *from && *from <= span.high + 1e-9);
    Span::of(reached.map(|(_, to)| *to))
}

/// The possible figures of an item: its answer, or every figure of an answer or of a rule for its absence.
fn item_span(item: u16, combine: &Combine, known: &Known) -> Option<Span> {
    if let Slot::Answered { counted, .. } = known.answers.slot(item) {
        return Some(Span { low: counted, high: counted, whole: false });
    }
    let any = known.items.get(usize::from(item)).map(Item::counted_span)?;
    let assumed = combine.assume.iter().filter(|assume| assume.items.contains(&item)).map(|assume| assume.counts);
    Some(assumed.fold(any, |span, counts| span.join(Span { low: counts, high: counts, whole: false })))
}
