//! The inbox: the most urgent alerts first, with what a row shows, counts of the key's own, and tags that save reading.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A1, CLINICIAN_A2, READ_A1, READ_B, SUBMIT_A, phq9, until};
use crate::attend::{CRITICAL, HIGH, act, alerted, started};
use crate::client::Answer;
use crate::receiver::{Act, Receiver};

async fn ask(app: &App, key: &str, query: &str, tag: &str) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("if-none-match", tag)];
    app.client().await.send("GET", &format!("/v1/alerts{query}"), &headers, "").await.unwrap()
}

async fn list(app: &App, key: &str, query: &str) -> Value {
    let answer = ask(app, key, query, "").await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn ids(page: &Value) -> Vec<&str> {
    page["alerts"].as_array().unwrap().iter().map(|alert| alert["alertId"].as_str().unwrap()).collect()
}

/// A response that raises one alert, of this site.
fn at_site(id: &str, answers: [u8; 9], site: &str) -> Value {
    let mut response = phq9(id, answers);
    response["siteId"] = json!(site);
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_urgent_come_first_with_what_a_row_shows_and_counts_of_the_keys_own() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let mut all = Vec::new();
    for (id, answers, site) in
        [("r0", HIGH, "1"), ("r1", CRITICAL, "1"), ("r2", HIGH, "2"), ("r3", CRITICAL, "1"), ("r4", CRITICAL, "1")]
    {
        all.push(alerted(&app, &at_site(id, answers, site)).await);
    }
    let [high, first, other, second, third] = all.iter().map(String::as_str).collect::<Vec<_>>().try_into().unwrap();
    let urgent = "?order=urgency";
    assert_eq!(ids(&list(&app, ADMIN, urgent).await), [first, second, third, high, other]);
    assert_eq!(ids(&list(&app, CLINICIAN_A1, urgent).await), [first, second, third, high]);
    assert_eq!(ids(&list(&app, CLINICIAN_A2, urgent).await), [other]);
    assert_eq!(ids(&list(&app, READ_B, urgent).await), [""; 0]);
    assert_eq!(ids(&list(&app, ADMIN, "?order=urgency&severity=high").await), [high, other]);
    assert_eq!(ids(&list(&app, ADMIN, "?order=urgency&site=1&state=delivered").await), [first, second, third, high]);
    assert_eq!(ids(&list(&app, ADMIN, "?order=urgency&state=open").await), [""; 0]);
    let received = list(&app, ADMIN, urgent).await["alerts"][1]["receivedAt"].as_str().unwrap().to_owned();
    let since = format!("?order=urgency&since={received}");
    assert_eq!(ids(&list(&app, ADMIN, &since).await), [second, third]);
    let (mut cursor, mut paged) = (String::new(), Vec::new());
    loop {
        let page = list(&app, ADMIN, &format!("?order=urgency&limit=1{cursor}")).await;
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, [first, second, third, high, other]);

    // Who looks after an alert is shown and can be asked for; what somebody has acknowledged is urgent no more.
    act(&app, second, "assign", &json!({"to": "Dr. Weber / 夜班"})).await;
    act(&app, third, "acknowledge", &Value::Null).await;
    let page = list(&app, CLINICIAN_A1, "?order=urgency&include=reason,deliveries,counts").await;
    assert_eq!(ids(&page), [first, second, high]);
    let row = &page["alerts"][1];
    assert_eq!((&row["assignee"], &page["alerts"][0]["assignee"]), (&json!("Dr. Weber / 夜班"), &Value::Null));
    for (member, value) in [("instrument", "phq-9"), ("rule", "item-9"), ("reason", "item q9 is 1, rule: 1 or more")] {
        assert_eq!(row[member], value, "{row}");
    }
    let told = &row["deliveries"][0];
    assert_eq!(
        (&told["receiver"], &told["state"], &told["attempts"]),
        (&json!("desk"), &json!("delivered"), &json!(1))
    );
    assert!(told["deliveredAt"].is_string() && row["nextAt"].is_string() && row["subject"].is_string(), "{row}");
    let of_site = json!({"delivered": {"critical": 2, "high": 1}, "acknowledged": {"critical": 1}});
    assert_eq!(page["counts"], of_site);
    for assignee in ["Dr.%20Weber%20/%20%E5%A4%9C%E7%8F%AD", "nobody"] {
        let expected = if assignee == "nobody" { &[][..] } else { &[second] };
        assert_eq!(ids(&list(&app, ADMIN, &format!("?order=urgency&assignee={assignee}")).await), expected);
        assert_eq!(ids(&list(&app, ADMIN, &format!("?assignee={assignee}")).await), expected);
    }
    let counts = async |key: &str, query: &str| list(&app, key, query).await["counts"].clone();
    let everything = json!({"delivered": {"critical": 2, "high": 2}, "acknowledged": {"critical": 1}});
    let taken = list(&app, ADMIN, "?order=urgency&state=acknowledged&include=deliveries").await;
    let row = &taken["alerts"][0];
    assert_eq!((ids(&taken), &row["acknowledgedBy"]), (vec![third], &json!("clinician-a1")), "{taken}");
    assert!(row["acknowledgedAt"].is_string() && row.get("acknowledgedByName").is_none(), "a key has no name: {row}");
    assert!(row.get("resolvedBy").is_none() && page["alerts"][0].get("acknowledgedBy").is_none(), "{row}");
    assert_eq!(counts(ADMIN, "?include=counts").await, everything);
    assert_eq!(counts(ADMIN, "?include=counts&study=A&severity=high").await, everything, "severity does not count");
    assert_eq!(counts(ADMIN, "?include=counts&study=A&site=1").await, of_site);
    assert_eq!(counts(ADMIN, "?include=counts&site=2").await, json!({"delivered": {"high": 1}}));
    assert_eq!(counts(READ_B, "?include=counts").await, json!({}));
    let answer = ask(&app, ADMIN, "?order=x&include=reason,x&assignee=", "").await;
    assert_eq!((answer.status, answer.findings().len()), (422, 3), "{answer:?}");
    assert_eq!(ask(&app, SUBMIT_A, urgent, "").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_alerts_are_listed_by_urgency_and_say_who_took_them() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let mut all = Vec::new();
    for (id, answers) in [("r0", HIGH), ("r1", CRITICAL), ("r2", HIGH), ("r3", CRITICAL)] {
        all.push(alerted(&app, &at_site(id, answers, "1")).await);
    }
    let [high, first, other, second] = all.iter().map(String::as_str).collect::<Vec<_>>().try_into().unwrap();
    for alert in [other, second, high, first] {
        assert_eq!(act(&app, alert, "acknowledge", &Value::Null).await.0, 200);
    }
    let taken = "?order=urgency&state=acknowledged";
    let expected = [first, second, high, other];
    assert_eq!(ids(&list(&app, CLINICIAN_A1, taken).await), expected);
    assert_eq!(ids(&list(&app, ADMIN, &format!("{taken}&severity=high")).await), [high, other]);
    assert_eq!(ids(&list(&app, CLINICIAN_A2, taken).await), [""; 0]);
    assert_eq!(ids(&list(&app, ADMIN, "?order=urgency").await), [""; 0], "nobody need take them");
    let (mut cursor, mut paged) = (String::new(), Vec::new());
    loop {
        let page = list(&app, ADMIN, &format!("{taken}&limit=1{cursor}")).await;
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, expected);

    // A note does not hide who took it. Resolved, it says both; opened again, neither.
    assert_eq!(act(&app, first, "notes", &json!({"note": "called"})).await.0, 200);
    assert_eq!(act(&app, second, "resolve", &Value::Null).await.0, 200);
    assert_eq!(act(&app, high, "reopen", &Value::Null).await.0, 200);
    let page = list(&app, CLINICIAN_A1, &format!("{taken}&include=deliveries")).await;
    assert_eq!((ids(&page), &page["alerts"][0]["acknowledgedBy"]), (vec![first, other], &json!("clinician-a1")));
    let page = list(&app, CLINICIAN_A1, "?state=resolved&include=deliveries").await;
    let row = &page["alerts"][0];
    assert_eq!((&row["acknowledgedBy"], &row["resolvedBy"]), (&json!("clinician-a1"), &json!("clinician-a1")), "{row}");
    assert!(row["acknowledgedAt"].as_str() <= row["resolvedAt"].as_str(), "{row}");
    let page = list(&app, CLINICIAN_A1, "?order=urgency&include=deliveries").await;
    assert_eq!((ids(&page), page["alerts"][0].get("acknowledgedBy")), (vec![high], None), "{page}");
}

/// A client that remembers the tag of its page, as an inbox does.
struct Inbox<'a> {
    app: &'a App,
    key: &'static str,
    tag: String,
}

const QUERY: &str = "?order=urgency&include=reason,deliveries,counts";

impl Inbox<'_> {
    /// Asks again; none if nothing happened.
    async fn news(&mut self) -> Option<Value> {
        let answer = ask(self.app, self.key, QUERY, &self.tag).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        if answer.status == 304 {
            assert_eq!((answer.header("etag"), answer.body.len()), (Some(self.tag.as_str()), 0), "{answer:?}");
            return None;
        }
        let tag = answer.header("etag").unwrap().to_owned();
        assert!(answer.status == 200 && tag != self.tag, "{answer:?}");
        self.tag = tag;
        Some(answer.json())
    }

    /// Waits until the page is as it should be, and for the calm after it.
    async fn sees(&mut self, what: &str, condition: impl Fn(&Value) -> bool) {
        let mut seen = false;
        for _ in 0..6000 {
            match self.news().await {
                Some(page) => seen = condition(&page),
                None if seen => return,
                None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
        panic!("{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_reads_nothing_while_nothing_happens_and_sees_every_event() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(503)]);
    let app = started(&receiver, 600.0).await;
    let mut mine = Inbox { app: &app, key: CLINICIAN_A1, tag: String::new() };
    let mut others = Inbox { app: &app, key: CLINICIAN_A2, tag: String::new() };
    let mut everything = Inbox { app: &app, key: ADMIN, tag: String::new() };
    for inbox in [&mut mine, &mut others, &mut everything] {
        assert_eq!(inbox.news().await.unwrap()["alerts"], json!([]));
        assert_eq!(inbox.news().await, None);
    }

    // It is raised, its first call fails, it is delivered: each is news.
    app.submit(&phq9("r", CRITICAL)).await;
    let first = |page: &Value, member: &str| page["alerts"][0][member].clone();
    let mut states = BTreeSet::new();
    until("it is delivered", async || (receiver.calls().len() == 2).then_some(())).await;
    mine.sees("delivered", |page| first(page, "state") == "delivered" && first(page, "deliveries")[0]["attempts"] == 2)
        .await;
    everything.sees("delivered", |page| first(page, "state") == "delivered").await;
    assert_eq!(others.news().await, None, "nothing happened at the other site");

    let page = ask(&app, READ_A1, QUERY, "").await.json();
    let alert = first(&page, "alertId").as_str().unwrap().to_owned();
    for (what, body) in [
        ("notes", json!({"note": "no answer"})),
        ("assign", json!({"to": "night team"})),
        ("acknowledge", Value::Null),
        ("resolve", Value::Null),
        ("reopen", Value::Null),
    ] {
        assert_eq!(act(&app, &alert, what, &body).await.1["changed"], true, "{what}");
        let page = mine.news().await.unwrap_or_else(|| panic!("{what} is news"));
        states.insert(page["counts"].to_string());
        assert!(everything.news().await.is_some(), "{what}");
        if what != "reopen" {
            assert_eq!((mine.news().await, everything.news().await), (None, None), "{what}");
            assert_eq!(act(&app, &alert, what, &body).await.1["changed"], false, "{what}");
            assert_eq!((mine.news().await, others.news().await), (None, None), "{what} again changes nothing");
        }
    }
    // Once opened again, it may be delivered before anybody looks.
    assert!(states.len() >= 3, "{states:?}");
    mine.sees("it is delivered again", |page| first(page, "state") == "delivered").await;

    // The lists are not read for it: it is 304 without them. Another query has another tag.
    let _: i64 = app.redis(&["DEL", "{vigil}:alert-facts", "{vigil}:alerts:urgent:A|1"]).await;
    assert_eq!(mine.news().await, None);
    assert_eq!(ask(&app, CLINICIAN_A1, "?order=urgency", &mine.tag).await.status, 200);
    let weak = format!("\"x\", W/{}", mine.tag);
    assert_eq!(ask(&app, CLINICIAN_A1, QUERY, &weak).await.status, 304);
    assert!(ask(&app, ADMIN, QUERY, &mine.tag).await.status == 200, "the tag of one scope is none of another");

    assert_eq!(others.news().await, None);
    alerted(&app, &at_site("other", HIGH, "2")).await;
    others.sees("the other site's", |page| first(page, "state") == "delivered").await;
    assert_eq!(mine.news().await, None, "nothing happened here");
    let submission = list(&app, CLINICIAN_A2, QUERY).await["alerts"][0]["submissionId"].as_str().unwrap().to_owned();
    let reason = json!({"reason": "consent withdrawn"});
    assert_eq!(app.send("DELETE", &format!("/v1/submissions/{submission}"), &reason).await.status, 200);
    let page = others.news().await.unwrap();
    assert_eq!((&page["alerts"], &page["counts"]), (&json!([]), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_open_alerts_are_listed_in_pages_each_once() {
    let receiver = Receiver::start().await;
    let app = started(&receiver, 600.0).await;
    let fill = "for i = 1, 10000 do \
                local rank, id = i % 4, string.format('00000000-0000-8000-8000-%012d', i) \
                local severity = ({'critical', 'high', 'moderate', 'info'})[rank + 1] \
                local at = 1772323200000 + math.floor(i / 100) \
                redis.call('ZADD', KEYS[1], at, id) \
                redis.call('HSET', KEYS[2], id, severity .. ' A ' .. (i % 2 + 1) .. ' - open') \
                for _, scope in ipairs({'', ':A|*', ':*|' .. (i % 2 + 1), ':A|' .. (i % 2 + 1)}) do \
                redis.call('ZADD', KEYS[3] .. scope, string.format('%.0f', rank * 1e13 + at), id) end end return 1";
    let keys = ["{vigil}:alerts", "{vigil}:alert-facts", "{vigil}:alerts:urgent"];
    let _: i64 = app.redis(&["EVAL", fill, "3", keys[0], keys[1], keys[2]]).await;
    for (key, filter, expected) in
        [(ADMIN, "", 10_000), (CLINICIAN_A1, "", 5_000), (ADMIN, "&severity=info", 2_500), (ADMIN, "&site=2", 5_000)]
    {
        let (mut cursor, mut seen, mut last) = (String::new(), BTreeSet::new(), (0, String::new()));
        loop {
            let page = list(&app, key, &format!("?order=urgency&limit=200{filter}{cursor}")).await;
            for alert in page["alerts"].as_array().unwrap() {
                let rank = ["critical", "high", "moderate", "info"].iter().position(|it| *it == alert["severity"]);
                let place = (rank.unwrap(), alert["receivedAt"].as_str().unwrap().to_owned());
                assert!(last <= place, "{last:?} {place:?}");
                last = place;
                assert!(seen.insert(alert["alertId"].as_str().unwrap().to_owned()), "{alert}");
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{filter}");
    }
}
