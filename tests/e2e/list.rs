//! A study's submissions are listed in the order in which they were stored, completely, as pages, lines and tables.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::amend::{amending, id};
use crate::app::{ADMIN, App, READ_A1, READ_B, phq9, until};
use crate::client::Answer;
use crate::evaluation::report;
use crate::reindex::reindex;

const PATH: &str = "/v1/studies/A/submissions";

async fn get(app: &App, query: &str) -> Value {
    let answer = app.send("GET", &format!("{PATH}{query}"), &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn text_as(app: &App, media: &str, query: &str) -> String {
    String::from_utf8(get_as(app, media, query).await.body.to_vec()).unwrap()
}

async fn get_as(app: &App, media: &str, query: &str) -> Answer {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("accept", media)];
    let mut client = app.client().await;
    let answer = client.send("GET", &format!("{PATH}{query}"), &headers, String::new()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn ids(page: &Value) -> Vec<String> {
    let rows = page["submissions"].as_array().unwrap();
    rows.iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()).collect()
}

/// Sends responses in one batch, and waits until the journal has as many entries as the study then has submissions.
async fn fill(app: &App, from: usize, count: usize, all: usize) {
    for first in (from..from + count).step_by(500) {
        let rows: Vec<Value> = (first..(first + 500).min(from + count))
            .map(|number| {
                let mut row = report(&format!("n{number}"), "diary", json!({"symptoms": [], "note": "well"}));
                row["patientId"] = json!(format!("P-{}", number % 50));
                row
            })
            .collect();
        let answer = app.send("POST", "/v1/reports/batch", &Value::from(rows)).await;
        assert_eq!((answer.status, &answer.json()["rejected"]), (202, &json!(0)), "{answer:?}");
    }
    until("all are stored", async || (app.stored_keys("submission/").len() == all).then_some(())).await;
    until("all are ended", async || (app.work_left().await == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_everything_in_order_and_a_cursor_gives_later_what_is_new() {
    let app = App::start().await;
    let empty = get(&app, "").await;
    assert_eq!((&empty["submissions"], &empty["more"]), (&json!([]), &json!(false)));
    let mut sent = Vec::new();
    for number in 0..5 {
        let location = app.submit(&phq9(&format!("r{number}"), [number; 9].map(|it: u8| it % 4))).await;
        app.scored(&location).await;
        sent.push(id(&location).to_owned());
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = get(&app, &format!("?limit=2{cursor}")).await;
        seen.extend(ids(&page));
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seen, sent);
    assert!(ids(&get(&app, &format!("?limit=2{cursor}")).await).is_empty());
    let location = app.submit(&phq9("later", [1; 9])).await;
    app.scored(&location).await;
    assert_eq!(ids(&get(&app, &format!("?limit=2{cursor}")).await), [id(&location)]);

    // A row carries its own cursor, and the parts that were asked for.
    let page = get(&app, "?include=content,scores,alerts&limit=200").await;
    let row = &page["submissions"][1];
    assert_eq!(
        (&row["state"], &row["kind"], &row["instrument"]),
        (&json!("scored"), &json!("response"), &json!("phq-9"))
    );
    assert_eq!((&row["content"]["q1"], &row["scores"][0]["value"]), (&json!(1), &json!(9.0)));
    assert_eq!(row["alerts"].as_array().map(Vec::len), Some(1), "{row}");
    let after = get(&app, &format!("?cursor={}", row["cursor"].as_str().unwrap())).await;
    assert_eq!(ids(&after), ids(&page)[2..]);
    assert!(get(&app, "").await["submissions"][1].get("content").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_tells_what_was_superseded_and_erased_and_filters() {
    let app = App::start().await;
    let first = app.submit(&phq9("r", [0; 9])).await;
    app.scored(&first).await;
    let second = app.submit(&amending("r2", [1; 9], &first)).await;
    app.shown(&first, |shown| shown.get("supersededBy").is_some()).await;
    let third = app.submit(&phq9("r3", [2; 9])).await;
    app.scored(&third).await;
    let answer = app.send("POST", "/v1/reports", &report("g", "generic", json!({"a": 1}))).await;
    let fourth = answer.header("location").unwrap().to_owned();
    app.scored(&fourth).await;
    let erased = app.send("DELETE", &third, &json!({"reason": "withdrawn"})).await;
    assert_eq!(erased.status, 200, "{erased:?}");

    let page = get(&app, "?include=content,scores").await;
    let all: Vec<String> = [&first, &second, &third, &fourth].map(|it| id(it).to_owned()).to_vec();
    assert_eq!(ids(&page), all);
    let states: Vec<&Value> = page["submissions"].as_array().unwrap().iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["superseded", "scored", "erased", "scored"]);
    assert_eq!(page["submissions"][0]["supersededBy"], id(&second));
    let gone = page["submissions"][2].as_object().unwrap();
    assert!(["content", "scores", "subject", "authoredAt"].iter().all(|name| !gone.contains_key(*name)), "{gone:?}");

    let subject = page["submissions"][3]["subject"].as_str().unwrap();
    for (query, expected) in [
        ("?state=superseded".to_owned(), vec![0]),
        ("?state=erased".to_owned(), vec![2]),
        ("?instrument=phq-9".to_owned(), vec![0, 1]),
        ("?kind=generic".to_owned(), vec![3]),
        ("?site=1".to_owned(), vec![0, 1, 2, 3]),
        ("?site=2".to_owned(), vec![]),
        (format!("?subject={subject}"), vec![3]),
        ("?since=2020-01-01T00:00:00Z".to_owned(), vec![0, 1, 2, 3]),
        ("?until=2020-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|place: usize| all[place].clone()).collect();
        assert_eq!(ids(&get(&app, &query).await), expected, "{query}");
    }
    // A key of one site gets that site's, and a key of another study learns nothing.
    assert_eq!(ids(&app.send_as(READ_A1, "GET", PATH, &Value::Null).await.json()), all);
    assert_eq!(app.send_as(READ_A1, "GET", &format!("{PATH}?site=2"), &Value::Null).await.status, 404);
    assert_eq!(app.send_as(READ_B, "GET", PATH, &Value::Null).await.status, 404);
    let bad = "?state=new&since=today&include=all&limit=0&layout=broad&cursor=x&subject=y&more=1";
    let answer = app.send("GET", &format!("{PATH}{bad}"), &Value::Null).await;
    assert_eq!((answer.status, answer.findings().len()), (422, 8), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_sealed_resumed_hashed_and_rebuilt_without_a_gap() {
    let app = App::start().await;
    fill(&app, 0, 3000, 3000).await;
    until("a segment is sealed", async || (!app.stored_keys("journal/A/").is_empty()).then_some(())).await;
    let media = "application/x-ndjson";
    let whole = text_as(&app, media, "?include=content").await;
    let lines: Vec<&str> = whole.lines().collect();
    let end: Value = serde_json::from_str(lines[3000]).unwrap();
    let rows: String = lines[..3000].iter().map(|line| format!("{line}\n")).collect();
    let sha256: String = Sha256::digest(&rows).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&end["end"]["rows"], &end["end"]["sha256"], lines.len()), (&json!(3000), &json!(sha256), 3001));
    let row = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let mut unique: Vec<String> = lines[..3000].iter().map(|line| row(line)["submissionId"].to_string()).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 3000);

    // Broken off at any byte: the whole rows before it and what follows their last cursor are the whole.
    for cut in [0, 1, rows.len() / 3, rows.len() / 2, rows.len() - 1] {
        let kept = &rows[..rows[..cut].rfind('\n').map_or(0, |at| at + 1)];
        let cursor = kept.lines().last().map(|line| format!("&cursor={}", row(line)["cursor"].as_str().unwrap()));
        let rest = text_as(&app, media, &format!("?include=content{}", cursor.unwrap_or_default())).await;
        let rest: String =
            rest.lines().filter(|line| !line.starts_with("{\"end\"")).map(|line| format!("{line}\n")).collect();
        assert!(kept.to_owned() + &rest == rows, "cut at {cut}");
    }
    assert_eq!(text_as(&app, media, "?limit=7").await.lines().count(), 8);

    // Redis is lost: what was sealed keeps its place, and the rest comes after it.
    let sealed = app.stored_keys("journal/A/").len() * 1024;
    let () = app.redis(&["FLUSHALL"]).await;
    let (well, said) = reindex(&app);
    assert!(well && said.contains(&format!("journals: {} submissions appended", 3000 - sealed)), "{said}");
    let (well, said) = reindex(&app);
    assert!(well && said.contains("journals: 0 submissions appended"), "{said}");
    let again = text_as(&app, media, "?include=content").await;
    let again: Vec<&str> = again.lines().collect();
    assert!(again.len() == 3001 && again[..sealed] == lines[..sealed]);
    let mut ids: Vec<String> = again[..3000].iter().map(|line| row(line)["submissionId"].to_string()).collect();
    ids.sort_unstable();
    assert!(ids == unique);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_wide_for_one_instrument_and_long_for_all() {
    let app = App::start().await;
    let response = app.submit(&phq9("r", [3; 9])).await;
    app.scored(&response).await;
    let diary = report("d", "diary", json!({"symptoms": [], "note": "=1+1, \"好\"\nend"}));
    let location = app.send("POST", "/v1/reports", &diary).await.header("location").unwrap().to_owned();
    app.scored(&location).await;

    let wide = get_as(&app, "text/csv", "?layout=wide&instrument=phq-9&bom=true").await;
    assert_eq!(wide.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = String::from_utf8(wide.body.to_vec()).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    let lines: Vec<Vec<&str>> = text.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let cell = |name: &str| lines[1][lines[0].iter().position(|own| *own == name).unwrap()];
    assert_eq!((cell("submissionId"), cell("q1"), cell("q9")), (id(&response), "3", "3"));
    assert_eq!((cell("score.total"), cell("band.total"), cell("state")), ("27.0", "severe", "scored"));

    let long = text_as(&app, "text/csv", "").await;
    assert!(!long.starts_with('\u{feff}'));
    assert!(long.contains(",q1,3,,\r\n") && long.contains(",score.total,27.0,severe,scored\r\n"), "{long}");
    assert!(long.contains(",note,\"'=1+1, \"\"好\"\"\nend\",,\r\n"), "{long}");
    let answer = app.send("GET", &format!("{PATH}?layout=wide"), &Value::Null).await;
    assert_eq!((answer.status, answer.findings().len()), (422, 2), "{answer:?}");
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str()), ("accept", "text/csv")];
    let path = format!("{PATH}?layout=wide&instrument=unknown");
    let answer = app.client().await.send("GET", &path, &headers, String::new()).await.unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");
}
