//! Schedules: held against what Python's zoneinfo and dateutil find, by the vectors that `vectors.py` writes; and properties.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use domain::alert::zone::Clock;
use domain::schedule::{Anchor, Calendar, Occurrence, Schedule, Subject, Topic, What};
use domain::{Day, Timestamp};
use serde_json::{Value, json};

/// Some of many: `SCHEDULE_VECTORS` names a file with more.
const VECTORS: &str = include_str!("vectors.jsonl");

/// A moment from minutes.
fn moment(minutes: &Value) -> Timestamp {
    Timestamp::from_millis(minutes.as_i64().unwrap() * 60_000)
}

/// A moment as minutes; all moments of a schedule are whole ones.
fn minutes(at: Timestamp) -> i64 {
    assert_eq!(at.millis() % 60_000, 0);
    at.millis() / 60_000
}

fn shown(occurrence: &Occurrence<'_>) -> Value {
    let reminders: Vec<_> =
        occurrence.reminders.iter().map(|reminder| json!([reminder.number, minutes(reminder.at)])).collect();
    let (opens, closes, grace) = (occurrence.opens, occurrence.closes, occurrence.grace_until);
    json!([
        occurrence.id(),
        occurrence.number,
        minutes(opens),
        minutes(closes),
        minutes(grace),
        occurrence.state.as_str(),
        reminders
    ])
}

fn members<'v>(case: &'v Value, name: &str) -> impl Iterator<Item = (String, &'v Value)> {
    case[name].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value))
}

/// Compares one vector with the calendar.
fn check(case: &Value) -> usize {
    let schedule = Schedule::read(&case["schedule"]).unwrap();
    let anchors: BTreeMap<_, _> = members(case, "anchors")
        .map(|(name, at)| (name, Anchor { day: Day::parse(at[0].as_str().unwrap()).unwrap(), known: moment(&at[1]) }))
        .collect();
    let events: BTreeMap<_, _> = members(case, "events").map(|(name, at)| (name, moment(at))).collect();
    let done: BTreeSet<_> = case["done"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let clock = Clock::zone(case["zone"].as_str().unwrap()).unwrap();
    let subject = Subject { clock, anchors: &anchors, events: &events, done: &done };
    let calendar = schedule.calendar(subject, moment(&case["now"]));
    let most = usize::try_from(case["most"].as_u64().unwrap()).unwrap();

    let between = calendar.between(moment(&case["from"]), moment(&case["until"]));
    let between: Vec<Occurrence<'_>> = between.take(most).collect();
    assert_eq!(Value::from(between.iter().map(shown).collect::<Vec<_>>()), case["between"], "{case}");
    for one in between.iter() {
        assert_eq!(calendar.occurrence(&one.id()).as_ref(), Some(one), "{case}");
    }
    let due = calendar.due(moment(&case["after"])).take(most).map(|due| {
        let what = match due.what {
            What::Opens => "opens".to_owned(),
            What::Reminder(number) => format!("reminder {number}"),
            What::Closes => "closes".to_owned(),
            What::Over => "over".to_owned(),
        };
        json!([minutes(due.at), what, due.occurrence.id()])
    });
    assert_eq!(Value::from(due.collect::<Vec<_>>()), case["due"], "{case}");
    for written in case["fulfilled"].as_array().unwrap() {
        let found = fulfilled(&schedule, &calendar, written[0].as_str().unwrap(), moment(&written[1]));
        assert_eq!(json!(found), written[2], "{written} {case}");
    }
    between.len() + case["due"].as_array().unwrap().len()
}

fn fulfilled(schedule: &Schedule, calendar: &Calendar<'_>, topic: &str, at: Timestamp) -> Option<String> {
    let topic: &Topic = &schedule.series.iter().find(|series| series.topic.name() == topic).unwrap().topic;
    calendar.fulfilled(topic, at).map(|found| found.id())
}

#[test]
fn occurrences_are_those_that_zoneinfo_and_dateutil_find() {
    let other = std::env::var("SCHEDULE_VECTORS").map(|path| fs::read_to_string(path).unwrap());
    let text = other.as_deref().unwrap_or(VECTORS);
    let (mut cases, mut compared) = (0, 0);
    for line in text.lines() {
        compared += check(&serde_json::from_str(line).unwrap());
        cases += 1;
    }
    eprintln!("{cases} schedules, {compared} occurrences and due moments");
    assert!(cases >= 200 && compared > 4 * cases, "{cases} {compared}");
}
