//! A person's account is withdrawn in the middle of a burst: nobody is admitted later than a second afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{App, until};
use crate::client::Client;
use crate::issuer::Issuer;
use crate::sessions::{grant, signed_in};

/// The requests of a connection that goes on for more than a second after its first refusal, and until it was refused so
/// many times: when each was sent, and its status.
async fn burst(
    address: std::net::SocketAddr,
    secret: String,
    path: &str,
    admitted: Arc<AtomicUsize>,
) -> Vec<(Instant, u16)> {
    const REFUSED: usize = 50;
    let authorization = format!("Bearer {secret}");
    let mut client = Client::connect(address).await.unwrap();
    let (mut all, mut refused, mut first) = (Vec::new(), 0, None::<Instant>);
    while refused < REFUSED || first.is_some_and(|first| first.elapsed() < Duration::from_millis(1200)) {
        let sent = Instant::now();
        let answer = client.send("GET", path, &[("authorization", authorization.as_str())], "").await.unwrap();
        match answer.status {
            200 => _ = admitted.fetch_add(1, Ordering::Relaxed),
            401 => {
                refused += 1;
                first.get_or_insert(sent);
            }
            _ => panic!("{answer:?}"),
        }
        all.push((sent, answer.status));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_withdrawn_in_a_burst_is_refused_within_a_second_by_every_host() {
    const CONNECTIONS: usize = 4;
    let issuer = Issuer::start().await;
    let builder = || App::builder().variable("oidc", issuer.variable());
    let app = builder().start().await;
    grant(&app, &issuer).await;
    let other = builder().start_beside(&app).await;
    let session = signed_in(&app, &issuer, "chen", &["nurses"]).await;
    let bystander = signed_in(&app, &issuer, "li", &["nurses"]).await;
    let secret = session["secret"].as_str().unwrap();

    let counts = [Arc::<AtomicUsize>::default(), Arc::default()];
    let mut bursts = Vec::new();
    for (host, admitted) in [&app, &other].into_iter().zip(&counts) {
        for connection in 0..CONNECTIONS {
            // Of several components, each of which has instances of its own.
            let path = ["/v1/whoami", "/v1/alerts", "/v1/studies/A/submissions", "/v1/alerts?limit=1"][connection % 4];
            bursts.push(tokio::spawn(burst(host.address, secret.to_owned(), path, Arc::clone(admitted))));
        }
    }
    until("the burst runs at both hosts", async || {
        counts.iter().all(|admitted| admitted.load(Ordering::Relaxed) > 100).then_some(())
    })
    .await;
    let body = json!({"issuer": issuer.url(), "subject": "chen", "reason": "left the hospital"});
    let ended = app.send("DELETE", "/v1/sessions", &body).await;
    let at = Instant::now();
    assert_eq!((ended.status, &ended.json()["ended"]), (200, &json!(1)), "{ended:?}");

    let (mut late, mut meanwhile) = (Duration::ZERO, 0);
    for burst in bursts {
        let all = burst.await.unwrap();
        for (sent, _) in all.iter().filter(|(sent, status)| *status == 200 && *sent > at) {
            late = late.max(sent.duration_since(at));
            meanwhile += 1;
        }
        let second = at + Duration::from_secs(1);
        assert!(all.iter().any(|(sent, _)| *sent > second), "it went on for longer than a second");
        assert!(all.iter().all(|(sent, status)| *sent <= second || *status == 401), "admitted after a second");
    }
    eprintln!("{meanwhile} were admitted in the first {late:?}");
    for host in [&app, &other] {
        let status = async |secret: &Value| {
            host.send_as(secret.as_str().unwrap(), "GET", "/v1/whoami", &Value::Null).await.status
        };
        assert_eq!((status(&session["secret"]).await, status(&bystander["secret"]).await), (401, 200));
    }
}
