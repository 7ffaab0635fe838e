use super::*;
use crate::Code;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn document() -> Value {
    json!({
        "receivers": {
            "hook": {"channel": "webhook", "url": "https://example.org/h", "secrets": [SECRET]},
            "sms": {
                "channel": "sms", "url": "http://127.0.0.1:9000/send", "authorization": "Bearer x", "deadlineMs": 3000,
                "ratePerMinute": 60, "concurrency": 2, "utcOffset": "+08:00",
                "quietHours": {"from": "22:00", "to": "07:00"}, "to": "+861", "format": "form",
                "body": {"zh": "To={to}&Text={message}"},
            },
            "lead": {"channel": "email", "url": "https://example.org/m"},
        },
        "defaults": {
            "routes": {"critical": ["sms", "hook"], "high": ["sms"], "info": []},
            "chain": {"steps": [{"afterSeconds": 0.5, "receivers": ["lead"]}, {"afterSeconds": 1}], "fallback": "hook"},
            "retry": {"routine": {"delaysSeconds": [0.1, 2]}, "critical": {"passOnFromFailure": 2}},
        },
        "studies": {
            "S1": {
                "routes": {"high": ["lead"]}, "groupSeconds": 5, "language": "zh",
                "repeatSecondsByRule": {"phq-9/item-9": 60, "item-9": 7},
                "sites": {"01": {"routes": {"high": ["hook"]}, "repeatSeconds": 1}},
            },
        },
        "breaker": {"calls": 3},
        "link": {"baseUrl": "https://vigil.example.org", "validSeconds": 3600},
        "messages": {"zh": {"sms": {"text": "{severity} {link}"}}},
    })
}

fn facts<'a>(study: &'a str, site: &'a str, severity: Severity) -> Facts<'a> {
    Facts { study, site, subject: "p", instrument: "phq-9", rule: "item-9", severity }
}

#[test]
fn the_nearest_layer_wins_for_each_setting() {
    let routes = Routes::read(&document()).unwrap();
    let told = |study, site, severity| routes.plan(&facts(study, site, severity)).receivers.join(",");
    assert_eq!(told("S1", "01", Severity::High), "hook");
    assert_eq!(told("S1", "02", Severity::High), "lead");
    assert_eq!(told("S2", "01", Severity::High), "sms");
    assert_eq!(told("S1", "01", Severity::Critical), "sms,hook");
    let plan = routes.plan(&facts("S1", "01", Severity::High));
    assert_eq!((plan.group_ms, plan.repeat_ms, plan.language), (5_000, 60_000, Language::Zh));
    assert_eq!((plan.chain, &plan.schedule.delays_ms), (None, &Vec::from([100, 2_000])));
    let other = Facts { instrument: "phq-2", ..facts("S1", "01", Severity::Critical) };
    assert_eq!(routes.plan(&other).repeat_ms, 7_000);
    let missing = routes.plan(&facts("S1", "01", Severity::Moderate));
    assert_eq!((missing.routed, missing.receivers.len()), (false, 0));
    assert!(routes.plan(&facts("S1", "01", Severity::Info)).routed);
}

#[test]
fn what_is_left_out_has_its_default() {
    let routes = Routes::read(&document()).unwrap();
    let critical = routes.plan(&facts("S2", "01", Severity::Critical));
    assert_eq!((critical.group_ms, critical.repeat_ms, critical.language), (0, 0, Language::En));
    let expected = Schedule { pass_on_from: Some(2), ..Schedule::critical() };
    assert_eq!(critical.schedule, &expected);
    let chain = critical.chain.unwrap();
    assert_eq!((chain.repeats, chain.pause_ms, &chain.fallback), (1, 1_800_000, &Some("hook".into())));
    assert_eq!(chain.succession().collect::<Vec<_>>(), ["lead", "hook"]);
    let high = routes.plan(&facts("S2", "01", Severity::High));
    assert_eq!((high.group_ms, high.repeat_ms), (GROUP_MS, REPEAT_MS));
    let empty = Routes::read(&json!({})).unwrap();
    let plan = empty.plan(&facts("S", "01", Severity::Critical));
    assert_eq!((plan.schedule, plan.chain), (&Schedule::critical(), Some(&Chain::default())));
    assert_eq!(empty.breaker, Limits::default());
    assert_eq!((routes.breaker.calls, routes.breaker.pause_ms, routes.link_valid_ms), (3, 30_000, 3_600_000));
}

#[test]
fn a_receiver_is_told_where_a_layer_names_it() {
    let routes = Routes::read(&document()).unwrap();
    for (receiver, expected) in [("sms", &[("*", "*")][..]), ("nobody", &[])] {
        assert_eq!(routes.places(&receiver.into()), expected, "{receiver}");
    }
    let one = json!({"receivers": {"a": {"channel": "sms", "url": "https://h/"}}, "studies": {
        "S": {"sites": {"1": {"routes": {"high": ["a"]}}}},
        "T": {"chain": {"steps": [{"afterSeconds": 1, "receivers": ["a"]}]}},
        "U": {"chain": {"steps": [{"afterSeconds": 1}], "fallback": "a"}, "sites": {"2": {"language": "zh"}}},
    }});
    assert_eq!(Routes::read(&one).unwrap().places(&"a".into()), [("S", "1"), ("T", "*"), ("U", "*")]);
}

#[test]
fn quiet_hours_hold_back_all_but_the_critical() {
    let routes = Routes::read(&document()).unwrap();
    let sms = routes.receiver(&"sms".into()).unwrap();
    let night = Timestamp::parse("2026-03-01T23:00:00+08:00").unwrap();
    let morning = Timestamp::parse("2026-03-02T07:00:00+08:00").unwrap();
    assert_eq!(sms.allowed_at(Severity::Critical, night), night);
    assert_eq!(sms.allowed_at(Severity::High, night), morning);
    assert_eq!(routes.receiver(&"hook".into()).unwrap().allowed_at(Severity::High, night), night);
}

#[test]
fn quiet_hours_follow_the_summer_time_of_a_zone() {
    let mut document = document();
    let sms = document.pointer_mut("/receivers/sms").unwrap().as_object_mut().unwrap();
    sms.remove("utcOffset");
    sms.insert("timeZone".into(), json!("Europe/Berlin"));
    let routes = Routes::read(&document).unwrap();
    let sms = routes.receiver(&"sms".into()).unwrap();
    let at = |text| Timestamp::parse(text).unwrap();
    for (night, morning) in [
        ("2026-01-10T23:00:00+01:00", "2026-01-11T07:00:00+01:00"),
        ("2026-07-10T22:00:00+02:00", "2026-07-11T07:00:00+02:00"),
        ("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),
    ] {
        assert_eq!(sms.allowed_at(Severity::High, at(night)), at(morning), "{night}");
        assert_eq!(sms.allowed_at(Severity::Critical, at(night)), at(night), "{night}");
    }
    assert_eq!(sms.clock.show(at("2026-07-10T20:00:00Z")), "2026-07-10 22:00 UTC+02:00");
}

/// Sets the value at a pointer and compares the faults.
fn check(pointer: &str, value: Value, expected: &[(&str, Code)]) {
    let mut document = document();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
        _ => parent[member] = value,
    }
    let faults = Routes::read(&document).expect_err(pointer);
    let found: Vec<(&str, Code)> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
    assert_eq!(found, expected, "{pointer}: {faults:?}");
}

#[test]
fn a_fault_is_told_at_its_place() {
    let one = |pointer, value, code| check(pointer, value, &[(pointer, code)]);
    for url in ["http://example.org/", "https://u:p@example.org/", "ftp://example.org", "https://example.org/#f"] {
        one("/receivers/hook/url", json!(url), Code::Format);
    }
    one("/receivers/hook/secrets/0", json!("whsec_short"), Code::Format);
    one("/receivers/hook/secrets", json!([]), Code::Range);
    one("/receivers/hook/to", json!("x"), Code::Forbidden);
    one("/receivers/hook/colour", json!("x"), Code::Unknown);
    one("/receivers/hook/channel", json!("pigeon"), Code::Choice);
    one("/receivers/hook/resource", json!("Flag"), Code::Forbidden);
    let server = |resource: &str| json!({"channel": "fhir-communication", "url": "https://h/", "resource": resource});
    check("/receivers/ehr", server("Task"), &[("/receivers/ehr/resource", Code::Choice)]);
    one("/receivers/sms/deadlineMs", json!(0), Code::Range);
    one("/receivers/sms/utcOffset", json!("+08"), Code::Format);
    one("/receivers/sms/quietHours/to", json!("24:00"), Code::Format);
    one("/receivers/hook/timeZone", json!("Europe/Atlantis"), Code::Choice);
    one("/receivers/hook/timeZone", json!(2), Code::Type);
    one("/receivers/sms/timeZone", json!("Europe/Berlin"), Code::Conflict);
    let quiet = json!({"channel": "sms", "url": "https://h/", "quietHours": {"from": "22:00", "to": "07:00"}});
    check("/receivers/hook", quiet, &[("/receivers/hook", Code::Required)]);
    one("/receivers/sms/body/zh", json!("To={patient}"), Code::Format);
    one("/receivers/sms/authorization", json!("a\r\nb"), Code::Format);
    one("/defaults/routes/critical", json!([]), Code::Range);
    one("/defaults/routes/critical/0", json!("nobody"), Code::Choice);
    one("/defaults/routes/critical/1", json!("sms"), Code::Conflict);
    one("/defaults/routes/urgent", json!(["sms"]), Code::Unknown);
    one("/defaults/chain/fallback", json!("nobody"), Code::Choice);
    one("/defaults/chain/steps", json!([]), Code::Range);
    one("/defaults/chain/steps/1/afterSeconds", json!(0.5), Code::Conflict);
    one("/defaults/chain/repeats", json!(-1), Code::Range);
    one("/defaults/chain/pauseSeconds", json!(0), Code::Range);
    one("/defaults/groupSeconds", json!(-1), Code::Range);
    one("/defaults/retry/routine/delaysSeconds/1", json!("soon"), Code::Type);
    one("/defaults/language", json!("fr"), Code::Choice);
    one("/studies/S1/sites/01/sites", json!({}), Code::Unknown);
    one("/studies/S1/repeatSecondsByRule/a b", json!(1), Code::Format);
    one("/studies/S1/sites/01/routes/high/0", json!("nobody"), Code::Choice);
    one("/breaker/failurePercent", json!(101), Code::Range);
    one("/link/baseUrl", json!("https://example.org/"), Code::Format);
    one("/messages/zh/sms/text", json!("{message}"), Code::Format);
    one("/messages/zh/webhook", json!({}), Code::Unknown);
    one("/extra", json!(1), Code::Unknown);
}

#[test]
fn a_chain_has_no_loop() {
    let step = json!({"afterSeconds": 1, "receivers": ["lead"]});
    check("/defaults/chain/steps/1", step, &[("/defaults/chain/steps/1", Code::Conflict)]);
}

#[test]
fn all_faults_come_at_once_and_repeat_no_value() {
    let document = json!({
        "receivers": {
            "a": {"channel": "webhook", "url": "http://secret.example.org/token"},
            "b c": {"channel": "sms", "url": "https://example.org", "quietHours": {"from": "22:00", "to": "22:00"}},
        },
        "defaults": {"routes": {"critical": ["a", "x"]}},
        "studies": {"S 1": {"routes": 1}},
    });
    let faults = Routes::read(&document).unwrap_err();
    let mut pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    pointers.sort_unstable();
    let expected = [
        "/defaults/routes/critical/1",
        "/receivers/a",
        "/receivers/a/url",
        "/receivers/b c",
        "/receivers/b c",
        "/receivers/b c/quietHours",
        "/studies/S 1",
        "/studies/S 1/routes",
    ];
    assert_eq!(pointers, expected);
    assert!(faults.iter().all(|fault| !fault.detail.contains("token")));
}

#[test]
fn the_variable_is_a_document_too() {
    let hook = |url: &str| json!({"url": url, "secret": SECRET});
    let (one, two) = ("https://example.org/1", "http://localhost:9/2");
    let document = json!({"critical": [hook(one), hook(two)], "high": [hook(one)], "info": []});
    let routes = Routes::read_variable(&document).unwrap();
    let plan = routes.plan(&facts("S", "01", Severity::Critical));
    assert_eq!(plan.receivers, [receiver_id(one), receiver_id(two)]);
    assert_eq!(routes.plan(&facts("S", "01", Severity::High)).receivers, [receiver_id(one)]);
    assert!(!routes.plan(&facts("S", "01", Severity::Info)).routed, "an empty list decides nothing here");
    assert_eq!(routes.receivers().count(), 2);
    let paced = routes.clone().paced(700, Some(Vec::from([5])));
    assert!(paced.receivers().all(|it| it.deadline_ms == 700));
    for severity in [Severity::Critical, Severity::High] {
        let plan = paced.plan(&facts("S", "01", severity));
        assert_eq!((plan.schedule.delays_ms.as_slice(), plan.schedule.then), ([5].as_slice(), None));
    }
    assert_eq!(routes.clone().paced(700, None).plan(&facts("S", "01", Severity::High)).schedule, &Schedule::routine());
    // Compare: `printf '%s' https://example.org/1 | sha256sum`.
    assert_eq!(receiver_id(one), "18c17418f5ad82f0");

    let faulty = json!({
        "critical": [hook("http://example.org"), {"url": one, "secret": "x"}, {"url": one}],
        "urgent": [], "high": [hook(one), hook(one)],
    });
    let faults = Routes::read_variable(&faulty).unwrap_err();
    let found: Vec<(&str, Code)> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
    let expected = [
        ("/urgent", Code::Unknown),
        ("/high/1", Code::Conflict),
        ("/critical/0/url", Code::Format),
        ("/critical/1/secret", Code::Format),
        ("/critical/2", Code::Required),
    ];
    assert_eq!(found, expected);
}

/// The pointers of all values below the root.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut go = |key: &str, value: &Value| {
        let at = alloc::format!("{at}/{}", crate::reading::escape(key));
        pointers(value, &at, into);
        into.push(at);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| go(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| go(&alloc::format!("{n}"), value)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn whatever_stands_anywhere_a_document_is_refused_or_tells_somebody(
        places in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize), 1..4),
    ) {
        let mut document = document();
        for (place, value) in places {
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            if all.is_empty() {
                break;
            }
            let value = [
                json!(null), json!(true), json!(1e300), json!(-1), json!(0.001), json!(""), json!("x"), json!("sms"),
                json!([]), json!([[]]), json!({}), json!({"x": {}}),
            ].into_iter().nth(value).unwrap();
            *document.pointer_mut(place.get::<String>(&all)).unwrap() = value;
        }
        match Routes::read(&document) {
            Err(faults) => prop_assert!(!faults.is_empty()),
            Ok(routes) => for severity in Severity::ALL {
                let plan = routes.plan(&facts("S1", "01", severity));
                prop_assert!(plan.receivers.iter().all(|id| routes.receiver(id).is_some()));
                prop_assert!(severity != Severity::Critical || !plan.routed || !plan.receivers.is_empty());
                prop_assert!(plan.chain.is_none_or(|chain| !chain.rungs.is_empty()));
            },
        }
    }
}

/// Addresses that cannot be called; `url` has the whole list.
const NOT_CALLABLE: [&str; 8] = [
    "https://hook.example/alert?to=<oncall>",
    "https://hook.example/a^b",
    "https://host..example/",
    "https://256.256.256.256/",
    "https://hook.example:0/",
    "https://hook.example/%zz",
    "https://h\u{f6}st.example/",
    "https://hook.example/\u{0}",
];

#[test]
fn an_address_that_nobody_can_call_is_refused_at_its_place_wherever_it_stands() {
    let receiver = |url: &str| json!({"channel": "sms", "url": url});
    let receivers = NOT_CALLABLE.into_iter().enumerate().map(|(n, url)| (alloc::format!("r{n}"), receiver(url)));
    let document = json!({"receivers": receivers.collect::<serde_json::Map<_, _>>(), "link": {"baseUrl": "https://host..example"}});
    let faults = Routes::read(&document).unwrap_err();
    let mut expected: Vec<String> = (0..8).map(|n| alloc::format!("/receivers/r{n}/url")).collect();
    expected.push("/link/baseUrl".into());
    assert_eq!(faults.iter().map(|it| it.pointer.clone()).collect::<Vec<_>>(), expected);
    assert!(
        faults.iter().all(|it| it.code == Code::Format && !it.detail.contains("hook") && !it.detail.contains("oncall"))
    );

    let hooks: Vec<Value> = NOT_CALLABLE.into_iter().map(|url| json!({"url": url, "secret": SECRET})).collect();
    let faults = Routes::read_variable(&json!({"critical": hooks})).unwrap_err();
    let expected: Vec<String> = (0..8).map(|n| alloc::format!("/critical/{n}/url")).collect();
    assert_eq!(faults.iter().map(|it| it.pointer.clone()).collect::<Vec<_>>(), expected);
}

#[test]
fn what_an_older_version_stored_is_read_and_its_receivers_wait() {
    let mut document = document();
    document["receivers"]["sms"]["url"] = json!("https://hook.example/a^b");
    document["receivers"]["hook"]["secrets"] = json!(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB=="]);
    assert_eq!(Routes::read(&document).unwrap_err().len(), 2);
    let routes = Routes::read_stored(&document).unwrap();
    assert_eq!(routes.plan(&facts("S2", "01", Severity::Critical)).receivers, ["sms", "hook"]);
    for (id, uncallable) in [("sms", true), ("hook", true), ("lead", false), ("nobody", false)] {
        assert_eq!(routes.is_uncallable(&id.into()), uncallable, "{id}");
        assert_eq!(routes.receiver(&id.into()).is_some(), id == "lead", "{id}");
    }
    document["defaults"]["language"] = json!("fr");
    assert!(Routes::read_stored(&document).is_none(), "whom to tell is not guessed");
}

#[test]
fn a_schedule_that_never_comes_to_its_steady_pace_is_refused() {
    let retry = |critical: Value| Routes::read(&json!({"defaults": {"retry": {"critical": critical}}}));
    for (critical, member) in [
        (json!({"thenForSeconds": 60}), "/thenForSeconds"),
        (json!({"thenForSeconds": 0}), "/thenForSeconds"),
        (json!({"thenEverySeconds": 90_000}), "/thenEverySeconds"),
        (json!({"delaysSeconds": [100, 100], "thenEverySeconds": 10, "thenForSeconds": 205}), "/thenForSeconds"),
    ] {
        let faults = retry(critical.clone()).unwrap_err();
        let found: Vec<(&str, Code)> = faults.iter().map(|it| (it.pointer.as_str(), it.code)).collect();
        assert_eq!(found, [(&*alloc::format!("/defaults/retry/critical{member}"), Code::Conflict)], "{critical}");
    }
    for critical in [
        json!({"delaysSeconds": []}),
        json!({"delaysSeconds": [604_800]}),
        json!({"delaysSeconds": [100, 100], "thenEverySeconds": 10, "thenForSeconds": 210}),
    ] {
        assert!(retry(critical.clone()).is_ok(), "{critical}");
    }
}
