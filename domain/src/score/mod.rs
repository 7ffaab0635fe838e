//! Scores: the results of the answers, and their certainty.
//!
//! Guarantee: a missing answer never counts as 0. A score either has a value and states whether a rule of the
//! instrument replaced missing answers, or it has no value and states the reason. Its band is chosen by the unrounded
//! figure. It is rounded once, as the last step.

pub(crate) mod answers;
pub(crate) mod evaluate;
mod index;

pub(crate) mod possible;
mod truth;

use alloc::{borrow::Cow, collections::BTreeMap, string::String};

pub use answers::Answers;
pub(crate) use truth::Known;

/// The value of a score.
#[derive(Debug, Clone, PartialEq)]
pub enum ScoreValue<'a> {
    /// A figure.
    Number(f64),
    /// A word, such as a severity or a health profile.
    Text(Cow<'a, str>),
    /// Yes or no, such as a syndrome.
    Flag(bool),
}

/// The reason why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Fewer answers than the instrument's rule asks for.
    MissingAnswers,
    /// A score that this score is computed from has no value.
    MissingScore,
    /// A parameter that this score depends on is not given.
    MissingParameter,
    /// The published table has no entry for this figure.
    NotInTable,
}

impl Reason {
    /// The reason's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::MissingAnswers => "missing-answers",
            Reason::MissingScore => "missing-score",
            Reason::MissingParameter => "missing-parameter",
            Reason::NotInTable => "not-in-table",
        }
    }
}

/// The way in which a score was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// From answers only.
    Scored,
    /// The instrument's rule replaced missing answers, here or in a score that this one is computed from.
    Prorated,
    /// No value.
    NotScored(Reason),
}

impl Status {
    /// The status's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scored => "scored",
            Status::Prorated => "prorated",
            Status::NotScored(_) => "not-scored",
        }
    }

    /// The reason why there is no value, if there is none.
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
    /// Its value; `None` exactly if `status` is [`Status::NotScored`].
    pub value: Option<ScoreValue<'a>>,
    /// The id of the band that contains the unrounded value.
    pub band: Option<&'a str>,
    /// The way in which it was computed.
    pub status: Status,
    /// The number of answered items that it depends on.
    pub answered: u16,
    /// The number of missing ones. An item that the form skipped is neither answered nor missing.
    pub missing: u16,
    /// The figure before rounding.
    pub(crate) exact: f64,
}

impl Score<'_> {
    /// The value, if it is a number.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Some(ScoreValue::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// The value, if it is a flag.
    pub fn flag(&self) -> Option<bool> {
        match self.value {
            Some(ScoreValue::Flag(flag)) => Some(flag),
            _ => None,
        }
    }

    /// The value, if it is a word.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Some(ScoreValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The figure before rounding, if the value is a number.
    pub(crate) fn exact(&self) -> Option<f64> {
        self.number().map(|_| self.exact)
    }
}

/// Earlier scores of the same patient, by score id, as they were published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The scores of the response before this one.
    pub previous: BTreeMap<String, f64>,
    /// The scores of the first response.
    pub baseline: BTreeMap<String, f64>,
    /// The response before is from another site. A reason then shows no figure from which its score can be computed.
    pub previous_elsewhere: bool,
    /// The first response is from another site.
    pub baseline_elsewhere: bool,
}
