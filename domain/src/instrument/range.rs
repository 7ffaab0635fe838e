//! The figures an item or a score can take.

use serde_json::Value;

/// From the lowest to the highest figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    /// The lowest.
    pub(crate) low: f64,
    /// The highest.
    pub(crate) high: f64,
    /// Whether all figures are whole.
    pub(crate) whole: bool,
}

impl Span {
    /// The span of a count of up to `most` things.
    pub(crate) fn count(most: usize) -> Span {
        Span { low: 0.0, high: f64::from(u32::try_from(most).unwrap_or(u32::MAX)), whole: true }
    }

    /// The span of `figures`, if there are any.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Span> {
        figures.into_iter().fold(None, |span: Option<Span>, figure| {
            let span = span.unwrap_or(Span { low: figure, high: figure, whole: true });
            let whole = span.whole && is_whole(figure);
            Some(Span { low: span.low.min(figure), high: span.high.max(figure), whole })
        })
    }

    /// The smallest span that contains both.
    pub(crate) fn join(self, other: Span) -> Span {
        Span { low: self.low.min(other.low), high: self.high.max(other.high), whole: self.whole && other.whole }
    }

    /// Whether `figure` lies within the span.
    pub(crate) fn contains(self, figure: f64) -> bool {
        self.low <= figure && figure <= self.high && (!self.whole || is_whole(figure))
    }

    /// The span of `factor * x + offset`.
    pub(crate) fn linear(self, factor: f64, offset: f64) -> Span {
        let (a, b) = (self.low * factor + offset, self.high * factor + offset);
        let whole = self.whole && is_whole(factor) && is_whole(offset);
        Span { low: a.min(b), high: a.max(b), whole }
    }
}

/// Whether `x` has no fraction.
pub(crate) fn is_whole(x: f64) -> bool {
    crate::number::floor(x) == x
}

/// A figure as JSON. Whole figures have no fraction, so that 1 is always written in one way.
pub(crate) fn figure(x: f64) -> Value {
    // Within 2^53 every whole double is an exact integer; beyond it, `as` saturates.
    if x.abs() < 9_007_199_254_740_992.0 && is_whole(x) {
        return Value::from(x as i64);
    }
    Value::from(x)
}
