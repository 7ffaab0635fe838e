//! Scores: what the answers come to, and how sure that is.
//!
//! Guarantee: a missing answer is never 0. A score either has a value and says whether a rule of the instrument stood in
//! for missing answers, or it has none and says why. It is banded on its unrounded figure and rounded once, last.

pub(crate) mod answers;
pub(crate) mod evaluate;
mod index;
pub(crate) mod number;
pub(crate) mod possible;
mod truth;

use alloc::borrow::Cow;

pub use answers::Answers;
pub(crate) use truth::Known;

/// What a score came to.
#[derive(Debug, Clone, PartialEq)]
pub enum ScoreValue<'a> {
    /// A figure.
    Number(f64),
    /// A word, such as a severity or a health profile.
    Text(Cow<'a, str>),
    /// Yes or no, such as a syndrome.
    Flag(bool),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Fewer answers than the instrument's rule asks for.
    MissingAnswers,
    /// A score this one is made of has no value.
    MissingScore,
    /// A parameter this score depends on is not given.
    MissingParameter,
    /// The published table has no entry for this figure.
    NotInTable,
}

impl Reason {
    /// The reason as it is written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::MissingAnswers => "missing-answers",
            Reason::MissingScore => "missing-score",
            Reason::MissingParameter => "missing-parameter",
            Reason::NotInTable => "not-in-table",
        }
    }
}

/// How a score came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// From answers alone.
    Scored,
    /// The instrument's rule stood in for missing answers, here or in a score this one is made of.
    Prorated,
    /// No value.
    NotScored(Reason),
}

impl Status {
    /// The status as it is written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scored => "scored",
            Status::Prorated => "prorated",
            Status::NotScored(_) => "not-scored",
        }
    }

    /// Why there is no value, where there is none.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Status::NotScored(reason) => Some(reason),
            Status::Scored | Status::Prorated => None,
        }
    }
}

/// One score of one response.
///
/// Its provenance is this value together with [`Instrument::version`], [`Instrument::hash`] and [`Parameters::iter`].
///
/// [`Instrument::version`]: crate::Instrument::version
/// [`Instrument::hash`]: crate::Instrument::hash
/// [`Parameters::iter`]: crate::Parameters::iter
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Score<'a> {
    /// The score's id in its instrument.
    pub id: &'a str,
    /// What it came to; `None` exactly when `status` is [`Status::NotScored`].
    pub value: Option<ScoreValue<'a>>,
    /// The id of the band the unrounded value lies in.
    pub band: Option<&'a str>,
    /// How it came about.
    pub status: Status,
    /// How many of the items it rests on are answered.
    pub answered: u16,
    /// How many are missing. An item that the form skipped is neither.
    pub missing: u16,
    /// The figure before rounding.
    pub(crate) exact: f64,
}

impl Score<'_> {
    /// The value, where it is a number.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Some(ScoreValue::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// The value, where it is a flag.
    pub fn flag(&self) -> Option<bool> {
        match self.value {
            Some(ScoreValue::Flag(flag)) => Some(flag),
            _ => None,
        }
    }

    /// The value, where it is a word.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Some(ScoreValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The figure before rounding, where the value is a number.
    pub(crate) fn exact(&self) -> Option<f64> {
        self.number().map(|_| self.exact)
    }
}
