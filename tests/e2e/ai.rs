//! Calls to a scarce service: over all instances and hosts, never more than its limit.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{ADMIN, App, Builder, READ_A1};
use crate::client::Answer;
use crate::scarce::Scarce;

const PATH: &str = "/v1/ai/analyze";

fn app(service: &Scarce, limit: u32, deadline_ms: u64) -> Builder {
    App::builder().only(&["imaging"]).variable("ai_services", service.declared(limit, deadline_ms))
}

async fn ask(app: &App, headers: &[(&str, &str)]) -> (Answer, Duration) {
    let mut client = app.client().await;
    let authorization = format!("Bearer {ADMIN}");
    let mut all = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    all.extend(headers);
    let began = Instant::now();
    let body = json!({"service": "chest", "input": {"image": "x"}}).to_string();
    let answer = client.send("POST", PATH, &all, body).await.unwrap();
    (answer, began.elapsed())
}

/// Sends all requests at the same time, to one application after the other.
async fn together(apps: &[&App], count: usize) -> Vec<(Answer, Duration)> {
    futures::future::join_all((0..count).map(|number| ask(apps[number % apps.len()], &[]))).await
}

/// 200 callers at once: some are served, the others refused after half a second. Returns the time of the slowest.
async fn round(app: &App, service: &Scarce) -> Duration {
    let answers = together(&[app], 200).await;
    let busy: Vec<&(Answer, Duration)> = answers.iter().filter(|(answer, _)| answer.status == 503).collect();
    let served = answers.iter().filter(|(answer, _)| answer.status == 200).count();
    assert_eq!(busy.len() + served, 200, "{answers:?}");
    // 10 at once, for 200 ms each, and half a second of patience: at least two rounds. Not all callers start to wait at
    // the same time.
    assert!((20..=150).contains(&served), "{served}");
    assert!(service.most() <= 10, "{}", service.most());
    assert!(busy.iter().all(|(answer, _)| answer.header("retry-after").is_some()));
    let mut took: Vec<Duration> = busy.iter().map(|(_, took)| *took).collect();
    took.sort();
    assert!(took[0] >= Duration::from_millis(500), "{took:?}");
    took[took.len() - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_never_bring_more_than_ten_calls_at_once() {
    let service = Scarce::start(Duration::from_millis(200)).await;
    let app = app(&service, 10, 5000).start().await;
    // Other tests use the same processors, which is not the code's fault. So the upper bound must hold for the best of
    // a few rounds, and everything else for all of them. The first rounds also start the instances.
    let mut rounds = Vec::new();
    for _ in 0..8 {
        let slowest = round(&app, &service).await;
        rounds.push(slowest);
        if slowest <= Duration::from_millis(700) {
            break;
        }
    }
    assert!(rounds.iter().any(|slowest| slowest.as_millis() <= 700), "{rounds:?}");
    // All slots are free again.
    assert_eq!(app.redis::<usize>(&["ZCARD", "{vigil}:places:chest:held"]).await, 0);
    assert_eq!(app.redis::<usize>(&["ZCARD", "{vigil}:places:chest:line"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_on_one_redis_share_the_limit() {
    let service = Scarce::start(Duration::from_millis(100)).await;
    let first = app(&service, 4, 5000).start().await;
    let second = app(&service, 4, 5000).start_beside(&first).await;
    let answers = together(&[&first, &second], 60).await;
    let served = answers.iter().filter(|(answer, _)| answer.status == 200).count();
    assert!(service.most() <= 4 && served >= 4, "{} {served}", service.most());
    assert_eq!(service.inputs().len(), served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_crashed_frees_its_place_when_it_is_taken_for_dead() {
    let service = Scarce::start(Duration::from_millis(10)).await;
    let app = app(&service, 1, 5000).start().await;
    // The state after a killed host: one slot for a call of an hour, whose holder was alive just now.
    let time: Vec<u64> = app.redis(&["TIME"]).await;
    let in_ms = |ms: u64| (time[0] * 1000 + time[1] / 1000 + ms).to_string();
    let _: u64 = app.redis(&["ZADD", "{vigil}:holders", &in_ms(1500), "gone"]).await;
    let _: u64 = app.redis(&["ZADD", "{vigil}:places:chest:held", &in_ms(3_600_000), "gone:1"]).await;
    assert_eq!(ask(&app, &[]).await.0.status, 503);
    let deadline = Instant::now() + Duration::from_secs(20);
    while ask(&app, &[]).await.0.status != 200 {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_does_wrong_has_its_own_status_and_costs_no_place() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service, 1, 300).start().await;
    let (answer, _) = ask(&app, &[]).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"service": "chest", "result": {"nodule": 0.5}})));
    service.then(&[500, 404]);
    assert_eq!(ask(&app, &[]).await.0.status, 502);
    assert_eq!(ask(&app, &[]).await.0.status, 502);
    service.takes(Duration::from_secs(20));
    let (answer, took) = ask(&app, &[]).await;
    assert_eq!(answer.status, 504);
    assert!((300..1500).contains(&took.as_millis()), "{took:?}");
    let (answer, took) = ask(&app, &[("x-request-timeout-ms", "100")]).await;
    assert_eq!(answer.status, 504);
    assert!((100..1300).contains(&took.as_millis()), "{took:?}");
    service.takes(Duration::ZERO);
    assert_eq!(ask(&app, &[]).await.0.status, 200);
    assert_eq!(service.most(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_all_at_once() {
    let service = Scarce::start(Duration::ZERO).await;
    let app = app(&service, 1, 300).start().await;
    let answer = app.send("POST", PATH, &json!({"service": "SECRET", "more": 1})).await;
    assert_eq!(answer.status, 422);
    let pointers: Vec<String> = answer.findings().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/service", "/input", "/more"]);
    assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET"));
    assert_eq!(app.send_as(READ_A1, "POST", PATH, &json!({"service": "chest", "input": 1})).await.status, 403);
    assert_eq!(app.send("POST", PATH, &json!([])).await.status, 400);
    assert!(service.inputs().is_empty());
}
