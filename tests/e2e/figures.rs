//! Figures: those of everybody are for keys that cover everything, and sites that are made up cannot fill them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, PHQ9, READ_A1, READ_B, SECRET, SUBMIT_A, phq9, until};

const STATS: &str = "/v1/stats/sites";
const HOUR: &str = "/v1/stats/hour";
const COUNTERS: &str = "{vigil}:stats";
/// The answer of `state/src/queue/count.lua`.
const MOST_COUNTERS: usize = 50_000;
const MOST_OF_STUDY: usize = 10_000;

fn at(study: &str, site: &str, mut document: Value) -> Value {
    document["studyId"] = json!(study);
    document["siteId"] = json!(site);
    document
}

fn diary(id: &str, site: &str) -> Value {
    json!({"reportId": id, "studyId": "A", "siteId": site, "patientId": "p", "kind": "diary",
           "authoredAt": "2026-03-01T08:00:00Z", "data": {"symptoms": [{"name": "pain", "severity": 3}]}})
}

/// Counts one submission at each of so many sites of a study. Several scripts do it, because one would take long.
async fn fill(app: &App, study: &str, sites: usize) {
    let script = "for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do \
                  redis.call('HSET', KEYS[1], 'accepted|' .. ARGV[1] .. '|site-' .. n .. '|response', 1) end \
                  redis.call('HSET', KEYS[1], 'counters|' .. ARGV[1], ARGV[3])";
    for first in (1..=sites).step_by(10_000) {
        let (first, last) = (first.to_string(), sites.min(first + 9_999).to_string());
        let _: Option<u32> = app.redis(&["EVAL", script, "1", COUNTERS, study, &first, &last]).await;
    }
}

async fn get(app: &App, key: &str, path: &str) -> Value {
    let answer = app.send_as(key, "GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn metrics(app: &App, key: &str) -> String {
    let answer = app.send_as(key, "GET", "/metrics", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The sum of all counters of submissions in an OpenMetrics text, and how many there are.
fn submissions(text: &str) -> (u64, usize) {
    let lines = text.lines().filter(|line| line.starts_with("vigil_submissions_total{"));
    let values: Vec<u64> = lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    (values.iter().sum(), values.len())
}

async fn counter(app: &App, field: &str) -> Option<u64> {
    app.redis(&["HGET", COUNTERS, field]).await
}

/// A key with a role for a study and a site, as `api_keys` has it.
fn key(role: &str, study: &str, site: &str) -> Value {
    use sha2::Digest as _;
    let id = format!("{role}-{study}-{site}");
    let sha256: String = sha2::Sha256::digest(&id).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"id": id, "role": role, "study": study, "site": site, "sha256": sha256})
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_everybody_are_for_keys_that_cover_everything() {
    let places = [("*", "*"), ("A", "*"), ("*", "1"), ("A", "1"), ("B", "*")];
    let roles = ["admin", "operator", "read", "auditor"];
    let keys = roles.iter().flat_map(|role| places.map(|(study, site)| key(role, study, site)));
    let app = App::builder().variable("api_keys", Value::from_iter(keys).to_string()).start().await;
    for (study, site) in [("A", "1"), ("A", "2"), ("B", "1")] {
        let answer = app.send_as("admin-*-*", "POST", PHQ9, &at(study, site, phq9("r", [0; 9]))).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let seen = [("*-*", 3), ("A-*", 2), ("*-1", 2), ("A-1", 1), ("B-*", 1)];
    for (place, count) in seen {
        let all = place == "*-*";
        for role in ["admin", "operator"] {
            let answer = app.send_as(&format!("{role}-{place}"), "POST", "/v1/ops/drain", &Value::Null).await;
            assert_eq!(answer.status, if all { 200 } else { 403 }, "{role} {place}: {answer:?}");
        }
        for role in roles {
            let hour = app.send_as(&format!("{role}-{place}"), "GET", HOUR, &Value::Null).await;
            assert_eq!(hour.status, if all { 200 } else { 403 }, "{role} {place}: {hour:?}");
            let text = metrics(&app, &format!("{role}-{place}")).await;
            assert_eq!(submissions(&text), (count, count as usize), "{role} {place}: {text}");
            let others =
                text.lines().filter(|line| line.starts_with("vigil_") && !line.starts_with("vigil_submissions"));
            assert_eq!(others.count() > 20, all, "{role} {place}: {text}");
            assert!(all || !text.contains("queue") && !text.contains("dead_letters"), "{role} {place}: {text}");
        }
        for role in ["admin", "read"] {
            let stats = get(&app, &format!("{role}-{place}"), STATS).await;
            let sites = stats["sites"].as_array().unwrap().len() as u64;
            assert_eq!((&stats["total"]["accepted"], sites), (&json!(count), count), "{role} {place}: {stats}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_come_in_pages_however_many_there_are() {
    let app = App::builder().only(&["console", "ops"]).start().await;
    fill(&app, "A", 30_000).await;
    fill(&app, "B", 7).await;
    let _: u32 = app.redis(&["HSET", COUNTERS, "busy|A|site-1|diary", "5", "rejected|*|*|lab", "2"]).await;
    let (mut cursor, mut seen, mut pages) = (String::new(), BTreeSet::new(), 0);
    loop {
        let page = get(&app, ADMIN, &format!("{STATS}?limit=200{cursor}")).await;
        let total = ["accepted", "busy", "rejected"].map(|outcome| page["total"][outcome].as_u64().unwrap());
        assert_eq!(total, [30_007, 5, 2], "every page has the sums of all");
        for site in page["sites"].as_array().unwrap() {
            let place = (site["studyId"].as_str().unwrap().to_owned(), site["siteId"].as_str().unwrap().to_owned());
            if place.1 == "site-1" && place.0 == "A" {
                assert_eq!((&site["accepted"], &site["kinds"]["diary"]["busy"]), (&json!(1), &json!(5)), "{site}");
            }
            assert!(seen.last() < Some(&place), "in their order, each once: {place:?}");
            seen.insert(place);
        }
        pages += 1;
        assert_eq!(page["more"], !page["cursor"].is_null());
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen.len(), pages), (30_008, 151));
    assert_eq!(get(&app, ADMIN, STATS).await["sites"].as_array().unwrap().len(), 50);

    let own = get(&app, READ_B, STATS).await;
    assert_eq!((own["sites"].as_array().unwrap().len(), &own["total"]["accepted"]), (7, &json!(7)));
    assert_eq!((&own["more"], &own["cursor"]), (&json!(false), &Value::Null));
    let none = get(&app, READ_A1, STATS).await;
    assert_eq!((&none["sites"], &none["total"]["accepted"]), (&json!([]), &json!(0)));
    for query in
        ["limit=0", "limit=201", "cursor=", "cursor=A", "cursor=A%7C1", "cursor=A%201~2", "page=2", "limit=1&limit=1"]
    {
        let answer = app.send("GET", &format!("{STATS}?{query}"), &Value::Null).await;
        assert_eq!(answer.status, 422, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_stay_short_however_many_sites_there_are() {
    let app = App::builder().only(&["console", "ops"]).start().await;
    for (study, sites) in [("A", 10_000), ("B", 140_000)] {
        fill(&app, study, sites).await;
        let text = metrics(&app, ADMIN).await;
        let (sum, count) = submissions(&text);
        assert_eq!((sum, count), if study == "A" { (10_000, 10_000) } else { (150_000, 2) });
        assert!(text.len() < 2 << 20 && text.ends_with("# EOF\n"), "{}", text.len());
    }
    let all = "vigil_submissions_total{outcome=\"accepted\",study=\"B\",site=\"*\",kind=\"response\"} 140000";
    assert!(metrics(&app, ADMIN).await.contains(all));
    assert_eq!(submissions(&metrics(&app, READ_B).await), (140_000, 1));
    let page = get(&app, ADMIN, &format!("{STATS}?limit=1")).await;
    assert_eq!((&page["total"]["accepted"], &page["more"]), (&json!(150_000), &json!(true)));

    // Even if the studies are made up, too.
    let script = "for n = 1, 20000 do redis.call('HSET', KEYS[1], 'accepted|S' .. n .. '|1|lab', 1) end";
    let _: Option<u32> = app.redis(&["EVAL", script, "1", COUNTERS]).await;
    let text = metrics(&app, ADMIN).await;
    assert_eq!(submissions(&text), (170_000, 2), "by kind");
    assert!(text.contains("{outcome=\"accepted\",study=\"*\",site=\"*\",kind=\"lab\"} 20000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_are_made_up_cannot_fill_the_counters() {
    let app = App::builder().only(&["submit", "console", "alerts", "ops"]).start().await;
    fill(&app, "A", MOST_OF_STUDY).await;
    let _: u32 = app.redis(&["HSET", COUNTERS, "refused|A", "2000"]).await;
    let length = async || app.redis::<usize>(&["HLEN", COUNTERS]).await;
    let before = length().await;
    // One by one, resent, of other content, in a batch of new ones, in a batch with resends, and refused.
    for number in 0..3 {
        let made_up = |name: &str| format!("{name}-{number}");
        let one = at("A", &made_up("made-up"), phq9(&made_up("r"), [0; 9]));
        for status in [202, 202] {
            assert_eq!(app.send("POST", PHQ9, &one).await.status, status);
        }
        let mut other = one.clone();
        other["answers"]["q1"] = json!(1);
        assert_eq!(app.send("POST", PHQ9, &other).await.status, 409);
        let mut rows: Vec<Value> =
            (0..5).map(|row| diary(&made_up(&format!("d{row}")), &made_up(&format!("x{row}")))).collect();
        for _ in 0..2 {
            let answer = app.send("POST", "/v1/reports/batch", &Value::from(rows.clone())).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            rows.push(diary(&made_up("late"), &made_up("late")));
        }
        let faulty = at("A", &made_up("faulty"), phq9("f", [9; 9]));
        assert_eq!(app.send("POST", PHQ9, &faulty).await.status, 422);
    }
    for (field, count) in [
        ("accepted|A|*|response", 3),
        ("duplicate|A|*|response", 3),
        ("conflict|A|*|response", 3),
        ("accepted|A|*|diary", 18),
        ("duplicate|A|*|diary", 15),
        ("rejected|A|*|response", 3),
    ] {
        until(field, async || (counter(&app, field).await == Some(count)).then_some(())).await;
    }
    assert_eq!(length().await, before + 6, "nothing else is counted");
    // A counter that is there goes on, and another study has room.
    app.submit(&at("A", "site-1", phq9("known", [0; 9]))).await;
    app.submit(&at("B", "1", phq9("known", [0; 9]))).await;
    assert_eq!(counter(&app, "accepted|A|site-1|response").await, Some(2));
    assert_eq!(counter(&app, "accepted|B|1|response").await, Some(1));
    assert_eq!(counter(&app, "counters|B").await, Some(1));

    let stats = get(&app, ADMIN, &format!("{STATS}?limit=1")).await;
    let (others, total) = (&stats["sites"][0], MOST_OF_STUDY + 3 + 18 + 2);
    assert_eq!((&others["siteId"], &others["accepted"]), (&json!("*"), &json!(21)), "{stats}");
    assert_eq!(stats["total"]["accepted"], total, "the sum is true");
    assert_eq!(submissions(&metrics(&app, ADMIN).await).0, total as u64 + 3 + 15 + 3 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_are_refused_or_came_on_another_day_take_no_room_from_sites_that_report() {
    let app = App::start().await;
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let (month, day) = (format!("{{vigil}}:month:A:{}", &now[..7]), &now[8..10]);
    let other_day = if day == "01" { "02" } else { "01" };
    let _: u32 = app.redis(&["HSET", COUNTERS, "refused|A", "1999"]).await;
    let _: u32 =
        app.redis(&["HSET", &month, &format!("sites|{other_day}"), "2000", &format!("sites|{day}"), "1999"]).await;
    for (number, expected) in [(1, "rejected|A|f1|response"), (2, "rejected|A|*|response")] {
        let faulty = at("A", &format!("f{number}"), phq9("f", [9; 9]));
        assert_eq!(app.send("POST", PHQ9, &faulty).await.status, 422);
        until(expected, async || (counter(&app, expected).await == Some(1)).then_some(())).await;
    }
    for site in ["real", "further"] {
        app.submit(&at("A", site, phq9(site, [0; 9]))).await;
        assert_eq!(counter(&app, &format!("accepted|A|{site}|response")).await, Some(1));
        let of = async |field: &str| app.redis::<Option<u64>>(&["HGET", &month, field]).await;
        let expected = if site == "real" { format!("day|{day}|real") } else { format!("day|{day}|*") };
        until(&expected, async || (of(&expected).await == Some(1)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn studies_that_are_made_up_cannot_fill_the_counters() {
    let app = App::builder().only(&["submit", "console", "alerts", "ops"]).start().await;
    fill(&app, "X", MOST_COUNTERS + 10).await;
    let length = async || app.redis::<usize>(&["HLEN", COUNTERS]).await;
    app.submit(&at("B", "1", phq9("r1", [0; 9]))).await;
    assert_eq!(counter(&app, "accepted|B|*|response").await, Some(1), "the study keeps its sum while there is room");
    let _: Option<u32> = app
        .redis(&[
            "EVAL",
            "for n = 1, 5000 do redis.call('HSET', KEYS[1], 'accepted|S' .. n .. '|*|lab', 1) end",
            "1",
            COUNTERS,
        ])
        .await;
    let before = length().await;
    for number in 0..20 {
        app.submit(&at(&format!("made-up-{number}"), "1", phq9("r", [0; 9]))).await;
        let faulty = at(&format!("made-up-{number}"), "1", phq9("f", [9; 9]));
        assert_eq!(app.send("POST", PHQ9, &faulty).await.status, 422);
    }
    app.submit(&at("B", "1", phq9("r2", [0; 9]))).await;
    for (field, count) in [("accepted|*|*|response", 20), ("rejected|*|*|response", 20), ("accepted|B|*|response", 2)] {
        until(field, async || (counter(&app, field).await == Some(count)).then_some(())).await;
    }
    assert_eq!(length().await, before + 2);
    let stats = get(&app, ADMIN, &format!("{STATS}?limit=1")).await;
    assert_eq!(stats["total"]["accepted"], MOST_COUNTERS + 10 + 1 + 5000 + 20 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_are_made_up_cannot_fill_a_month() {
    let app = App::start().await;
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let (month, day) = (format!("{{vigil}}:month:A:{}", &now[..7]), &now[8..10]);
    let script = "for n = 1, 50000 do redis.call('HSET', KEYS[1], 'day|' .. ARGV[1] .. '|site-' .. n, 1) end";
    let _: Option<u32> = app.redis(&["EVAL", script, "1", &month, day]).await;
    for number in 0..5 {
        app.submit(&at("A", &format!("made-up-{number}"), phq9(&format!("r{number}"), [0, 0, 0, 0, 0, 0, 0, 0, 1])))
            .await;
    }
    app.submit(&at("A", "site-1", phq9("r", [0; 9]))).await;
    let of = async |field: &str| app.redis::<Option<u64>>(&["HGET", &month, field]).await;
    let (others, known) = (format!("day|{day}|*"), format!("day|{day}|site-1"));
    until("all are counted", async || {
        (of(&others).await == Some(5) && of(&known).await == Some(2) && of("alert|critical").await == Some(5))
            .then_some(())
    })
    .await;
    assert_eq!(app.redis::<usize>(&["HLEN", &month]).await, 50_002);
    let report = get(&app, ADMIN, &format!("/v1/studies/A/report?month={}", &now[..7])).await;
    let own = &report["parts"]["vigil"]["data"];
    let sum: u64 = own["days"].as_array().unwrap().iter().map(|day| day["submissions"].as_u64().unwrap()).sum();
    assert_eq!((sum, &own["sites"][0]), (50_006, &json!({"siteId": "*", "submissions": 5})));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_study_gives_up_and_who_hears_of_it_are_its_own_figures() {
    let app = App::start().await;
    for payload in [
        r#"{"submission":[["s","A","2","p","diary",null,null,{},"then","now","k","h",null,null,[],{},{}],"x","t"]}"#,
        "{}",
    ] {
        let _: String =
            app.redis(&["XADD", "{vigil}:dead", "*", "q", "score", "reason", "unreadable-entry", "d", payload]).await;
    }
    let count = async |key: &str| {
        let wanted = json!({"all": true, "dryRun": true});
        let answer = app.send_as(key, "POST", "/v1/dead-letters/replay", &wanted).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["count"].clone()
    };
    assert_eq!((count(ADMIN).await, count(ADMIN_B).await), (json!(2), json!(0)));
    assert_eq!(get(&app, ADMIN_B, "/v1/dead-letters").await["deadLetters"], json!([]));
    assert_eq!(get(&app, ADMIN_B, "/v1/receivers").await["receivers"], json!([]));
    assert_eq!(app.send_as(SUBMIT_A, "GET", "/metrics", &Value::Null).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_come_in_pages() {
    let app = App::builder().only(&["console", "alerts", "ops"]).start().await;
    let receiver = |number: u32| {
        (format!("r-{number:03}"), json!({"channel": "webhook", "url": "http://127.0.0.1:9/", "secrets": [SECRET]}))
    };
    let receivers: serde_json::Map<String, Value> = (0..120).map(receiver).collect();
    let routes = json!({"receivers": receivers, "defaults": {"routes": {"critical": ["r-000"]}},
                        "studies": {"B": {"routes": {"high": ["r-007", "r-100"]}}}});
    let answer = app.send("PUT", "/v1/config/alert-routes", &routes).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let pages = async |key: &str, limit: usize| {
        let (mut cursor, mut seen, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let page = get(&app, key, &format!("/v1/receivers?limit={limit}{cursor}")).await;
            let shown = page["receivers"].as_array().unwrap();
            seen.extend(shown.iter().map(|it| it["receiver"].as_str().unwrap().to_owned()));
            pages += 1;
            assert_eq!(page["more"], !page["cursor"].is_null());
            let Some(next) = page["cursor"].as_str() else { break (seen, pages) };
            cursor = format!("&cursor={next}");
        }
    };
    let all: Vec<String> = (0..120).map(|number| receiver(number).0).collect();
    assert_eq!(pages(ADMIN, 50).await, (all.clone(), 3));
    assert_eq!(pages(ADMIN, 60).await, (all, 2));
    assert_eq!(pages(ADMIN_B, 1).await, (vec!["r-007".to_owned(), "r-100".to_owned()], 2));
    assert_eq!(get(&app, ADMIN, "/v1/receivers").await["receivers"].as_array().unwrap().len(), 50);
    for query in ["limit=0", "cursor=a%20b", "page=1"] {
        let answer = app.send("GET", &format!("/v1/receivers?{query}"), &Value::Null).await;
        assert_eq!(answer.status, 422, "{query}");
    }
}
