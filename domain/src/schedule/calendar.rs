//! The occurrences of one subject: between two moments, what is due after one, and which one a submission fulfils.
//!
//! Guarantee: nothing is kept but one entry for each series and anchor. The occurrences around a moment are found by the
//! number of its day; only the rule that so many missed in a row end a series walks what is past, at most 1,000 windows.

use alloc::borrow::ToOwned as _;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Remind, Schedule, Series, Topic, WITHDRAWN};
use crate::alert::quiet::Quiet;
use crate::alert::zone::Clock;
use crate::time::{DAY_MS, Day, Timestamp};

const MINUTE: i64 = 60_000;
const DAY_MINUTES: u32 = 24 * 60;

/// What is known of a subject.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its clock.
    pub clock: Clock,
    /// Its anchors by their names. Those that the schedule does not know are passed over.
    pub anchors: &'a BTreeMap<String, Anchor>,
    /// The first moment of each event, [`WITHDRAWN`] among them.
    pub events: &'a BTreeMap<String, Timestamp>,
    /// The ids of the occurrences that a submission fulfils.
    pub done: &'a BTreeSet<String>,
}

/// The day from which is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The day, as the subject's calendar has it.
    pub day: Day,
    /// When it became known. An occurrence that was over by then is expected of nobody.
    pub known: Timestamp,
}

/// Where an occurrence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its window is not open yet.
    Expected,
    /// It can be fulfilled: its window is open, or its grace is not over.
    Open,
    /// A submission fulfils it.
    Done,
    /// Its grace is over, and no submission fulfils it.
    Missed,
    /// Its series ended before its grace did.
    Stopped,
}

impl State {
    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Expected => "expected",
            State::Open => "open",
            State::Done => "done",
            State::Missed => "missed",
            State::Stopped => "stopped",
        }
    }
}

/// One document that is expected once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence<'a> {
    /// Its series.
    pub series: &'a Series,
    /// The anchor from which it counts.
    pub anchor: &'a str,
    /// The days from the anchor.
    pub day: u16,
    /// Its number within the series, from 1.
    pub number: u16,
    /// The first moment of its window.
    pub opens: Timestamp,
    /// The first moment after its window.
    pub closes: Timestamp,
    /// The first moment at which nothing fulfils it any more.
    pub grace_until: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Its reminders, in their order.
    pub reminders: Vec<Reminder>,
}

impl Occurrence<'_> {
    /// Its id within the study and the subject: `weekly:enrolled:7`.
    pub fn id(&self) -> String {
        id(self.series, self.anchor, self.day)
    }
}

/// A reminder of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// Its place in the series, from 1.
    pub number: u8,
    /// When it is due.
    pub at: Timestamp,
}

/// Something that is due at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<'a> {
    /// The moment.
    pub at: Timestamp,
    /// What is due.
    pub what: What,
    /// The occurrence.
    pub occurrence: Occurrence<'a>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The window opens.
    Opens,
    /// The reminder of this number.
    Reminder(u8),
    /// The window closes.
    Closes,
    /// The grace is over: the occurrence is missed.
    Over,
}

/// A series from one anchor of a subject.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    series: &'a Series,
    anchor: &'a str,
    /// The number of its first occurrence.
    first: usize,
    day: Day,
    known: i64,
    /// When the series ended or will.
    stopped: i64,
}

/// A window, milliseconds.
#[derive(Debug, Clone, Copy)]
struct Window {
    opens: i64,
    closes: i64,
    grace_until: i64,
}

/// The occurrences of one subject.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    subject: Subject<'a>,
    blackout: Option<Quiet>,
    now: i64,
    /// In the order of the series and their anchors.
    runs: Vec<Run<'a>>,
}

fn id(series: &Series, anchor: &str, day: u16) -> String {
    format!("{}:{anchor}:{day}", series.id)
}

impl Schedule {
    /// The occurrences of a subject, with their states at `now`.
    pub fn calendar<'a>(&'a self, subject: Subject<'a>, now: Timestamp) -> Calendar<'a> {
        let blackout = self.blackout.map(|(from, to)| Quiet { from, to, clock: subject.clock });
        let mut calendar = Calendar { subject, blackout, now: now.millis(), runs: Vec::new() };
        let withdrawn = calendar.event(WITHDRAWN);
        for series in &self.series {
            let stopped = series.stop_event.as_deref().map_or(i64::MAX, |event| calendar.event(event)).min(withdrawn);
            let from = calendar.runs.len();
            for (place, anchor) in series.anchors.iter().enumerate() {
                let Some(Anchor { day, known }) = subject.anchors.get(anchor).copied() else { continue };
                let first = place * series.days.count() + 1;
                calendar.runs.push(Run { series, anchor, first, day, known: known.millis(), stopped });
            }
            if let Some(most) = series.stop_missed {
                let stopped = calendar.missed_in_a_row(from, most).map_or(stopped, |at| at.min(stopped));
                calendar.runs.iter_mut().skip(from).for_each(|run| run.stopped = stopped);
            }
        }
        calendar
    }
}

impl<'a> Calendar<'a> {
    fn event(&self, name: &str) -> i64 {
        self.subject.events.get(name).map_or(i64::MAX, |at| at.millis())
    }

    /// The occurrences that are open or in their grace at some moment from `from` until before `until`, by the moments at
    /// which they open.
    pub fn between(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Occurrence<'a>> + '_ {
        let windows = self.merged(0, from.millis());
        windows
            .take_while(move |(_, _, window)| window.opens < until.millis())
            .filter_map(|(run, position, window)| self.occurrence_at(run, position, window))
    }

    /// The occurrence of this id, if it is one.
    pub fn occurrence(&self, id: &str) -> Option<Occurrence<'a>> {
        let mut parts = id.split(':');
        let (series, anchor, day) = (parts.next()?, parts.next()?, parts.next()?);
        let run = *self.runs.iter().find(|run| run.series.id == series && run.anchor == anchor)?;
        let position = run.series.days.position(day.parse().ok()?)?;
        self.occurrence_at(run, position, self.window(run, position)?).filter(|found| found.id() == id)
    }

    /// What is due later than `after`, in the order of time. What is due at once comes in the order of the series. Nothing
    /// is due for what is done, and nothing after the end of a series.
    pub fn due(&self, after: Timestamp) -> impl Iterator<Item = Due<'a>> + '_ {
        let mut last = (after.millis(), usize::MAX, usize::MAX, What::Over);
        core::iter::from_fn(move || {
            let (key, due) = self.first_due(last)?;
            last = key;
            Some(due)
        })
    }

    /// The occurrence that a submission of a topic, written at a moment, fulfils: of those that it could and that are not
    /// done, one whose window is open before one in its grace, then the one that closes first.
    pub fn fulfilled(&self, topic: &Topic, at: Timestamp) -> Option<Occurrence<'a>> {
        let at = at.millis();
        let runs = self.runs.iter().filter(|run| run.series.topic == *topic && at < run.stopped);
        let open = runs.filter_map(|run| {
            let position = self.first_over_after(*run, at);
            let window = self.window(*run, position).filter(|window| window.opens <= at)?;
            let day = run.series.days.get(position)?;
            (!self.is_done(*run, day)).then_some((*run, position, window))
        });
        let (run, position, window) = open.min_by_key(|(_, _, window)| (window.closes <= at, window.closes))?;
        self.build(run, position, window)
    }

    /// When the windows of a series opens and closes.
    fn window(&self, run: Run<'a>, position: usize) -> Option<Window> {
        let clock = self.subject.clock;
        let local = |day: u16| run.day.millis() + i64::from(day) * DAY_MS + i64::from(run.series.opens) * MINUTE;
        let length = i64::from(run.series.length) * MINUTE;
        let start = local(run.series.days.get(position)?);
        let (opens, _) = clock.moments(start);
        let (closes, _) = clock.moments(start + length);
        // Clocks that go forward may pass over the whole window: it then begins with the change.
        let closes = if closes > opens { closes } else { opens + length };
        let mut grace_until = closes + i64::from(run.series.grace) * MINUTE;
        if let Some(next) = run.series.days.get(position + 1).filter(|_| run.series.grace > 0) {
            grace_until = grace_until.min(clock.moments(local(next)).0).max(closes);
        }
        Some(Window { opens, closes, grace_until })
    }

    /// The position of the first occurrence whose grace ends after a moment.
    fn first_over_after(&self, run: Run<'a>, at: i64) -> usize {
        let today = self.subject.clock.local(at).div_euclid(DAY_MS) - run.day.millis().div_euclid(DAY_MS);
        let series = run.series;
        let lasts = (u32::from(series.opens) + series.length + series.grace).div_ceil(DAY_MINUTES);
        // A day for clocks that change, and one for the time of day.
        let mut position = series.days.first_from(today - i64::from(lasts) - 2);
        while self.window(run, position).is_some_and(|window| window.grace_until <= at) {
            position += 1;
        }
        position
    }

    /// The windows of all runs from one on whose grace ends after `from`, by the moments at which they open.
    fn merged(&self, first: usize, from: i64) -> impl Iterator<Item = (Run<'a>, usize, Window)> + '_ {
        let runs = self.runs.iter().skip(first).map(|run| (*run, self.first_over_after(*run, from)));
        let mut next: Vec<_> = runs.map(|(run, position)| (run, position, self.window(run, position))).collect();
        core::iter::from_fn(move || {
            let open = next.iter_mut().filter_map(|(run, position, window)| {
                let opens = window.as_ref()?.opens;
                Some((opens, run, position, window))
            });
            let (_, run, position, window) = open.min_by_key(|(opens, ..)| *opens)?;
            let found = (*run, *position, (*window)?);
            *position += 1;
            *window = self.window(*run, *position);
            Some(found)
        })
    }

    fn is_done(&self, run: Run<'a>, day: u16) -> bool {
        !self.subject.done.is_empty() && self.subject.done.contains(&id(run.series, run.anchor, day))
    }

    /// The moment by which so many in a row of the series that begins with the run `first` were missed.
    fn missed_in_a_row(&self, first: usize, most: u16) -> Option<i64> {
        let (mut missed, mut last) = (0, i64::MIN);
        for (run, position, window) in self.merged(first, i64::MIN) {
            if self.is_done(run, run.series.days.get(position)?) {
                missed = 0;
            } else if window.grace_until > self.now {
                return None;
            } else if window.grace_until > run.known {
                missed += 1;
                last = last.max(window.grace_until);
                if missed >= most {
                    return Some(last);
                }
            }
        }
        None
    }

    /// The occurrence of a window, if it is expected of the subject or done.
    fn occurrence_at(&self, run: Run<'a>, position: usize, window: Window) -> Option<Occurrence<'a>> {
        let exists = window.grace_until > run.known && window.opens < run.stopped;
        (exists || self.is_done(run, run.series.days.get(position)?)).then(|| self.build(run, position, window))?
    }

    fn build(&self, run: Run<'a>, position: usize, window: Window) -> Option<Occurrence<'a>> {
        let day = run.series.days.get(position)?;
        let state = if self.is_done(run, day) {
            State::Done
        } else if run.stopped <= self.now && run.stopped < window.grace_until {
            State::Stopped
        } else if self.now >= window.grace_until {
            State::Missed
        } else if self.now >= window.opens {
            State::Open
        } else {
            State::Expected
        };
        Some(Occurrence {
            series: run.series,
            anchor: run.anchor,
            day,
            number: u16::try_from(run.first + position).unwrap_or(u16::MAX),
            opens: Timestamp::from_millis(window.opens),
            closes: Timestamp::from_millis(window.closes),
            grace_until: Timestamp::from_millis(window.grace_until),
            state,
            reminders: self.reminders(run.series, window),
        })
    }

    /// The reminders of a window. Of several at one moment the first of the series counts.
    fn reminders(&self, series: &Series, Window { opens, closes, .. }: Window) -> Vec<Reminder> {
        let mut found: Vec<Reminder> = Vec::new();
        for (number, remind) in (1..).zip(&series.reminders) {
            let at = match *remind {
                Remind::BeforeOpen(minutes) => opens - i64::from(minutes) * MINUTE,
                Remind::AfterOpen(minutes) => (opens + i64::from(minutes) * MINUTE).min(closes - MINUTE),
                Remind::BeforeClose(minutes) => (closes - i64::from(minutes) * MINUTE).max(opens),
            };
            let mut at = Timestamp::from_millis(at);
            if let Some(blackout) = &self.blackout {
                let later = blackout.next_allowed(at);
                at = if later.millis() < closes { later } else { blackout.last_allowed(at) };
            }
            if !found.iter().any(|known| known.at == at) {
                found.push(Reminder { number, at });
            }
        }
        found.sort_by_key(|reminder| reminder.at);
        found
    }

    /// The first that is due after `last`, with its place in the order of all.
    fn first_due(&self, last: Place) -> Option<(Place, Due<'a>)> {
        let mut best: Option<(Place, Occurrence<'a>)> = None;
        for (index, run) in self.runs.iter().enumerate() {
            let lead = run.series.lead();
            // What is due at the same moment as the last one may belong to an occurrence that is over by now.
            for position in self.first_over_after(*run, last.0.saturating_sub(1)).. {
                let Some(window) = self.window(*run, position) else { break };
                let earliest = window.opens.saturating_sub(lead);
                if earliest >= run.stopped || best.as_ref().is_some_and(|(place, _)| earliest > place.0) {
                    break;
                }
                let Some(occurrence) = self.occurrence_at(*run, position, window) else { continue };
                if occurrence.state == State::Done {
                    continue;
                }
                let dues = occurrence.dues().map(|(at, what)| (at.millis(), index, position, what));
                let first = dues.filter(|place| *place > last && place.0 < run.stopped).min();
                if let Some(first) = first.filter(|first| best.as_ref().is_none_or(|(place, _)| first < place)) {
                    best = Some((first, occurrence));
                }
            }
        }
        let (place, occurrence) = best?;
        Some((place, Due { at: Timestamp::from_millis(place.0), what: place.3, occurrence }))
    }
}

/// The place of what is due in the order of all: moment, run, position, and what it is.
type Place = (i64, usize, usize, What);

impl Occurrence<'_> {
    /// What is due for it.
    fn dues(&self) -> impl Iterator<Item = (Timestamp, What)> + '_ {
        let window = [(self.opens, What::Opens), (self.closes, What::Closes), (self.grace_until, What::Over)];
        let reminders = self.reminders.iter().map(|reminder| (reminder.at, What::Reminder(reminder.number)));
        window.into_iter().chain(reminders)
    }
}

impl Series {
    /// How long before a window opens something may be due, milliseconds: a reminder, and a night that it may not disturb.
    fn lead(&self) -> i64 {
        let before = self.reminders.iter().map(|remind| match remind {
            Remind::BeforeOpen(minutes) => i64::from(*minutes) * MINUTE + DAY_MS,
            _ => DAY_MS,
        });
        before.max().unwrap_or(0)
    }

    /// The anchors from which it counts.
    pub fn anchors(&self) -> impl Iterator<Item = &str> {
        self.anchors.iter().map(String::as_str)
    }
}

impl Topic {
    /// Its name: an instrument, or a kind of report after a slash.
    pub fn name(&self) -> String {
        match self {
            Topic::Instrument(instrument) => instrument.as_str().to_owned(),
            Topic::Report(kind) => format!("/{}", kind.as_str()),
        }
    }
}
