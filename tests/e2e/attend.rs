//! Clinicians see alerts and act on them: lists, acknowledging, resolving, reopening, notes, assignments, links in messages.

use domain::Timestamp;
use domain::alert::link::Grant;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, READ_B, SECRET, SUBMIT_A, phq9, until};
use crate::openapi::{LINK_KEY, link_key};
use crate::receiver::{Act, Receiver};

/// Raises one alert, by item 9 alone: critical.
pub(crate) const CRITICAL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Raises one alert, by its total: high.
pub(crate) const HIGH: [u8; 9] = [3, 3, 3, 3, 3, 3, 3, 3, 0];

/// An application that sends everything to one receiver, and escalates critical alerts at this interval.
pub(crate) async fn started(receiver: &Receiver, every_seconds: f64) -> App {
    let app = App::builder().variable("link_key", LINK_KEY).start().await;
    let document = json!({
        "receivers": {"desk": {"channel": "webhook", "url": receiver.url(), "secrets": [SECRET]}},
        "defaults": {
            "routes": {"critical": ["desk"], "high": ["desk"]},
            "groupSeconds": 0,
            "repeatSeconds": 0,
            "chain": {"steps": [{"afterSeconds": every_seconds}], "repeats": 10, "pauseSeconds": every_seconds},
        },
        "link": {"baseUrl": "https://vigil.example.org", "validSeconds": 3600},
    });
    let answer = app.send("PUT", "/v1/config/alert-routes", &document).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    app
}

/// Submits a response that raises one alert, and returns the alert's id once it is delivered.
pub(crate) async fn alerted(app: &App, response: &Value) -> String {
    let location = app.submit(response).await;
    let shown = app.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    shown["alerts"][0]["alertId"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned()
}

async fn shown(app: &App, alert: &str) -> Value {
    let answer = app.send_as(CLINICIAN_A1, "GET", &format!("/v1/alerts/{alert}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub(crate) async fn act(app: &App, alert: &str, what: &str, note: &Value) -> (u16, Value) {
    let answer = app.send_as(CLINICIAN_A1, "POST", &format!("/v1/alerts/{alert}/{what}"), note).await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_stops_the_climb_and_is_done_once_however_often_it_is_said() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 1.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    receiver.heard(2).await;
    assert_eq!(shown(&app, &alert).await["state"], "delivered");

    let note = json!({"note": "Called the patient on 13812345678, safe."});
    let all = join_all((0..16).map(|_| act(&app, &alert, "acknowledge", &note))).await;
    assert!(all.iter().all(|(status, body)| *status == 200 && body["state"] == "acknowledged"), "{all:?}");
    assert_eq!(all.iter().filter(|(_, body)| body["changed"] == true).count(), 1, "{all:?}");
    assert!(all.iter().all(|(_, body)| body["at"] == all[0].1["at"] && body["by"] == "clinician-a1"));
    assert!(!all[0].1["note"].as_str().unwrap().contains("13812345678"), "{:?}", all[0].1);

    let now = shown(&app, &alert).await;
    let acknowledged = now["history"].as_array().unwrap().iter().filter(|entry| entry["what"] == "acknowledged");
    assert_eq!((acknowledged.count(), &now["nextAt"]), (1, &Value::Null), "nothing is due any more: {now}");
    // The clock goes on; the next steps of the chain would have happened by now.
    let calls = receiver.calls().len();
    let other = alerted(&app, &phq9("other", CRITICAL)).await;
    until("the other one climbs on", async || {
        let entries = shown(&app, &other).await["history"].as_array().unwrap().clone();
        (entries.iter().filter(|entry| entry["what"] == "escalated").count() >= 2).then_some(())
    })
    .await;
    let later = receiver.calls();
    assert!(later[calls..].iter().all(|call| !call.id().starts_with(&alert)), "nobody is told of it any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_goes_through_its_states_and_tells_who_did_what() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    assert_eq!(act(&app, &alert, "reopen", &Value::Null).await.0, 409, "it is open");
    assert_eq!(act(&app, &alert, "acknowledge", &Value::Null).await.1["state"], "acknowledged");
    let (status, resolved) = act(&app, &alert, "resolve", &json!({"note": "Plan made."})).await;
    assert_eq!((status, &resolved["state"], &resolved["note"]), (200, &json!("resolved"), &json!("Plan made.")));
    assert_eq!(act(&app, &alert, "resolve", &Value::Null).await.1["changed"], false);
    assert_eq!(act(&app, &alert, "acknowledge", &Value::Null).await.0, 409);
    assert_eq!(act(&app, &alert, "reopen", &Value::Null).await.1["changed"], true);
    receiver.heard(2).await;
    let now = until("it is delivered again", async || {
        let now = shown(&app, &alert).await;
        (now["state"] == "delivered").then_some(now)
    })
    .await;
    let what: Vec<&str> =
        now["history"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["raised", "delivered", "acknowledged", "resolved", "reopened", "delivered"]);
    assert_eq!((&now["opening"], now["deliveries"][0]["attempts"].as_array().unwrap().len()), (&json!(1), 2), "{now}");

    let faults = act(&app, &alert, "resolve", &json!({"note": "", "more": 1})).await;
    assert_eq!((faults.0, faults.1["errors"].as_array().unwrap().len()), (422, 2));
    for (key, status) in [(SUBMIT_A, 403), (READ_A1, 403), ("nobody", 401), (CLINICIAN_A2, 404), (ADMIN, 200)] {
        let answer = app.send_as(key, "POST", &format!("/v1/alerts/{alert}/acknowledge"), &Value::Null).await;
        assert_eq!(answer.status, status, "{key}");
    }
    for (key, status) in [(READ_A1, 200), (READ_B, 404), (CLINICIAN_A2, 404), (SUBMIT_A, 403)] {
        let answer = app.send_as(key, "GET", &format!("/v1/alerts/{alert}"), &Value::Null).await;
        assert_eq!(answer.status, status, "{key}");
    }
    for path in ["/v1/alerts/nothing", "/v1/alerts/no%20name", "/v1/alerts/nothing/acknowledge"] {
        let method = if path.ends_with("acknowledge") { "POST" } else { "GET" };
        assert_eq!(app.send(method, path, &Value::Null).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_assignments_are_in_the_history_and_the_climb_goes_on() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 1.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    let note = json!({"note": " No answer on 13812345678, the night team calls. "});
    let all = join_all((0..8).map(|_| act(&app, &alert, "notes", &note))).await;
    assert!(all.iter().all(|(status, body)| *status == 200 && body["by"] == "clinician-a1"), "{all:?}");
    assert_eq!(all.iter().filter(|(_, body)| body["changed"] == true).count(), 1, "one is sent again: {all:?}");
    let text = all[0].1["note"].as_str().unwrap();
    assert!(text.starts_with("No answer on ") && !text.contains("13812345678"), "{text}");

    let team = json!({"to": "精神科（夜班）chen@hospital.example"});
    let all = join_all((0..8).map(|_| act(&app, &alert, "assign", &team))).await;
    assert!(all.iter().all(|(status, body)| *status == 200 && body["assignee"] == team["to"]), "{all:?}");
    assert_eq!(all.iter().filter(|(_, body)| body["changed"] == true).count(), 1, "{all:?}");
    assert_eq!(shown(&app, &alert).await["assignee"], team["to"]);
    let before = receiver.calls().len();
    receiver.heard(before + 2).await;
    assert_eq!(act(&app, &alert, "acknowledge", &Value::Null).await.1["assignee"], team["to"]);
    assert_eq!(act(&app, &alert, "assign", &json!({"to": "Dr. Weber"})).await.1["changed"], true);
    act(&app, &alert, "resolve", &Value::Null).await;
    assert_eq!(act(&app, &alert, "assign", &json!({"to": null})).await.0, 409, "it is resolved");
    assert_eq!(act(&app, &alert, "notes", &json!({"note": "Seen at the ward."})).await.1["state"], "resolved");
    act(&app, &alert, "reopen", &Value::Null).await;
    assert_eq!(shown(&app, &alert).await["assignee"], "Dr. Weber");
    let (status, back) = act(&app, &alert, "assign", &json!({})).await;
    assert_eq!((status, &back["changed"], back.get("assignee")), (200, &json!(true), None), "{back}");

    let now = shown(&app, &alert).await;
    let own = |entry: &&Value| entry["by"] == "clinician-a1";
    let own = now["history"].as_array().unwrap().iter().filter(own);
    let told: Vec<(&str, Option<&str>)> =
        own.map(|entry| (entry["what"].as_str().unwrap(), entry["to"].as_str())).collect();
    let expected = [
        ("noted", None),
        ("assigned", team["to"].as_str()),
        ("acknowledged", None),
        ("assigned", Some("Dr. Weber")),
        ("resolved", None),
        ("noted", None),
        ("reopened", None),
        ("assigned", None),
    ];
    assert_eq!(told, expected, "{now}");
    assert!(now["nextAt"].is_string() && now["assignee"] == Value::Null, "{now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_needs_words_and_an_assignee_a_name_and_both_a_role() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    for (what, body, pointer, code) in [
        ("notes", json!({}), "/note", "required"),
        ("notes", Value::Null, "/note", "required"),
        ("notes", json!({"note": "  "}), "/note", "format"),
        ("notes", json!({"note": "x".repeat(1001)}), "/note", "format"),
        ("assign", json!({"to": ""}), "/to", "format"),
        ("assign", json!({"to": "x".repeat(101)}), "/to", "format"),
        ("assign", json!({"to": "Weber\nBerlin"}), "/to", "format"),
        ("assign", json!({"to": "Chen 13812345678"}), "/to", "format"),
        ("assign", json!({"to": 7}), "/to", "type"),
        ("assign", json!({"who": "x"}), "/who", "unknown"),
    ] {
        let answer = app.send("POST", &format!("/v1/alerts/{alert}/{what}"), &body).await;
        assert_eq!((answer.status, answer.findings()), (422, vec![(pointer.into(), code.into())]), "{what} {body}");
    }
    assert_eq!(act(&app, &alert, "assign", &Value::Null).await.0, 400, "no body does not give it back");
    for (key, status) in [(SUBMIT_A, 403), (READ_A1, 403), ("nobody", 401), (CLINICIAN_A2, 404), (ADMIN, 200)] {
        for (what, body) in [("notes", json!({"note": "x"})), ("assign", json!({"to": "x"}))] {
            let answer = app.send_as(key, "POST", &format!("/v1/alerts/{alert}/{what}"), &body).await;
            assert_eq!(answer.status, status, "{key} {what}");
        }
    }
    // A link's holder is told neither.
    let call = receiver.heard(1).await[0].json();
    let link = call["data"]["link"].as_str().unwrap().strip_prefix("https://vigil.example.org").unwrap().to_owned();
    let (status, acted) = open(&app, "POST", &link).await;
    assert_eq!((status, acted.get("assignee"), acted.get("note")), (200, None, None), "{acted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_newest_first_page_by_page_as_far_as_the_key_goes() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let mut ids = Vec::new();
    for (number, answers) in [CRITICAL, HIGH, CRITICAL, HIGH, HIGH].into_iter().enumerate() {
        let mut response = phq9(&format!("r{number}"), answers);
        response["siteId"] = json!(if number == 4 { "2" } else { "1" });
        ids.push(alerted(&app, &response).await);
    }
    act(&app, &ids[0], "acknowledge", &Value::Null).await;
    let list = async |key: &str, query: &str| {
        let answer = app.send_as(key, "GET", &format!("/v1/alerts{query}"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let found = answer.json()["alerts"].as_array().unwrap().clone();
        (found.iter().map(|it| it["alertId"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), answer.json())
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(list(ADMIN, "").await.0, newest);
    assert_eq!(list(CLINICIAN_A1, "").await.0, newest[1..]);
    assert_eq!(list(CLINICIAN_A1, "?site=2").await.0, [""; 0]);
    assert_eq!(list(READ_B, "").await.0, [""; 0]);
    assert_eq!(list(ADMIN, "?severity=high&site=1").await.0, [ids[3].clone(), ids[1].clone()]);
    assert_eq!(list(ADMIN, "?state=acknowledged").await.0, [ids[0].clone()]);
    assert_eq!(list(ADMIN, "?state=delivered").await.0, newest[..4]);
    let received = shown(&app, &ids[3]).await["receivedAt"].as_str().unwrap().to_owned();
    assert_eq!(list(ADMIN, &format!("?since={received}")).await.0, newest[..2]);

    // A page does not move when new alerts arrive.
    let (first, answer) = list(ADMIN, "?limit=2").await;
    assert_eq!(first, newest[..2]);
    alerted(&app, &phq9("later", HIGH)).await;
    let (mut cursor, mut rest) = (answer["cursor"].clone(), Vec::new());
    while let Some(from) = cursor.as_str() {
        let (more, answer) = list(ADMIN, &format!("?limit=2&cursor={from}")).await;
        rest.extend(more);
        cursor = answer["cursor"].clone();
    }
    assert_eq!(rest, newest[2..]);
    let answer = app.send("GET", "/v1/alerts?state=x&severity=y&since=z&limit=0&cursor=a&other=1", &Value::Null).await;
    assert_eq!((answer.status, answer.findings().len()), (422, 6), "{answer:?}");
}

/// Sends a request without a key.
async fn open(app: &App, method: &str, path: &str) -> (u16, Value) {
    let answer = app.client().await.send(method, path, &[], "").await.unwrap();
    assert_eq!(answer.header("cache-control").is_some(), answer.status == 200, "{answer:?}");
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_message_shows_and_acknowledges_once() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    let call = receiver.heard(1).await[0].json();
    let link = call["data"]["link"].as_str().unwrap().strip_prefix("https://vigil.example.org").unwrap().to_owned();

    // A look does not acknowledge, and shows nothing about the patient.
    for _ in 0..3 {
        let (status, page) = open(&app, "GET", &link).await;
        assert_eq!((status, &page["state"], &page["used"]), (200, &json!("delivered"), &json!(false)), "{page}");
        let members: Vec<&String> = page.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alertId", "expiresAt", "receivedAt", "severity", "state", "used"]);
    }
    let all = join_all((0..16).map(|_| open(&app, "POST", &link))).await;
    let mut statuses: Vec<u16> = all.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[409; 15][..]));
    let now = shown(&app, &alert).await;
    assert_eq!((&now["state"], &now["history"][2]["by"]), (&json!("acknowledged"), &json!("link:desk")), "{now}");
    assert_eq!(open(&app, "GET", &link).await.1["used"], true);

    // The alert is reopened: the old link belongs to the opening before.
    act(&app, &alert, "reopen", &Value::Null).await;
    let (status, problem) = open(&app, "POST", &link).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("link-superseded")), (409, true), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_expired_or_was_tampered_with_opens_nothing() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    let key = link_key(LINK_KEY);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let in_ms = |ms: i64| Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap() + ms);
    let grant = |expires| Grant { alert: alert.as_str().into(), opening: 0, receiver: "desk".into(), expires };
    let path = |grant: &Grant| state::alerts::acknowledgement_link::path(&key.sign(grant).unwrap());

    let (status, problem) = open(&app, "POST", &path(&grant(in_ms(-1)))).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("link-expired")), (409, true), "{problem}");
    let good = path(&grant(in_ms(60_000)));
    let other = link_key("b3RoZXIga2V5IG9mIGxpbmtzIGZvciB0ZXN0cyBvbmx5");
    let mut tampered = good.clone();
    let last = if tampered.pop() == Some('0') { '1' } else { '0' };
    tampered.push(last);
    let longer = good.replace(&in_ms(60_000).millis().to_string(), &in_ms(600_000).millis().to_string());
    let foreign = state::alerts::acknowledgement_link::path(&other.sign(&grant(in_ms(60_000))).unwrap());
    for path in [tampered, longer, foreign, "/v1/acknowledge/x".to_owned()] {
        for method in ["GET", "POST"] {
            assert_eq!(open(&app, method, &path).await.0, 404, "{method} {path}");
        }
    }
    assert_eq!(shown(&app, &alert).await["state"], "delivered");
    assert_eq!(open(&app, "POST", &good).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_how_long_it_took_and_what_is_open() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(500)]);
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    act(&app, &alert, "acknowledge", &Value::Null).await;
    alerted(&app, &phq9("r2", HIGH)).await;
    let answer = app.send("GET", "/metrics", &Value::Null).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "vigil_alerts{state=\"acknowledged\",severity=\"critical\"} 1",
        "vigil_alerts{state=\"delivered\",severity=\"high\"} 1",
        "vigil_alerts{state=\"open\",severity=\"critical\"} 0",
        "vigil_report_to_alert_seconds_count{severity=\"critical\"} 1",
        "vigil_alert_to_delivered_seconds_bucket{le=\"+Inf\",severity=\"critical\"} 1",
        "vigil_alert_to_delivered_seconds_count{severity=\"high\"} 1",
        "vigil_delivered_to_acknowledged_seconds_count{severity=\"critical\"} 1",
        "vigil_delivery_attempts_total{channel=\"webhook\",outcome=\"delivered\"} 2",
        "vigil_receiver_breaker{receiver=\"desk\",state=\"closed\"} 1",
        "vigil_dead_letters_ever_total 0",
        "vigil_silences_active 0",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_loser_of_a_race_left_in_the_store_is_restored_by_the_next_act() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let alert = alerted(&app, &phq9("r", CRITICAL)).await;
    let key = format!("alert/{alert}/state");
    let stored = || serde_json::from_slice::<Value>(&app.stored(&key).unwrap()).unwrap();
    let before = stored();
    assert_eq!(act(&app, &alert, "acknowledge", &Value::Null).await.0, 200);
    let after = stored();
    // As if another host had made a step from the state before, lost the race, and died.
    let mut left = before;
    left["revision"] = after["revision"].clone();
    crate::audit::overwrite(&app, &key, &left);
    let (status, again) = act(&app, &alert, "acknowledge", &Value::Null).await;
    assert_eq!((status, &again["changed"]), (200, &json!(false)), "{again}");
    assert_eq!(stored(), after);
}
