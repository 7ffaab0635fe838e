//! Reads a schedule; tells every fault at its place.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::days::Days;
use super::{Remind, Schedule, Series, Topic, WITHDRAWN};
use crate::alert::quiet::minute_of_day;
use crate::ids::{InstrumentId, NAME_RULE, is_name};
use crate::intake::ReportKind;
use crate::reading::{At, Faults};
use crate::{Code, Finding};

/// The most anchors of a schedule, and the most events.
const MOST_NAMES: usize = 20;
/// The most series of a schedule.
const MOST_SERIES: usize = 50;
/// The most occurrences of a series for one subject.
const MOST_OCCURRENCES: usize = 1000;
/// The last day after an anchor: ten years.
const LAST_DAY: u16 = 3660;
/// The longest window, days.
const MOST_DAYS_OPEN: u16 = 366;
/// The longest grace, hours: 90 days.
const MOST_GRACE: u16 = 2160;
/// The most reminders of an occurrence.
const MOST_REMINDERS: usize = 10;
/// The longest time from a reminder to the moment from which it counts, hours: 30 days.
const MOST_REMIND: f64 = 720.0;
/// The longest blackout, minutes: four hours of a day are left, of which a change of clocks takes two at most.
const MOST_BLACKOUT: u16 = 20 * 60;
/// The minutes of a day.
const DAY: u16 = 24 * 60;

/// What the name of an anchor is.
pub const ANCHOR_RULE: &str = "must be an anchor of the study's schedule";
/// What a time of day is.
const TIME_RULE: &str = "must be a time from 00:00 to 23:59";

/// The window of a series.
#[derive(Clone, Copy)]
struct Window {
    opens: u16,
    length: u32,
}

impl Schedule {
    /// Reads the section `schedule` of a study's document.
    ///
    /// # Errors
    /// A finding for each fault, with pointers from the root of the section.
    pub fn read(section: &Value) -> Result<Self, Vec<Finding>> {
        let (root, mut faults) = (At::root(section), Faults::new());
        if !root.object(&mut faults, &["anchors", "events", "series", "blackout"]) {
            return Err(faults);
        }
        let anchors = root.need("anchors", &mut faults).map(|at| names(&at, true, &mut faults)).unwrap_or_default();
        let events = root.get("events").map(|at| names(&at, false, &mut faults)).unwrap_or_default();
        let series = root.need("series", &mut faults).map(|at| all_series(&at, &anchors, &events, &mut faults));
        let blackout = root.get("blackout").and_then(|at| blackout(&at, &mut faults));
        match series {
            Some(series) if faults.is_empty() => Ok(Schedule { anchors, events, series, blackout }),
            _ => Err(faults),
        }
    }
}

/// A list of different names.
fn names(at: &At<'_, '_>, filled: bool, faults: &mut Faults) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if filled && at.value.as_array().is_some_and(Vec::is_empty) {
        at.fault(faults, Code::Range, "must have at least one entry");
    }
    for one in at.list_within(MOST_NAMES, faults) {
        let Some(name) = one.form(NAME_RULE, faults, |text| is_name(text).then_some(text)) else { continue };
        if found.iter().any(|known| known == name) {
            one.fault(faults, Code::Conflict, "is there twice");
        }
        found.push(name.to_owned());
    }
    found
}

fn all_series(at: &At<'_, '_>, anchors: &[String], events: &[String], faults: &mut Faults) -> Vec<Series> {
    let (mut found, mut ids) = (Vec::new(), Vec::new());
    if at.value.as_array().is_some_and(Vec::is_empty) {
        at.fault(faults, Code::Range, "must have at least one entry");
    }
    for one in at.list_within(MOST_SERIES, faults) {
        if let Some(id) = one.get("id").and_then(|id| id.value.as_str()) {
            if ids.contains(&id) {
                one.member("id", one.value).fault(faults, Code::Conflict, "is the id of another series");
            }
            ids.push(id);
        }
        found.extend(series(&one, anchors, events, faults));
    }
    found
}

fn series(at: &At<'_, '_>, anchors: &[String], events: &[String], faults: &mut Faults) -> Option<Series> {
    let known = ["id", "instrument", "report", "at", "time", "daysOpen", "graceHours", "reminders", "stop"];
    if !at.object(faults, &known) {
        return None;
    }
    let id = at.need("id", faults);
    let id = id.and_then(|id| id.form(NAME_RULE, faults, |text| is_name(text).then(|| text.to_owned())));
    let topic = topic(at, faults);
    let days = at.need("at", faults).and_then(|at| days(&at, anchors, faults));
    let window = window(at, faults);
    let grace = at.get("graceHours").map_or(Some(0), |at| at.whole(0, MOST_GRACE, faults));
    let mut reminders = Vec::new();
    if let Some(list) = at.get("reminders") {
        let entries = list.list_within(MOST_REMINDERS, faults);
        reminders.extend(entries.iter().filter_map(|one| remind(one, window, faults)));
    }
    let stop = at.get("stop").map_or(Some((None, None)), |at| stop(&at, events, faults));
    let ((anchors, days), window) = (days?, window?);
    if days.closest().is_some_and(|closest| u32::from(closest) * u32::from(DAY) < window.length) {
        at.fault(faults, Code::Conflict, "a window must close before the next one of the series opens");
    }
    let (stop_missed, stop_event) = stop?;
    Some(Series {
        id: id?,
        topic: topic?,
        anchors,
        days,
        opens: window.opens,
        length: window.length,
        grace: u32::from(grace?) * 60,
        reminders,
        stop_missed,
        stop_event,
    })
}

fn topic(at: &At<'_, '_>, faults: &mut Faults) -> Option<Topic> {
    let instrument = at.get("instrument");
    let instrument = instrument.map(|at| at.form(NAME_RULE, faults, InstrumentId::parse).map(Topic::Instrument));
    let report = at.get("report").map(|at| {
        let kind = at.choice(&ReportKind::ALL.map(ReportKind::as_str), faults);
        kind.and_then(|kind| ReportKind::ALL.get(kind).copied()).map(Topic::Report)
    });
    if instrument.is_some() == report.is_some() {
        at.fault(faults, Code::Conflict, "needs either \"instrument\" or \"report\"");
    }
    instrument.or(report)?
}

/// The anchors and days of a series.
fn days(at: &At<'_, '_>, known: &[String], faults: &mut Faults) -> Option<(Vec<String>, Days)> {
    if !at.object(faults, &["after", "anchors", "days", "every", "from", "until"]) {
        return None;
    }
    let anchors = match (at.get("after"), at.get("anchors")) {
        (Some(after), None) => Some(Vec::from([anchor(&after, known, faults)?])),
        (None, Some(anchors)) => Some(several(&anchors, known, faults)),
        _ => {
            at.fault(faults, Code::Conflict, "needs either \"after\" or \"anchors\"");
            None
        }
    };
    let repeats = ["every", "from", "until"].iter().any(|member| at.get(member).is_some());
    let days = match at.get("days") {
        Some(_) if repeats => {
            at.fault(faults, Code::Conflict, "needs either \"days\", or \"every\" with \"until\"");
            None
        }
        Some(days) => single(&days, faults),
        None => repeated(at, faults),
    };
    let (anchors, days) = (anchors?, days?);
    if anchors.len() * days.count() > MOST_OCCURRENCES {
        at.fault(faults, Code::Range, format!("must have at most {MOST_OCCURRENCES} occurrences"));
    }
    Some((anchors, days))
}

fn anchor(at: &At<'_, '_>, known: &[String], faults: &mut Faults) -> Option<String> {
    let name = at.text(faults)?;
    let found = known.iter().find(|anchor| *anchor == name).cloned();
    if found.is_none() {
        at.fault(faults, Code::Choice, ANCHOR_RULE);
    }
    found
}

fn several(at: &At<'_, '_>, known: &[String], faults: &mut Faults) -> Vec<String> {
    let mut found = Vec::new();
    for one in at.filled_list(faults) {
        let Some(name) = anchor(&one, known, faults) else { continue };
        if found.contains(&name) {
            one.fault(faults, Code::Conflict, "is there twice");
        } else {
            found.push(name);
        }
    }
    found
}

fn single(at: &At<'_, '_>, faults: &mut Faults) -> Option<Days> {
    let mut found: Vec<u16> = Vec::new();
    if at.value.as_array().is_some_and(Vec::is_empty) {
        at.fault(faults, Code::Range, "must have at least one entry");
    }
    for one in at.list_within(MOST_OCCURRENCES, faults) {
        let Some(day) = one.whole(0, LAST_DAY, faults) else { continue };
        if found.last().is_some_and(|last| *last >= day) {
            one.fault(faults, Code::Conflict, "must be after the day before it in the list");
        } else {
            found.push(day);
        }
    }
    (!found.is_empty()).then_some(Days::Each(found))
}

fn repeated(at: &At<'_, '_>, faults: &mut Faults) -> Option<Days> {
    if at.get("every").is_none() && at.get("until").is_none() {
        at.fault(faults, Code::Required, "needs \"days\", or \"every\" with \"until\"");
        return None;
    }
    let every = at.need("every", faults).and_then(|at| at.whole(1, LAST_DAY, faults));
    let from = at.get("from").map_or(Some(0), |at| at.whole(0, LAST_DAY, faults));
    let until = at.need("until", faults).and_then(|at| at.whole(0, LAST_DAY, faults));
    let (every, from, until) = (every?, from?, until?);
    if until < from {
        at.fault(faults, Code::Conflict, "\"until\" must not be before \"from\"");
        return None;
    }
    Some(Days::Every { every, from, until })
}

/// The window: from `opens` on the first day to `closes` on the last. A closing that is not after the opening is on the
/// day after.
fn window(at: &At<'_, '_>, faults: &mut Faults) -> Option<Window> {
    let days = at.get("daysOpen").map_or(Some(1), |at| at.whole(1, MOST_DAYS_OPEN, faults));
    let (mut opens, mut closes) = (Some(0), Some(0));
    if let Some(time) = at.get("time") {
        if !time.object(faults, &["opens", "closes"]) {
            return None;
        }
        opens = time.get("opens").map_or(opens, |at| at.form(TIME_RULE, faults, minute_of_day));
        closes = time.get("closes").map_or(closes, |at| at.form(TIME_RULE, faults, minute_of_day));
    }
    let (opens, closes, days) = (opens?, closes?, days?);
    let next = if closes <= opens { DAY } else { 0 };
    let length = u32::from(days - 1) * u32::from(DAY) + u32::from(closes + next - opens);
    Some(Window { opens, length })
}

fn remind(at: &At<'_, '_>, window: Option<Window>, faults: &mut Faults) -> Option<Remind> {
    const KINDS: [&str; 3] = ["hoursBeforeOpen", "hoursAfterOpen", "hoursBeforeClose"];
    if !at.object(faults, &KINDS) {
        return None;
    }
    let mut kinds = KINDS.iter().filter(|kind| at.get(kind).is_some());
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        at.fault(faults, Code::Conflict, format!("needs one of: {}", KINDS.join(", ")));
        return None;
    };
    let at = at.get(kind)?;
    let hours = at.any_number(faults)?;
    let least = if *kind == "hoursAfterOpen" { 0.0 } else { 0.25 };
    if !(least..=MOST_REMIND).contains(&hours) || (hours * 4.0) % 1.0 > 0.0 {
        at.fault(faults, Code::Range, format!("must be hours from {least} to {MOST_REMIND} in steps of 0.25"));
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
    let minutes = (hours * 60.0) as u16;
    let (reminder, within) = match *kind {
        "hoursBeforeOpen" => (Remind::BeforeOpen(minutes), true),
        "hoursAfterOpen" => {
            (Remind::AfterOpen(minutes), window.is_none_or(|window| u32::from(minutes) < window.length))
        }
        _ => (Remind::BeforeClose(minutes), window.is_none_or(|window| u32::from(minutes) <= window.length)),
    };
    if !within {
        at.fault(faults, Code::Range, "must lie within the window");
    }
    Some(reminder)
}

/// After how many missed in a row a series ends, and by which event.
type Stop = (Option<u16>, Option<String>);

fn stop(at: &At<'_, '_>, events: &[String], faults: &mut Faults) -> Option<Stop> {
    if !at.object(faults, &["missed", "event"]) {
        return None;
    }
    if at.get("missed").is_none() && at.get("event").is_none() {
        at.fault(faults, Code::Required, "needs \"missed\", \"event\" or both");
    }
    let missed = at.get("missed").and_then(|at| at.whole(1, 1000, faults));
    let event = at.get("event").and_then(|at| {
        let name = at.text(faults)?;
        if name != WITHDRAWN && !events.iter().any(|event| event == name) {
            at.fault(faults, Code::Choice, "must be one of the schedule's events, or withdrawn");
        }
        Some(name.to_owned())
    });
    Some((missed, event))
}

fn blackout(at: &At<'_, '_>, faults: &mut Faults) -> Option<(u16, u16)> {
    if !at.object(faults, &["from", "until"]) {
        return None;
    }
    let from = at.need("from", faults).and_then(|at| at.form(TIME_RULE, faults, minute_of_day));
    let until = at.need("until", faults).and_then(|at| at.form(TIME_RULE, faults, minute_of_day));
    let (from, until) = (from?, until?);
    if !(1..=MOST_BLACKOUT).contains(&((until + DAY - from) % DAY)) {
        at.fault(faults, Code::Range, "must leave at least 4 hours of each day, and not be empty");
    }
    Some((from, until))
}
