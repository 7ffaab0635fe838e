//! An operator's round also does the clock's checks, where no clock runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{CRITICAL, HIGH, alert, configure, document, hook};
use crate::app::{App, phq9, until};
use crate::receiver::{Act, Receiver};

const WITHOUT_TRIGGERS: [&str; 5] = ["submit", "records", "console", "ops", "alerts"];

async fn round(app: &App) -> Value {
    let answer = app.send("POST", "/v1/ops/drain", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_time_was_lost_moves_again() {
    let receiver = Receiver::start().await;
    receiver.then([Act::Answer(500)]);
    let app = App::builder().variable("alert_grace_seconds", "1").only(&WITHOUT_TRIGGERS).start().await;
    let mut document = document(json!({"a": hook(&receiver)}));
    document["defaults"]["retry"]["critical"]["delaysSeconds"] = json!([1, 1]);
    configure(&app, &document).await;
    let location = app.submit(&phq9("r", CRITICAL)).await;
    assert_eq!(round(&app).await, json!({"due": 0, "overdue": 0, "scored": 1, "dispatched": 1}));
    // The entry that would start the next attempt is lost.
    let due: Vec<String> = app.redis(&["ZRANGE", "{vigil}:due", "0", "-1"]).await;
    let lost = due.iter().find(|work| work.contains("\"attempt\":2")).unwrap();
    assert_eq!(app.redis::<usize>(&["ZREM", "{vigil}:due", lost]).await, 1);

    let found = until("a round finds it", async || Some(round(&app).await).filter(|it| it["overdue"] != 0)).await;
    assert_eq!(found["overdue"], 1, "{found}");
    // The round that found it also let a worker look at it.
    let told = alert(&app, &location, |it| it["state"] == "delivered").await;
    assert_eq!((receiver.calls().len(), told["deliveries"][0]["attempts"].as_array().unwrap().len()), (2, 2), "{told}");
    assert_eq!(app.redis::<usize>(&["HGET", "{vigil}:watch", "overdue"]).await, 1);
    let log = std::fs::read_to_string(app.dir.join("logs/ops_stderr.txt")).unwrap();
    let id = told["alertId"].as_str().unwrap();
    assert!(log.lines().any(|line| line.contains("alert-overdue") && line.contains(id)), "{log}");
    let metrics = String::from_utf8(app.send("GET", "/metrics", &Value::Null).await.body.to_vec()).unwrap();
    assert!(metrics.contains("vigil_alerts_overdue_total 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_bounded_by_age_and_by_count_and_their_growth_is_a_metric() {
    let receiver = Receiver::doing(|_| Act::Answer(400)).await;
    let app = App::builder().variable("dead_letters_days", "30").variable("dead_letters_most", "300");
    let app = app.only(&WITHOUT_TRIGGERS).start().await;
    configure(&app, &document(json!({"a": hook(&receiver)}))).await;
    let figures = async || {
        let text = String::from_utf8(app.send("GET", "/metrics", &Value::Null).await.body.to_vec()).unwrap();
        let one = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
            line.parse().unwrap()
        };
        [one("vigil_dead_letters"), one("vigil_dead_letters_ever_total"), one("vigil_dead_letters_trimmed_total")]
    };
    let letter = async |id: &str| {
        let letter = ["XADD", "{vigil}:dead", id, "q", "score", "reason", "test", "d", "{}"];
        let _: String = app.redis(&letter).await;
    };
    let ago = |days: u64| {
        (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(86_400 * days)).as_millis()
    };

    // Redis cuts off whole nodes of a stream, of a hundred entries: up to a hundred more may stay.
    let (old, recent) = (ago(31), ago(29));
    for n in 0..250 {
        letter(&format!("{old}-{}", n + 1)).await;
    }
    for n in 0..50 {
        letter(&format!("{recent}-{}", n + 1)).await;
    }
    assert_eq!(figures().await, [300, 300, 0]);
    round(&app).await;
    let [left, ever, trimmed] = figures().await;
    assert_eq!((ever, left + trimmed), (300, 300));
    assert!((50..=150).contains(&left), "{left} left: those of the last 30 days, and what shares a node with them");

    // An alert that is given up adds one dead letter.
    app.submit(&phq9("r", HIGH)).await;
    round(&app).await;
    assert_eq!(figures().await, [left + 1, 301, trimmed]);
    let listed = app.send("GET", "/v1/dead-letters?limit=1", &Value::Null).await.json()["deadLetters"][0].clone();
    assert_eq!((&listed["queue"], &listed["receiver"]), (&json!("dispatch"), &json!("a")), "{listed}");

    for _ in 0..600 {
        letter("*").await;
    }
    round(&app).await;
    let [left, ever, trimmed] = figures().await;
    assert_eq!((ever, left + trimmed), (901, 901));
    assert!((300..400).contains(&left), "{left} left");
}
