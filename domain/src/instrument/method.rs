//! Score methods as data.

use alloc::{string::String, sync::Arc, vec::Vec};

use super::{
    condition::{Condition, Test},
    range::Span,
};
use crate::number::Rounding;

/// The source of a term's figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Item(u16),
    Score(u16),
}

/// One summand: `weight * (mirror - x)` where `mirror` is set, else `weight * x`, after `recode`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) source: Source,
    pub(crate) weight: f64,
    pub(crate) mirror: Option<f64>,
    pub(crate) recode: Vec<(f64, f64)>,
    /// Uses the rounded figure of another score, for publications that round intermediate figures.
    pub(crate) rounded: bool,
}

/// The number of answers that a score requires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Complete {
    All,
    /// At least one.
    Any,
    /// At least half.
    Half,
    /// More than half.
    MoreThanHalf,
    MissingAtMost(u16),
    AnsweredAtLeast(u16),
    /// More than this share, strictly.
    ShareAbove(f64),
}

impl Complete {
    /// Whether `present` of `of` is enough. Zero is never enough.
    pub(crate) fn enough(self, present: u16, of: u16) -> bool {
        let (p, n) = (u32::from(present), u32::from(of));
        p > 0
            && match self {
                Complete::All => p == n,
                Complete::Any => true,
                Complete::Half => 2 * p >= n,
                Complete::MoreThanHalf => 2 * p > n,
                Complete::MissingAtMost(most) => n - p.min(n) <= u32::from(most),
                Complete::AnsweredAtLeast(least) => p >= u32::from(least),
                Complete::ShareAbove(share) => f64::from(p) > share * f64::from(n) + 1e-9,
            }
    }
}

/// Items that count a given figure if they are unanswered and the condition holds, for one score only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assume {
    pub(crate) when: Condition,
    pub(crate) items: Vec<u16>,
    pub(crate) counts: f64,
}

/// Sum or mean of terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combine {
    pub(crate) mean: bool,
    pub(crate) terms: Vec<Term>,
    pub(crate) complete: Complete,
    /// Further items of which enough must be answered, as the total of FACT-G requires.
    pub(crate) require: Option<(Vec<u16>, Complete)>,
    pub(crate) assume: Vec<Assume>,
    /// Fast path: every term is an unchanged item with weight 1.
    pub(crate) plain: bool,
}

/// A key of a lookup table: it has `size` figures, `from`, `from + 1`, and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Key {
    pub(crate) source: Source,
    pub(crate) from: f64,
    pub(crate) size: usize,
}

/// A term of a value set besides the coefficients of the levels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extra {
    /// Applies if any dimension is at `level` or worse.
    Any { level: f64, value: f64 },
    /// For each dimension at `level` or worse, its own value.
    Each { level: f64, values: Vec<f64> },
    /// Applies if every level of `some` occurs and no level of `none` occurs.
    Present { some: Vec<f64>, none: Vec<f64>, value: f64 },
    /// `value * (n - less)^power`, where n is the number of dimensions at levels `from` to `to`. It is zero if n is
    /// `less` or lower, or if the level `given` does not occur.
    Count { from: f64, to: f64, less: u16, power: u16, given: Option<f64>, value: f64 },
    /// `value * (x - 1) * (y - 1)` for the levels of two dimensions.
    Product { x: usize, y: usize, value: f64 },
    /// Applies if each named dimension is exactly at its level.
    Together { at: Vec<(usize, f64)>, value: f64 },
}

/// A preference index: one value set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueSet {
    pub(crate) items: Vec<u16>,
    /// Coefficients are factors instead of summands.
    pub(crate) product: bool,
    pub(crate) start: f64,
    /// Coefficients, dimension by dimension, level 1 first.
    pub(crate) levels: Vec<Vec<f64>>,
    pub(crate) extras: Vec<Extra>,
    /// States with a value fixed by a paper, regardless of the terms.
    pub(crate) states: Vec<(Vec<f64>, f64)>,
    /// The set values the states of another descriptive system; the crosswalk maps the answers to it.
    pub(crate) crosswalk: Option<Arc<Crosswalk>>,
}

/// For each dimension and each answered level, the shares of the levels in the other descriptive system.
pub(crate) type Crosswalk = Vec<Vec<Vec<f64>>>;

/// The method of a score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Method {
    Combine(Combine),
    Count { tests: Vec<(u16, Test)> },
    Flag(Condition),
    Band { score: u16, bands: Vec<Band>, label: bool },
    Profile { items: Vec<u16>, missing: String },
    Index(ValueSet),
    Lookup { keys: Vec<Key>, values: Vec<Option<f64>>, assume: Vec<Assume> },
}

/// A named range of a score: from `from` up to but not including `below`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Band {
    pub(crate) id: String,
    pub(crate) label: Option<String>,
    pub(crate) from: f64,
    pub(crate) below: f64,
}

/// One method of a score, and the parameters for which it applies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) when: Option<Condition>,
    pub(crate) method: Method,
    /// `factor * x + offset`, one after the other.
    pub(crate) linear: Vec<(f64, f64, f64)>,
    /// The items that the score depends on.
    pub(crate) leaves: Vec<u16>,
    /// The scores that it depends on.
    pub(crate) scores: Vec<u16>,
}

/// A score of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScoreDef {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) cases: Vec<Case>,
    pub(crate) bands: Vec<Band>,
    /// Bands are read from the rounded figure. This is used only if rounding is part of the published rule.
    pub(crate) band_rounded: bool,
    pub(crate) rounding: Option<Rounding>,
    pub(crate) span: Option<Span>,
    /// The score is computed only if this parameter has this choice.
    pub(crate) only: Option<(u16, u16)>,
    /// The source of the figures, if the score has its own.
    pub(crate) source: Option<String>,
}

impl Combine {
    /// False if the weights that a mean divides by may cancel to zero.
    pub(crate) fn divides(&self) -> bool {
        !self.mean || self.terms.iter().all(|term| term.weight > 0.0)
    }
}

/// Whether the score is a flag, or a sum whose least figure can be computed while answers are missing.
pub(crate) fn is_sum(defs: &[ScoreDef], position: u16) -> bool {
    let mut found: Vec<bool> = Vec::new();
    for def in defs.iter().take(usize::from(position) + 1) {
        let sum = |case: &Case| match &case.method {
            Method::Combine(combine) => {
                let rests = |term: &Term| match term.source {
                    Source::Item(_) => true,
                    Source::Score(score) => found.get(usize::from(score)) == Some(&true),
                };
                combine.terms.iter().all(rests) && combine.divides()
            }
            Method::Count { .. } => true,
            _ => false,
        };
        found.push(def.cases.iter().all(sum));
    }
    let flag = |def: &ScoreDef| matches!(def.cases.as_slice(), [case] if matches!(case.method, Method::Flag(_)));
    found.last() == Some(&true) || defs.get(usize::from(position)).is_some_and(flag)
}
