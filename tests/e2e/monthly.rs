//! The monthly report of a study.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::app::{ADMIN, App, READ_A1, READ_B, SUBMIT_A, phq9, until};
use crate::client::Answer;
use crate::upstreams::Upstreams;

/// The path of this month's report.
fn path() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!("/v1/studies/A/report?month={}", &now[..7])
}

/// Ten submissions of site 1, five of them alarming, and one of site 2.
async fn fill(app: &App) {
    for number in 0..10 {
        let alarming = [0, 0, 0, 0, 0, 0, 0, 0, u8::from(number % 2 == 0)];
        app.submit(&phq9(&format!("r{number}"), alarming)).await;
    }
    let mut elsewhere = phq9("r", [0; 9]);
    elsewhere["siteId"] = json!("2");
    app.submit(&elsewhere).await;
    // A resend does not count.
    app.submit(&phq9("r1", [0; 9])).await;
    until("all is scored", async || (app.redis::<usize>(&["XLEN", "{vigil}:q:score"]).await == 0).then_some(())).await;
}

async fn get(app: &App, path: &str, headers: &[(&str, &str)]) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("authorization", authorization.as_str())]).collect();
    app.client().await.send("GET", path, &headers, "").await.unwrap()
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_comes_as_json_csv_and_page_from_one_gathering() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    fill(&app).await;
    let path = path();
    let answer = get(&app, &path, &[]).await;
    let report: Value = serde_json::from_str(&text(&answer)).unwrap();
    let own = &report["parts"]["vigil"]["data"];
    let days = own["days"].as_array().unwrap();
    assert!((28..=31).contains(&days.len()));
    let submissions = days.iter().map(|day| day["submissions"].as_u64().unwrap());
    assert_eq!((submissions.clone().sum::<u64>(), submissions.filter(|count| *count > 0).count()), (11, 1), "{own}");
    assert_eq!(own["sites"], json!([{"siteId": "1", "submissions": 10}, {"siteId": "2", "submissions": 1}]));
    assert_eq!(own["alerts"], json!({"critical": 5, "high": 0, "moderate": 0, "info": 0}));
    assert_eq!(report["parts"]["users"]["data"]["enrolled"], 42);

    let csv = text(&get(&app, &path, &[("accept", "text/csv")]).await);
    for row in [
        "section,what,value",
        "site-submissions,1,10",
        "site-completion,1,0.2500",
        "alerts,critical,5",
        "users,enrolled,42",
    ] {
        assert!(csv.lines().any(|line| line == row), "{row}: {csv}");
    }
    assert_eq!(csv, text(&get(&app, &format!("{path}&format=csv"), &[]).await));
    let page = get(&app, &path, &[("accept", "text/html,application/xhtml+xml")]).await;
    let html = text(&page);
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    for form in ["json", "csv", "html"] {
        let answer = get(&app, &format!("{path}&format={form}"), &[]).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{form}");
    }
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    // The days, two sites, four severities; each picture has its size, whatever the width of the page.
    assert_eq!((html.matches("<svg").count(), html.matches("</svg>").count()), (7, 7), "{html}");
    let pictures = html.split("<svg").skip(1).map(|rest| rest.split('>').next().unwrap());
    assert!(pictures.clone().all(|tag| tag.contains("width=\"") && tag.contains("height=\"")), "{html}");
    for words in ["Submissions per day", "Completion per site", "Alerts by severity", "25 %"] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script") && !html.contains("src="), "it loads and runs nothing");
    for service in ["users", "data"] {
        assert_eq!(upstreams.calls(service).await, 1, "{service}");
    }
    assert!(upstreams.seen("users").await["last"]["query"].as_str().unwrap().starts_with("month=20"));

    // The entity tag belongs to the format; with it, a known report is not sent again.
    let tag = answer.header("etag").unwrap().to_owned();
    assert_ne!(Some(tag.as_str()), page.header("etag"));
    let same = get(&app, &path, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, Some(tag.as_str())));
    assert_eq!(get(&app, &path, &[("if-none-match", "\"other\"")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_keeps_the_deadline_and_names_what_failed() {
    let upstreams = Upstreams::start();
    let app = upstreams.behind(App::builder()).start().await;
    let path = path();
    upstreams.script("users", json!({"act": "hang"})).await;
    let began = Instant::now();
    let answer = get(&app, &path, &[]).await;
    let took = began.elapsed();
    assert_eq!((answer.status, &answer.json()["parts"]["users"]["status"]), (504, &json!("timed-out")), "{answer:?}");
    assert!((2900..3200).contains(&took.as_millis()), "{took:?}");
    upstreams.closed_early("users", 1).await;
    let answer = get(&app, &format!("{path}&partial=true"), &[("x-request-timeout-ms", "300")]).await;
    let report = answer.json();
    assert_eq!((answer.status, &report["parts"]["data"]["status"]), (200, &json!("ok")), "{report}");
    assert_eq!(report["parts"]["users"], json!({"status": "timed-out"}));

    upstreams.script("users", json!({"act": "hang"})).await;
    upstreams.script("data", json!({"status": 500})).await;
    // A failure is cached for one second only.
    let began = Instant::now();
    until("the failure is forgotten", async || {
        let answer = get(&app, &path, &[]).await;
        (answer.status == 502).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(10));
    upstreams.script("users", json!({})).await;
    upstreams.script("data", json!({})).await;
    until("it goes well again", async || (get(&app, &path, &[]).await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_for_those_who_see_the_whole_study() {
    let app = App::start().await;
    let path = path();
    let status = async |key: &str, path: &str| app.send_as(key, "GET", path, &Value::Null).await.status;
    for (key, expected) in [("nobody", 401), (SUBMIT_A, 403), (READ_A1, 404), (READ_B, 404), (ADMIN, 200)] {
        assert_eq!(status(key, &path).await, expected, "{key}");
    }
    assert_eq!(status(READ_B, &path.replace("/A/", "/B/")).await, 200);
    for month in ["", "2026", "2026-13", "2026-00", "26-03", "2026-3x", "%C3%A9026-03"] {
        let path = format!("/v1/studies/A/report?month={month}");
        assert_eq!(status(ADMIN, &path).await, 422, "{path}");
    }
    assert_eq!(status(ADMIN, &format!("{path}&format=pdf")).await, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_in_many_pieces_is_whole() {
    let app = App::builder().only(&["records", "ops"]).start().await;
    let mut command = vec!["HSET".to_owned(), "{vigil}:month:A:2026-03".to_owned()];
    for site in 0..3000 {
        command.extend([format!("day|2|site-{site}"), "7".to_owned()]);
    }
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_eq!(app.redis::<usize>(&command).await, 3000);
    let path = "/v1/studies/A/report?month=2026-03&format=";
    let csv = text(&get(&app, &format!("{path}csv"), &[]).await);
    assert_eq!(csv.lines().filter(|line| line.starts_with("site-submissions,site-")).count(), 3000);
    assert!(csv.contains("\r\nsubmissions,2026-03-02,21000\r\n") && csv.len() > 64 * 1024, "{}", csv.len());
    let page = get(&app, &format!("{path}html"), &[]).await;
    let html = text(&page);
    assert!(html.ends_with("</table></main></body></html>") && html.len() > 256 * 1024, "{}", html.len());
    assert_eq!(html.matches("<tr><td>site-submissions</td>").count(), 3000);
    assert_eq!(page.header("etag"), get(&app, &format!("{path}html"), &[]).await.header("etag"));
}
