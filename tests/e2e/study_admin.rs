//! The rights of a study's administrator over things that all studies share.

use serde_json::{Value, json};

use crate::app::{ADMIN, ADMIN_B, App, CLINICIAN_A1, READ_A1, SECRET, phq9};
use crate::client::Answer;
use crate::receiver::{Act, Receiver};

/// Raises one alert, by its total: high.
const HIGH: [u8; 9] = [3, 3, 3, 3, 3, 3, 3, 3, 0];

fn of(study: &str, id: &str) -> Value {
    let mut response = phq9(id, HIGH);
    response["studyId"] = json!(study);
    response
}

/// Studies A and B, each with its own receiver, and a receiver for all.
async fn started(a: &Receiver, b: &Receiver) -> App {
    let app = App::start().await;
    let hook = |it: &Receiver| json!({"channel": "webhook", "url": it.url(), "secrets": [SECRET]});
    let routes = json!({
        "receivers": {"a": hook(a), "b": hook(b), "all": hook(a)},
        "defaults": {
            "routes": {"critical": ["all"]}, "groupSeconds": 0, "repeatSeconds": 0,
            "retry": {"routine": {"delaysSeconds": []}},
        },
        "studies": {"A": {"routes": {"high": ["a"]}}, "B": {"sites": {"1": {"routes": {"high": ["b"]}}}}},
    });
    let answer = app.send("PUT", "/v1/config/alert-routes", &routes).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    app
}

async fn alerted(app: &App, response: &Value, state: &str) {
    let location = app.submit(response).await;
    app.shown(&location, |shown| shown["alerts"][0]["state"] == state).await;
}

/// Sends a request as the administrator of B.
async fn asked(app: &App, method: &str, path: &str, body: Value) -> Answer {
    app.send_as(ADMIN_B, method, path, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_those_of_the_own_study() {
    let (a, b) = (Receiver::start().await, Receiver::start().await);
    a.then(vec![Act::Answer(400); 2]);
    b.then(vec![Act::Answer(400); 2]);
    let app = started(&a, &b).await;
    for number in 0..2 {
        alerted(&app, &of("A", &format!("a{number}")), "dead").await;
        alerted(&app, &of("B", &format!("b{number}")), "dead").await;
    }
    // A submission that could not be scored names its study and site itself; an unreadable one belongs nowhere.
    let submission =
        r#"{"submission":[["s","B","2","p","diary",null,null,{},"then","now","k","h",null,null,[],{},{}],"x","t"]}"#;
    for payload in [submission, "{}"] {
        let _: String =
            app.redis(&["XADD", "{vigil}:dead", "*", "q", "score", "reason", "unreadable-entry", "d", payload]).await;
    }
    let listed = async |key: &str| {
        let answer = app.send_as(key, "GET", "/v1/dead-letters", &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["deadLetters"].as_array().unwrap().clone()
    };
    let (all, own) = (listed(ADMIN).await, listed(ADMIN_B).await);
    assert_eq!((all.len(), own.len()), (6, 3));
    assert!(own[1..].iter().all(|letter| letter["receiver"] == "b"), "{own:?}");
    let page = asked(&app, "GET", "/v1/dead-letters?limit=2", Value::Null).await.json();
    let next = format!("/v1/dead-letters?limit=2&cursor={}", page["cursor"].as_str().unwrap());
    let rest = asked(&app, "GET", &next, Value::Null).await.json();
    assert_eq!((&rest["deadLetters"][0]["id"], &rest["cursor"]), (&own[2]["id"], &Value::Null), "{rest}");

    let replay = async |body: Value| {
        let answer = asked(&app, "POST", "/v1/dead-letters/replay", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["count"].clone()
    };
    let others: Vec<&Value> = all.iter().filter(|letter| letter["receiver"] == "a").map(|it| &it["id"]).collect();
    assert_eq!(replay(json!({"all": true, "dryRun": true})).await, 3);
    assert_eq!(replay(json!({"ids": others, "dryRun": true})).await, 0);
    assert_eq!(replay(json!({"ids": others})).await, 0, "what is another study's is not there");
    assert_eq!(replay(json!({"ids": [own[2]["id"]]})).await, 1);
    b.heard(3).await;
    assert_eq!(replay(json!({"all": true})).await, 2);
    b.heard(4).await;
    assert_eq!((a.calls().len(), listed(ADMIN_B).await.iter().filter(|it| it["receiver"] == "b").count()), (2, 0));
    let trail = app.send("GET", "/v1/audit/operations/dead-letters", &Value::Null).await.json();
    assert!(trail["records"].as_array().unwrap().iter().all(|record| record["actor"] == "admin-b"), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_are_those_that_the_own_study_alone_names() {
    let (a, b) = (Receiver::start().await, Receiver::start().await);
    a.then([Act::Answer(410)]);
    b.then([Act::Answer(410)]);
    let app = started(&a, &b).await;
    alerted(&app, &of("A", "r1"), "dead").await;
    alerted(&app, &of("B", "r2"), "dead").await;
    let listed = asked(&app, "GET", "/v1/receivers", Value::Null).await.json()["receivers"].clone();
    assert_eq!((&listed[0]["receiver"], listed.as_array().unwrap().len()), (&json!("b"), 1), "{listed}");
    for other in ["a", "all", "nobody"] {
        let answer = asked(&app, "POST", &format!("/v1/receivers/{other}/enable"), Value::Null).await;
        assert_eq!(answer.status, 404, "{other}");
    }
    let answer = asked(&app, "POST", "/v1/receivers/b/enable", Value::Null).await;
    assert_eq!(answer.json()["changed"], true);
    alerted(&app, &of("B", "r3"), "delivered").await;
    alerted(&app, &of("A", "r4"), "dead").await;
    assert_eq!((a.calls().len(), b.calls().len()), (1, 2), "the other one is still disabled");
    // Only a key that may configure everything sees addresses.
    for key in [ADMIN_B, READ_A1, CLINICIAN_A1] {
        assert_eq!(app.send_as(key, "GET", "/v1/config/alert-routes", &Value::Null).await.status, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silences_are_those_about_the_own_study() {
    let (a, b) = (Receiver::start().await, Receiver::start().await);
    let app = started(&a, &b).await;
    let silence = |matchers: Value| json!({"matchers": matchers, "minutes": 60, "comment": "drill, ask 13800138000"});
    for matchers in [
        json!({"site": ["1"]}),
        json!({"study": ["A"]}),
        json!({"study": ["B", "A"]}),
        json!({"rule": ["total-severe"]}),
    ] {
        let answer = asked(&app, "POST", "/v1/silences", silence(matchers.clone())).await;
        assert_eq!(answer.status, 403, "{matchers}: {answer:?}");
    }
    // No study has this name, so it would silence nothing.
    let all = asked(&app, "POST", "/v1/silences", silence(json!({"study": ["*"]}))).await;
    assert_eq!((all.status, all.findings()), (422, vec![("/matchers/study/0".to_owned(), "format".to_owned())]));
    let others = app.send("POST", "/v1/silences", &silence(json!({"study": ["A"]}))).await;
    let made = asked(&app, "POST", "/v1/silences", silence(json!({"study": ["B"], "site": ["1"]}))).await;
    assert_eq!((made.status, &made.json()["author"]), (201, &json!("admin-b")), "{made:?}");
    assert_eq!(made.json()["comment"], "drill, ask [phone]");
    let listed = asked(&app, "GET", "/v1/silences", Value::Null).await.json()["silences"].clone();
    assert_eq!((&listed[0]["id"], listed.as_array().unwrap().len()), (&made.json()["id"], 1), "{listed}");
    alerted(&app, &of("B", "r1"), "suppressed").await;
    let end = async |made: &Answer| asked(&app, "DELETE", made.header("location").unwrap(), Value::Null).await.status;
    assert_eq!((end(&others).await, end(&made).await, end(&made).await), (404, 200, 404));
    alerted(&app, &of("B", "r2"), "delivered").await;
    alerted(&app, &of("A", "r3"), "suppressed").await;
}
