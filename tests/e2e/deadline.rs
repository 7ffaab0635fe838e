//! A dependency hangs: every request is answered by its deadline, however many wait in one instance.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::app::{ADMIN, App, PHQ9, phq9};
use crate::client::Client;

/// Sends a response with this time limit in milliseconds, and returns the status and the duration.
async fn send(mut client: Client, number: usize, allowed_ms: u64) -> (u16, Duration) {
    let (authorization, allowed) = (format!("Bearer {ADMIN}"), allowed_ms.to_string());
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("x-request-timeout-ms", allowed.as_str()),
    ];
    let (body, began) = (phq9(&number.to_string(), [0; 9]).to_string(), Instant::now());
    let answer = client.send("POST", PHQ9, &headers, body).await.unwrap();
    assert!(answer.status == 202 || answer.header("retry-after").is_some(), "{answer:?}");
    (answer.status, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_requests_that_wait_together_ends_at_its_own_deadline() {
    const WAITING: usize = 48;
    let app = App::builder().only(&["submit"]).start().await;
    assert_eq!(send(app.client().await, WAITING, 2000).await.0, 202);
    let _: String = app.redis(&["CLIENT", "PAUSE", "8000", "ALL"]).await;

    // The first callers leave again, together with everything that they had set up for the others.
    let mut clients = Vec::new();
    for _ in 0..WAITING {
        clients.push(app.client().await);
    }
    let leaving: Vec<_> = (0..4).map(|number| (app.address, 1000 + number)).collect();
    let leaving: Vec<_> = leaving
        .into_iter()
        .map(|(address, number)| {
            tokio::spawn(async move { send(Client::connect(address).await.unwrap(), number, 2000).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiting = join_all(clients.into_iter().enumerate().map(|(number, client)| async move {
        let allowed = [60, 300, 700, 1300, 2000][number % 5];
        (allowed, send(client, number, allowed).await)
    }));
    let leave = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        leaving.iter().for_each(|sender| sender.abort());
    };
    let (answers, ()) = futures::future::join(waiting, leave).await;
    for (allowed, (status, took)) in answers {
        let allowed = Duration::from_millis(allowed);
        assert_eq!(status, 503, "after {took:?}");
        assert!(took >= allowed && took < allowed + Duration::from_secs(2), "{allowed:?} were given, {took:?} taken");
    }
}
