//! The reader's faults, and single days.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::*;
use crate::alert::zone::Clock;
use crate::{Code, Day, Timestamp};

/// A schedule of one series with these members.
fn one(members: Value) -> Value {
    let mut series = json!({"id": "a", "instrument": "phq-9", "at": {"after": "enrolled", "days": [0]}});
    for (name, value) in members.as_object().unwrap() {
        series[name] = value.clone();
    }
    json!({"anchors": ["enrolled", "visit"], "events": ["relapse"], "series": [series]})
}

fn faults(section: &Value) -> Vec<(String, Code)> {
    let found = Schedule::read(section).err().unwrap_or_default();
    found.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

#[test]
fn the_schedule_of_the_page_is_read() {
    let page = include_str!("../../../docs/schedule.md");
    let section = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let schedule = Schedule::read(&serde_json::from_str(section).unwrap()).unwrap();
    assert_eq!((schedule.series.len(), schedule.anchors.len()), (4, 4));
    assert_eq!(schedule.series[3].anchors().collect::<Vec<_>>(), ["visit-1", "visit-2"]);
    assert_eq!(schedule.series.iter().map(|it| it.topic.name()).nth(2).as_deref(), Some("/diary"));
}

#[test]
fn every_fault_is_told_at_its_place() {
    let many: Vec<_> = (0..1001).collect();
    for (members, pointer, code) in [
        (json!({"id": "a b"}), "/id", Code::Format),
        (json!({"id": 1}), "/id", Code::Type),
        (json!({"more": 1}), "/more", Code::Unknown),
        (json!({"report": "diary"}), "", Code::Conflict),
        (json!({"instrument": "a b"}), "/instrument", Code::Format),
        (json!({"at": 1}), "/at", Code::Type),
        (json!({"at": {"after": "enrolled"}}), "/at", Code::Required),
        (json!({"at": {"days": [0]}}), "/at", Code::Conflict),
        (json!({"at": {"after": "enrolled", "anchors": ["visit"], "days": [0]}}), "/at", Code::Conflict),
        (json!({"at": {"after": "birth", "days": [0]}}), "/at/after", Code::Choice),
        (json!({"at": {"anchors": [], "days": [0]}}), "/at/anchors", Code::Range),
        (json!({"at": {"anchors": ["visit", "visit"], "days": [0]}}), "/at/anchors/1", Code::Conflict),
        (json!({"at": {"anchors": ["visit", "birth"], "days": [0]}}), "/at/anchors/1", Code::Choice),
        (json!({"at": {"after": "visit", "days": []}}), "/at/days", Code::Range),
        (json!({"at": {"after": "visit", "days": many}}), "/at/days", Code::Range),
        (json!({"at": {"after": "visit", "days": [3661]}}), "/at/days/0", Code::Range),
        (json!({"at": {"after": "visit", "days": [-1]}}), "/at/days/0", Code::Range),
        (json!({"at": {"after": "visit", "days": ["1"]}}), "/at/days/0", Code::Type),
        (json!({"at": {"after": "visit", "days": [3, 3]}}), "/at/days/1", Code::Conflict),
        (json!({"at": {"after": "visit", "days": [3], "every": 1}}), "/at", Code::Conflict),
        (json!({"at": {"after": "visit", "every": 0, "until": 3}}), "/at/every", Code::Range),
        (json!({"at": {"after": "visit", "every": 1}}), "/at", Code::Required),
        (json!({"at": {"after": "visit", "every": 1, "until": 3661}}), "/at/until", Code::Range),
        (json!({"at": {"after": "visit", "every": 1, "from": 4, "until": 3}}), "/at", Code::Conflict),
        (json!({"at": {"after": "visit", "every": 1, "until": 1000}}), "/at", Code::Range),
        (json!({"at": {"anchors": ["visit", "enrolled"], "every": 1, "until": 500}}), "/at", Code::Range),
        (json!({"time": {"opens": "24:00"}}), "/time/opens", Code::Format),
        (json!({"time": {"closes": "7:00"}}), "/time/closes", Code::Format),
        (json!({"time": {"from": "07:00"}}), "/time/from", Code::Unknown),
        (json!({"daysOpen": 0}), "/daysOpen", Code::Range),
        (json!({"daysOpen": 367}), "/daysOpen", Code::Range),
        (json!({"at": {"after": "visit", "days": [0, 9, 10]}, "daysOpen": 2}), "", Code::Conflict),
        (
            json!({"at": {"after": "visit", "days": [0, 1]}, "time": {"opens": "06:00", "closes": "05:00"}, "daysOpen": 2}),
            "",
            Code::Conflict,
        ),
        (json!({"graceHours": 2161}), "/graceHours", Code::Range),
        (json!({"graceHours": 0.5}), "/graceHours", Code::Range),
        (json!({"reminders": {}}), "/reminders", Code::Type),
        (json!({"reminders": vec![json!({"hoursAfterOpen": 0}); 11]}), "/reminders", Code::Range),
        (json!({"reminders": [{}]}), "/reminders/0", Code::Conflict),
        (json!({"reminders": [{"hoursAfterOpen": 1, "hoursBeforeOpen": 1}]}), "/reminders/0", Code::Conflict),
        (json!({"reminders": [{"hoursBeforeOpen": 0}]}), "/reminders/0/hoursBeforeOpen", Code::Range),
        (json!({"reminders": [{"hoursBeforeOpen": 720.25}]}), "/reminders/0/hoursBeforeOpen", Code::Range),
        (json!({"reminders": [{"hoursBeforeOpen": 0.3}]}), "/reminders/0/hoursBeforeOpen", Code::Range),
        (json!({"reminders": [{"hoursBeforeOpen": "1"}]}), "/reminders/0/hoursBeforeOpen", Code::Type),
        (json!({"reminders": [{"hoursAfterOpen": 24}]}), "/reminders/0/hoursAfterOpen", Code::Range),
        (json!({"reminders": [{"hoursBeforeClose": 24.25}]}), "/reminders/0/hoursBeforeClose", Code::Range),
        (json!({"stop": {}}), "/stop", Code::Required),
        (json!({"stop": {"missed": 0}}), "/stop/missed", Code::Range),
        (json!({"stop": {"event": "death"}}), "/stop/event", Code::Choice),
    ] {
        assert_eq!(faults(&one(members.clone())), [(format!("/series/0{pointer}"), code)], "{members}");
    }
    for members in [
        json!({"at": {"after": "visit", "days": [0, 1, 2]}, "time": {"opens": "06:00", "closes": "06:00"}}),
        json!({"at": {"after": "visit", "every": 1, "until": 999}}),
        json!({"reminders": [{"hoursAfterOpen": 23.75}, {"hoursBeforeClose": 24}, {"hoursBeforeOpen": 720}]}),
        json!({"stop": {"event": "withdrawn", "missed": 1000}, "graceHours": 2160, "daysOpen": 366}),
    ] {
        assert_eq!(faults(&one(members.clone())), [], "{members}");
    }
}

#[test]
fn all_faults_of_a_schedule_come_at_once() {
    let found =
        faults(&json!({"anchors": ["a", "a", ""], "events": 1, "blackout": {"from": "21:00", "until": "21:00"},
        "reminders": [], "series": [
            {"id": "x", "instrument": "phq-9", "at": {"after": "a", "days": [0]}},
            {"id": "x", "report": "letter", "at": {"after": "b", "days": [0]}}, {}, 1]}));
    let expected = [
        ("/reminders", Code::Unknown),
        ("/anchors/1", Code::Conflict),
        ("/anchors/2", Code::Format),
        ("/events", Code::Type),
        ("/series/1/id", Code::Conflict),
        ("/series/1/report", Code::Choice),
        ("/series/1/at/after", Code::Choice),
        ("/series/2", Code::Required),
        ("/series/2", Code::Conflict),
        ("/series/2", Code::Required),
        ("/series/3", Code::Type),
        ("/blackout", Code::Range),
    ];
    assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_string(), code)));
    assert_eq!(faults(&json!([])), [(String::new(), Code::Type)]);
    assert_eq!(faults(&json!({})), [(String::new(), Code::Required), (String::new(), Code::Required)]);
    let empty = json!({"anchors": [], "series": []});
    assert_eq!(faults(&empty), [("/anchors".into(), Code::Range), ("/series".into(), Code::Range)]);
    for (from, until, fits) in [("04:00", "00:00", true), ("03:59", "00:00", false), ("21:00", "08:00", true)] {
        let mut section = one(json!({}));
        section["blackout"] = json!({"from": from, "until": until});
        assert_eq!(faults(&section).is_empty(), fits, "{from} {until}");
    }
    let mut section = one(json!({}));
    section["series"] = Value::from(vec![section["series"][0].clone(); 51]);
    assert_eq!(faults(&section), [("/series".into(), Code::Range)]);
}

/// Moments of the first occurrence after an anchor: opens, closes, reminders, as texts without seconds.
fn first(members: Value, blackout: Option<(&str, &str)>, zone: &str, day: &str) -> Vec<String> {
    let mut section = one(members);
    if let Some((from, until)) = blackout {
        section["blackout"] = json!({"from": from, "until": until});
    }
    let schedule = Schedule::read(&section).unwrap();
    let anchor = Anchor { day: Day::parse(day).unwrap(), known: Timestamp::EARLIEST };
    let (anchors, events, done) = (BTreeMap::from([("enrolled".into(), anchor)]), BTreeMap::new(), BTreeSet::new());
    let subject = Subject { clock: Clock::zone(zone).unwrap(), anchors: &anchors, events: &events, done: &done };
    let calendar = schedule.calendar(subject, Timestamp::EARLIEST);
    let found = calendar.between(Timestamp::EARLIEST, Timestamp::LATEST).next().unwrap();
    let moments = [found.opens, found.closes].into_iter().chain(found.reminders.iter().map(|reminder| reminder.at));
    moments.map(|at| at.rfc3339()[..16].to_string()).collect()
}

#[test]
fn days_on_which_clocks_change_are_as_the_page_says() {
    let window = |opens: &str, closes: &str| json!({"time": {"opens": opens, "closes": closes}});
    for (members, day, expected) in [
        (window("02:30", "09:00"), "2026-03-29", ["2026-03-29T01:00", "2026-03-29T07:00"]),
        (window("02:30", "09:00"), "2026-10-25", ["2026-10-25T00:30", "2026-10-25T08:00"]),
        (window("02:10", "02:50"), "2026-03-29", ["2026-03-29T01:00", "2026-03-29T01:40"]),
        (window("01:00", "02:30"), "2026-10-25", ["2026-10-24T23:00", "2026-10-25T00:30"]),
        (json!({}), "2026-03-29", ["2026-03-28T23:00", "2026-03-29T22:00"]),
        (json!({}), "2026-10-25", ["2026-10-24T22:00", "2026-10-25T23:00"]),
        (window("22:00", "02:00"), "2026-06-01", ["2026-06-01T20:00", "2026-06-02T00:00"]),
    ] {
        assert_eq!(first(members.clone(), None, "Europe/Berlin", day), expected, "{members} {day}");
    }
}

#[test]
fn a_reminder_stays_within_a_window_that_a_change_of_clocks_makes_shorter() {
    let members = json!({"time": {"opens": "01:30", "closes": "03:30"},
        "reminders": [{"hoursAfterOpen": 1.75}, {"hoursBeforeClose": 2}]});
    let expected = ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T00:30", "2026-03-29T01:29"];
    assert_eq!(first(members, None, "Europe/Berlin", "2026-03-29"), expected);
}

#[test]
fn a_reminder_in_the_blackout_waits_or_comes_before_it() {
    let night = Some(("21:00", "08:00"));
    for (opens, closes, remind, expected) in [
        ("06:00", "11:00", json!({"hoursAfterOpen": 0}), "2026-06-01T08:00"),
        ("06:00", "08:00", json!({"hoursAfterOpen": 0}), "2026-05-31T20:59"),
        ("06:00", "11:00", json!({"hoursBeforeClose": 0.5}), "2026-06-01T10:30"),
        ("06:00", "11:00", json!({"hoursBeforeOpen": 8}), "2026-06-01T08:00"),
        ("12:00", "22:00", json!({"hoursBeforeClose": 0.5}), "2026-06-01T20:59"),
        ("22:00", "09:00", json!({"hoursAfterOpen": 0}), "2026-06-02T08:00"),
    ] {
        let members = json!({"time": {"opens": opens, "closes": closes}, "reminders": [remind]});
        assert_eq!(first(members, night, "UTC", "2026-06-01")[2], expected, "{opens} {closes} {remind}");
    }
}

#[test]
fn missed_in_a_row_waits_for_an_earlier_one_that_is_not_decided() {
    let section = one(json!({"at": {"anchors": ["enrolled", "visit"], "days": [0, 30]}, "graceHours": 1440,
        "stop": {"missed": 1}}));
    let schedule = Schedule::read(&section).unwrap();
    let anchor = |day: &str| Anchor { day: Day::parse(day).unwrap(), known: Timestamp::EARLIEST };
    let anchors = BTreeMap::from([("enrolled".into(), anchor("2026-01-01")), ("visit".into(), anchor("2026-02-01"))]);
    let (events, done) = (BTreeMap::new(), BTreeSet::from(["a:enrolled:0".to_string()]));
    let subject = Subject { clock: Clock::default(), anchors: &anchors, events: &events, done: &done };
    let states = |now: &str| {
        let calendar = schedule.calendar(subject, Timestamp::parse(now).unwrap());
        let all = calendar.between(Timestamp::EARLIEST, Timestamp::LATEST);
        all.map(|one| format!("{} {}", one.id(), one.state.as_str())).collect::<Vec<_>>()
    };
    // The visit's first is missed on 3 March; the one before it can be fulfilled until 2 April.
    let first = ["a:enrolled:0 done", "a:enrolled:30 open", "a:visit:0 missed", "a:visit:30 open"];
    assert_eq!(states("2026-03-20T00:00:00Z"), first);
    let then = ["a:enrolled:0 done", "a:enrolled:30 missed", "a:visit:0 missed", "a:visit:30 stopped"];
    assert_eq!(states("2026-04-02T00:00:00Z"), then);
}
