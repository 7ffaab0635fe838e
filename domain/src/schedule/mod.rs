//! The schedule of a study: which documents are expected of a subject, when, and what is due at which moment.
//!
//! ```json
//! {"anchors": ["enrolled", "surgery"],
//!  "series": [
//!    {"id": "weekly", "instrument": "phq-9", "at": {"after": "enrolled", "every": 7, "from": 7, "until": 84},
//!     "daysOpen": 2, "graceHours": 24, "reminders": [{"hoursAfterOpen": 8}, {"hoursBeforeClose": 3}]},
//!    {"id": "morning", "report": "diary", "at": {"after": "surgery", "every": 1, "from": 1, "until": 14},
//!     "time": {"opens": "06:00", "closes": "11:00"}, "stop": {"missed": 3}}],
//!  "blackout": {"from": "21:00", "until": "08:00"}}
//! ```
//!
//! Guarantee: an occurrence follows from the schedule, its anchor's day and the subject's clock alone. Its id has only the
//! series, the anchor and the day after it, so nothing moves it. No change of clocks loses, doubles or reorders one, and
//! each is open for at least a minute. Every reminder comes before its window closes and outside the blackout.
//!
//! Mechanism: days are numbers, so that the occurrences around a moment are found by arithmetic. [`Schedule::calendar`] has
//! the occurrences of one subject; it computes each when it is asked for and keeps none.
//!
//! Not for: who a subject is, what a message says, and clocks before 2026, for which `alert::zone` has no summer time.

mod calendar;
mod days;
mod read;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use crate::ids::InstrumentId;
use crate::intake::ReportKind;

pub use calendar::{Anchor, Calendar, Due, Occurrence, Reminder, State, Subject, What};
use days::Days;
pub use read::ANCHOR_RULE;

/// The event that ends all series of a subject, without a rule.
pub const WITHDRAWN: &str = "withdrawn";

/// A study's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The names of the days from which is counted.
    pub anchors: Vec<String>,
    /// The names of the events that may end a series, without [`WITHDRAWN`].
    pub events: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
    /// The minutes of the day at which the hours without reminders begin and end.
    blackout: Option<(u16, u16)>,
}

/// Occurrences of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its id within the schedule.
    pub id: String,
    /// What is expected.
    pub topic: Topic,
    /// The anchors, each of which has all days.
    anchors: Vec<String>,
    days: Days,
    /// The minute of the day at which a window opens.
    opens: u16,
    /// From the opening to the closing of a window, as clocks show it, minutes.
    length: u32,
    /// How long after its closing an occurrence may still be fulfilled, minutes.
    grace: u32,
    reminders: Vec<Remind>,
    /// So many missed in a row end the series.
    stop_missed: Option<u16>,
    /// This event ends the series.
    stop_event: Option<String>,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// A response to an instrument.
    Instrument(InstrumentId),
    /// A report of a kind.
    Report(ReportKind),
}

/// The moment of a reminder, in minutes that pass, whatever clocks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remind {
    BeforeOpen(u16),
    AfterOpen(u16),
    BeforeClose(u16),
}
