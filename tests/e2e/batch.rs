//! Batches: each row has an outcome of its own, and it is safe to resend the whole batch.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{ADMIN, App, PHQ9, SUBMIT_A, phq9, until};
use crate::client::Answer;

const BATCH: &str = "/v1/reports/batch";
const VALIDATE: &str = "/v1/validate";
const NDJSON: &str = "application/x-ndjson";

async fn post(app: &App, path: &str, content_type: &str, body: String) -> Answer {
    post_as(app, ADMIN, path, content_type, body).await
}

async fn post_as(app: &App, key: &str, path: &str, content_type: &str, body: String) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
    app.client().await.send("POST", path, &headers, body).await.unwrap()
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// A diary of study A, site 1.
fn diary(id: &str, severity: i64) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": "1", "patientId": "p-1234", "kind": "diary",
           "authoredAt": "2026-03-01T08:00:00Z", "data": {"symptoms": [{"name": "pain", "severity": severity}]}})
}

fn diaries(count: usize) -> Vec<Value> {
    (0..count).map(|number| diary(&format!("d{number}"), 3)).collect()
}

fn response(id: &str, answers: [u8; 9]) -> Value {
    let mut row = phq9(id, answers);
    row["instrument"] = json!("phq-9");
    row
}

/// The counts of an answer: accepted, duplicate, conflict, rejected, not processed.
fn counts(answer: &Answer) -> [u64; 5] {
    assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    let answer = answer.json();
    ["accepted", "duplicate", "conflict", "rejected", "notProcessed"].map(|name| answer[name].as_u64().unwrap())
}

fn statuses(answer: &Answer) -> Vec<String> {
    let answer = answer.json();
    let rows = answer["rows"].as_array().unwrap();
    assert!(rows.iter().enumerate().all(|(index, row)| row["index"] == index), "{answer}");
    rows.iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

/// The pointers and codes of a row's findings.
fn errors(row: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    row["errors"].as_array().unwrap().iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

/// The number of waiting submissions. Submissions of one batch share an entry.
async fn queued(app: &App) -> usize {
    let script = "return redis.call('XLEN', KEYS[1]) + (redis.call('GET', KEYS[2]) or 0)";
    app.redis(&["EVAL", script, "2", "{vigil}:q:score", "{vigil}:q:score:more"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_rows_exactly_the_bad_ones_are_rejected() {
    const EACH: usize = 5000;
    let app = App::start().await;
    // Three of a hundred rows are bad, each in a different way.
    let bad = |number: usize| matches!(number % 100, 7 | 41 | 99);
    let text = |number: usize| match number % 100 {
        7 => diary(&format!("n{number}"), 11).to_string(),
        41 => response(&format!("n{number}"), [4; 9]).to_string(),
        99 => "{\"reportId\": \"n\",".to_owned(),
        even if even % 2 == 0 => response(&format!("n{number}"), [1, 0, 2, 0, 1, 0, 0, 0, 0]).to_string(),
        _ => diary(&format!("n{number}"), 4).to_string(),
    };
    for (round, outcome) in ["accepted", "duplicate"].into_iter().enumerate() {
        for start in [0, EACH] {
            let body: Vec<String> = (start..start + EACH).map(text).collect();
            let answer = post(&app, BATCH, NDJSON, body.join("\n")).await;
            let (good, rejected) = (EACH as u64 * 97 / 100, EACH as u64 * 3 / 100);
            let expected = [[good, 0, 0, rejected, 0], [0, good, 0, rejected, 0]][round];
            assert_eq!(counts(&answer), expected);
            for (index, status) in statuses(&answer).into_iter().enumerate() {
                assert_eq!(status, if bad(index) { "rejected" } else { outcome }, "row {index}");
            }
            let rows = answer.json()["rows"].clone();
            assert_eq!(errors(&rows[7]), [("/data/symptoms/0/severity".into(), "range".into())]);
            assert_eq!(errors(&rows[41]).len(), 9, "every answer is named");
            assert_eq!(errors(&rows[99]), [("".into(), "format".into())]);
        }
    }
    for (counter, count) in [
        ("accepted|A|1|response", 5000),
        ("accepted|A|1|diary", 4700),
        ("duplicate|A|1|response", 5000),
        ("duplicate|A|1|diary", 4700),
        // Rejected rows are counted just after the reply, in both requests.
        ("rejected|A|1|response", 200),
        ("rejected|A|1|diary", 200),
        ("rejected|*|*|*", 200),
    ] {
        until(counter, async || {
            let counted: Option<usize> = app.redis(&["HGET", "{vigil}:stats", counter]).await;
            (counted == Some(count)).then_some(())
        })
        .await;
    }
    until("all are scored", async || (app.stored_keys("submission/").len() == 9700).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_array_are_told_apart() {
    let app = App::start().await;
    let mut foreign = diary("f", 1);
    foreign["studyId"] = json!("B");
    let mut nameless = response("x", [0; 9]);
    nameless["instrument"] = json!("no-such");
    nameless["answers"] = Value::Null;
    let rows = [
        diary("a", 1),
        diary("a", 1),
        diary("a", 2),
        response("r", [0, 0, 0, 0, 0, 0, 0, 0, 1]),
        phq9("s", [0; 9]),
        nameless,
        foreign,
        json!(17),
    ];
    let array = json!(rows).to_string().replacen("17", "{17}", 1);
    let answer = post_as(&app, SUBMIT_A, BATCH, "application/json", array).await;
    assert_eq!(counts(&answer), [2, 1, 1, 4, 0]);
    assert_eq!(answer.json()["ended"], "complete");
    let expected = ["accepted", "duplicate", "conflict", "accepted", "rejected", "rejected", "rejected", "rejected"];
    assert_eq!(statuses(&answer), expected);
    let shown = answer.json()["rows"].clone();
    assert!(shown[2]["firstReceivedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown[0]["submissionId"], shown[1]["submissionId"]);
    assert_eq!(errors(&shown[4]), [("/instrument".into(), "required".into())]);
    let both = [("/instrument".into(), "choice".into()), ("/answers".into(), "required".into())];
    assert_eq!(errors(&shown[5]), both);
    assert_eq!(errors(&shown[6]), [("/studyId".into(), "forbidden".into())]);
    assert_eq!(errors(&shown[7]), [("".into(), "format".into())]);

    // With `return=minimal` the answer omits the rows that need no attention.
    let authorization = format!("Bearer {SUBMIT_A}");
    let headers = [("authorization", &*authorization), ("content-type", NDJSON), ("prefer", "return=minimal")];
    let body = lines(&[diary("a", 1), diary("new", 1), json!({})]);
    let minimal = app.client().await.send("POST", BATCH, &headers, body).await.unwrap();
    assert_eq!(minimal.header("preference-applied"), Some("return=minimal"));
    let left: Vec<Value> = minimal.json()["rows"].as_array().unwrap().iter().map(|row| row["index"].clone()).collect();
    assert_eq!((counts(&minimal), left), ([1, 1, 0, 1, 0], vec![json!(2)]));

    // A row and a single request are the same submission, and both are scored alike.
    let location = app.submit(&phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    assert_eq!(location, format!("/v1/submissions/{}", shown[3]["submissionId"].as_str().unwrap()));
    assert_eq!(app.scored(&location).await["alerts"][0]["severity"], "critical");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_name_are_known_by_their_content() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let rows: Vec<Value> = (0..20)
        .map(|number| {
            let mut row = diary("", number % 10);
            row.as_object_mut().unwrap().remove("reportId");
            row
        })
        .collect();
    assert_eq!(counts(&post(&app, BATCH, NDJSON, lines(&rows)).await), [10, 10, 0, 0, 0]);
    assert_eq!(counts(&post(&app, BATCH, NDJSON, lines(&rows)).await), [0, 20, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_breaks_keeps_the_rows_before_it() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    for body in ["", "{}", "[", "[1", "nonsense"] {
        let answer = post(&app, BATCH, "application/json", body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (400, Some("urn:vigil:problem:malformed")),
            "{body}"
        );
    }
    assert_eq!(counts(&post(&app, BATCH, "application/json", "[]".to_owned()).await), [0; 5]);
    let answer = post(&app, BATCH, "application/json", format!("[{},{}", diary("a", 1), diary("b", 1))).await;
    assert_eq!((counts(&answer), &answer.json()["ended"]), ([1, 0, 0, 0, 0], &json!("malformed")));
    let whole = format!("[{},{}]", diary("a", 1), diary("b", 1));
    assert_eq!(counts(&post(&app, BATCH, "application/json", whole).await), [1, 1, 0, 0, 0]);
    assert_eq!(post(&app, BATCH, "text/csv", "a,b".to_owned()).await.status, 415);
    assert_eq!(app.send("GET", BATCH, &Value::Null).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_limits() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let answer = post(&app, BATCH, NDJSON, "1\n".repeat(5001)).await;
    assert_eq!((answer.status, answer.json()["type"].as_str()), (413, Some("urn:vigil:problem:too-large")));
    let length = 8 * 1024 * 1024 + 1;
    let head = format!(
        "POST {BATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: {NDJSON}\r\n\
         content-length: {length}\r\n\r\n"
    );
    let request = [head.into_bytes(), vec![b' '; length]].concat();
    assert_eq!(crate::client::early_status(app.address, request).await, 413);
    // A row that is too long harms only itself.
    let mut long = diary("l", 1);
    long["data"]["note"] = json!("y".repeat(256 * 1024));
    let answer = post(&app, BATCH, NDJSON, lines(&[diary("a", 1), long, diary("b", 1)])).await;
    assert_eq!(statuses(&answer), ["accepted", "rejected", "accepted"]);
    // The largest batch: hundreds of thousands of findings are cut and counted.
    let many = format!("{{{}\"x\":1}}", (0..6_000).map(|n| format!("\"{n}\":1,")).collect::<String>());
    let answer = post(&app, BATCH, NDJSON, format!("{many}\n").repeat(100)).await;
    assert_eq!(counts(&answer), [0, 0, 0, 100, 0]);
    assert!(answer.body.len() < 2 * 1024 * 1024, "{}", answer.body.len());
    let rows = answer.json()["rows"].clone();
    assert_eq!(errors(&rows[0]).len(), 100);
    for row in [&rows[0], &rows[99]] {
        assert_eq!(errors(row).len() as u64 + row["moreErrors"].as_u64().unwrap(), 6_000 + 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_is_taken_in_whole() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let mut rows = diaries(5000);
    for row in &mut rows {
        // Every row is as long as the limit allows, and contains text to remove.
        row["data"]["note"] = json!(format!("13800138000 {}", "slept badly ".repeat(119)));
    }
    let body = lines(&rows);
    assert!((7_900_000..8 * 1024 * 1024).contains(&body.len()), "{}", body.len());
    let answer = post(&app, BATCH, NDJSON, body).await;
    assert_eq!(counts(&answer), [5000, 0, 0, 0, 0]);
    assert_eq!(answer.json()["rows"][4999]["removed"], json!({"phone": 1}));
    assert_eq!(queued(&app).await, 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_fills_up_ends_the_batch_where_it_is() {
    let app = App::builder().variable("queue_capacity", "300").only(&["submit", "records", "ops"]).start().await;
    let rows = diaries(1000);
    let answer = post(&app, BATCH, NDJSON, lines(&rows)).await;
    assert_eq!(counts(&answer), [300, 0, 0, 0, 700]);
    assert_eq!(answer.json()["ended"], "capacity");
    assert!(answer.header("retry-after").is_some());
    assert!(statuses(&answer).iter().enumerate().all(|(n, status)| (status == "accepted") == (n < 300)));
    assert_eq!(queued(&app).await, 300);

    // No row is accepted: the whole batch is refused, and nothing is written.
    // Some marks pass by themselves.
    let keys = async || {
        let mut keys: Vec<String> = app.redis(&["KEYS", "*"]).await;
        keys.retain(|key| ![":bell:", ":check:", ":clock", ":logged:"].iter().any(|mark| key.contains(mark)));
        keys.sort();
        keys
    };
    let before = keys().await;
    let answer = post(&app, BATCH, NDJSON, lines(&rows[500..])).await;
    assert_eq!((answer.status, answer.json()["type"].as_str()), (503, Some("urn:vigil:problem:busy")));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(keys().await, before);

    // When there is room again, the same batch continues where it ended.
    app.redis::<usize>(&["XTRIM", "{vigil}:q:score", "MAXLEN", "0"]).await;
    assert_eq!(counts(&post(&app, BATCH, NDJSON, lines(&rows)).await), [300, 300, 0, 0, 400]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_meets_the_limits_and_comes_further_each_time() {
    let builder = App::builder().variable("rate_per_key", "0.001,400").variable("rate_per_site", "0.001,100");
    let app = builder.only(&["submit", "records", "ops"]).start().await;
    let mut rows = diaries(300);
    for row in &mut rows[100..200] {
        row["siteId"] = json!("2");
    }
    let answer = post(&app, BATCH, NDJSON, lines(&rows)).await;
    // Each of the two sites has its burst; the rest of the first site must wait, wherever it stands in the batch.
    assert_eq!(counts(&answer), [200, 0, 0, 0, 100]);
    assert_eq!(answer.json()["ended"], "limited");
    assert!((900..=1000).contains(&answer.header("retry-after").unwrap().parse::<u32>().unwrap()));
    assert!(statuses(&answer).iter().enumerate().all(|(n, status)| (status == "accepted") == (n < 200)));
    assert_eq!(queued(&app).await, 200);

    let before: String = app.redis(&["GET", "{vigil}:rate:site:A|2"]).await;
    let refused = post(&app, BATCH, NDJSON, lines(&rows[200..])).await;
    assert_eq!((refused.status, refused.json()["type"].as_str()), (429, Some("urn:vigil:problem:too-many-requests")));
    assert!(refused.header("retry-after").is_some());

    // With new tokens, known rows do not use them up.
    app.redis::<u32>(&["DEL", "{vigil}:rate:site:A|1"]).await;
    let answer = post(&app, BATCH, NDJSON, lines(&rows)).await;
    assert_eq!((counts(&answer), &answer.json()["ended"]), ([100, 200, 0, 0, 0], &json!("complete")));
    assert_eq!(app.redis::<String>(&["GET", "{vigil}:rate:site:A|2"]).await, before, "a duplicate takes no token");
}

/// Begins an upload that announces a longer body than it sends.
async fn begin(app: &App, headers: &str, rows: &[Value]) -> TcpStream {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST {BATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: {NDJSON}\r\n\
         content-length: 1000000\r\nconnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(lines(rows).as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cancelled_leaves_whole_chunks() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let rows = diaries(700);
    let mut stream = begin(&app, "", &rows[..600]).await;
    stream.write_all(b"{\"reportId\": \"d600\", \"studyId\"").await.unwrap();
    until("two chunks are taken in", async || (queued(&app).await == 512).then_some(())).await;
    drop(stream);
    // The rest of the cancelled batch was never accepted, so it is new now.
    assert_eq!(counts(&post(&app, BATCH, NDJSON, lines(&rows)).await), [188, 512, 0, 0, 0]);
    assert_eq!(queued(&app).await, 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_too_long_says_how_far_it_came() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let mut stream = begin(&app, "x-request-timeout-ms: 6000\r\n", &diaries(300)).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&answer["ended"], &answer["accepted"], &answer["notProcessed"]),
        (&json!("deadline"), &json!(256), &json!(44))
    );
    assert_eq!(answer["sendFrom"], 256);
    assert_eq!(queued(&app).await, 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_on_a_slow_line_gets_to_its_end() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    let body = lines(&diaries(1500));
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST {BATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: {NDJSON}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Longer than a request without bytes may take.
    let pieces = body.len().div_ceil(65);
    let began = std::time::Instant::now();
    for piece in body.as_bytes().chunks(pieces) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(began.elapsed().as_secs() > 10);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&answer["ended"], &answer["accepted"]), (&json!("complete"), &json!(1500)), "{answer}");
    assert_eq!(answer.get("sendFrom"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_does_not_wait_longer_for_redis_than_a_small_one() {
    let app = App::builder().only(&["submit"]).start().await;
    assert_eq!(post(&app, BATCH, NDJSON, lines(&diaries(1))).await.status, 202);
    let _: String = app.redis(&["CLIENT", "PAUSE", "25000", "ALL"]).await;
    let body = lines(&diaries(5000));
    // The slowest line would take this much longer for it.
    assert!(body.len() > 20 * 8 * 1024);
    let began = std::time::Instant::now();
    let answer = post(&app, BATCH, NDJSON, body).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_beyond_the_last_that_is_taken_is_counted() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    for (beyond, listed) in [(1, 5001), (5_000, 10_000), (7_000, 10_000)] {
        let body = lines(&diaries(1)) + &"1\n".repeat(4999 + beyond);
        let answer = post(&app, BATCH, NDJSON, body).await.json();
        assert_eq!(
            [&answer["ended"], &answer["rejected"], &answer["notProcessed"], &answer["sendFrom"]],
            [&json!("too-many-rows"), &json!(4999), &json!(beyond), &json!(5000)]
        );
        let rows = answer["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[5000]["status"]), (listed, &json!("not-processed")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_batch_is_refused() {
    let mut app = App::builder().outliving_redis().start().await;
    app.redis.as_mut().unwrap().kill().unwrap();
    let answer = post(&app, BATCH, NDJSON, lines(&diaries(3))).await;
    assert_eq!((answer.status, answer.json()["type"].as_str()), (503, Some("urn:vigil:problem:unavailable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_tells_everything_and_stores_nothing() {
    let app = App::builder().only(&["submit", "records", "ops"]).start().await;
    assert_eq!(post(&app, VALIDATE, NDJSON, String::new()).await.status, 200);
    let before: usize = app.redis(&["DBSIZE"]).await;
    let rows: Vec<String> = (0..1000)
        .map(|number| match number % 4 {
            0 => diary("d", 12).to_string(),
            1 => response("r", [7; 9]).to_string(),
            2 => "{".to_owned(),
            _ => diary("d", 5).to_string(),
        })
        .collect();
    let answer = post(&app, VALIDATE, NDJSON, rows.join("\n")).await;
    assert_eq!((answer.status, &answer.json()["valid"]), (200, &json!(false)));
    let shown = answer.json()["rows"].as_array().unwrap().clone();
    assert_eq!(shown.len(), 1000);
    for (index, row) in shown.iter().enumerate() {
        assert_eq!((&row["index"], row["valid"].as_bool()), (&json!(index), Some(index % 4 == 3)));
        assert_eq!(errors(row).len(), [1, 9, 1, 0][index % 4], "{row}");
    }
    let good =
        post(&app, VALIDATE, "application/json", json!([diary("d", 1), response("r", [0; 9])]).to_string()).await;
    assert_eq!(
        good.json(),
        json!({"valid": true, "rows": [{"index": 0, "valid": true, "errors": []},
                                                           {"index": 1, "valid": true, "errors": []}]})
    );
    assert_eq!(post(&app, VALIDATE, NDJSON, "1\n".repeat(1001)).await.status, 413);
    assert_eq!(post(&app, VALIDATE, "application/json", "[1,".to_owned()).await.status, 400);
    assert_eq!(post_as(&app, crate::app::READ_A1, VALIDATE, NDJSON, String::new()).await.status, 403);
    // Of all these requests, only the refused key is counted.
    until("the refused key is counted", async || {
        let counters: Vec<String> = app.redis(&["HGETALL", "{vigil}:stats"]).await;
        (counters == ["forbidden|*|*|*", "1"]).then_some(())
    })
    .await;
    // The mark of its log line ends after a second.
    until("nothing else is kept", async || (app.redis::<usize>(&["DBSIZE"]).await == before + 1).then_some(())).await;
    // The door accepts what validation accepts, and refuses what it refuses.
    assert_eq!(app.send("POST", PHQ9, &phq9("r", [7; 9])).await.status, 422);
}
