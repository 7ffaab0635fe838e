//! Outgoing calls of components.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::app::{App, SOON};

/// A receiver, and the application that may call it.
async fn receiver() -> (App, TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (App::start_with(port).await, listener, format!("http://127.0.0.1:{port}/path?query"))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut call, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    let mut head = vec![0; 4096];
    let length = call.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(head.starts_with("GET /path?query HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: 127.0.0.1:"), "{head}");
    call
}

/// Waits until the caller has closed the connection.
async fn closed(mut call: TcpStream) {
    let mut rest = Vec::new();
    // A reset is a close too.
    _ = timeout(SOON, call.read_to_end(&mut rest)).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_answer_comes_back() {
    let (app, listener, url) = receiver().await;
    let answer = async {
        let mut call = accept(&listener).await;
        call.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        closed(call).await;
    };
    let headers = [("x-url", url.as_str())];
    let (seen, ()) = futures::future::join(app.ask("/probe/fetch", &headers), answer).await;
    assert_eq!(seen, "201 hello");
}

#[tokio::test]
async fn a_call_that_is_dropped_closes_its_connection() {
    let (app, listener, url) = receiver().await;
    let silent = async {
        let call = accept(&listener).await;
        let since = Instant::now();
        closed(call).await;
        since.elapsed()
    };
    let headers = [("x-url", url.as_str()), ("x-drop-ms", "200")];
    let (seen, after) = futures::future::join(app.ask("/probe/fetch-drop", &headers), silent).await;
    assert_eq!(seen, "dropped");
    // The instance lives on for a second after its last request: the close came from the drop.
    assert!(after < Duration::from_millis(900), "{after:?}");
}

#[tokio::test]
async fn a_silent_receiver_meets_the_time_limit() {
    let (app, listener, url) = receiver().await;
    let silent = async { closed(accept(&listener).await).await };
    let headers = [("x-url", url.as_str()), ("x-timeout-ms", "100")];
    let (seen, ()) = futures::future::join(app.ask("/probe/fetch", &headers), silent).await;
    assert!(seen.contains("ConnectionReadTimeout"), "{seen}");
}

#[tokio::test]
async fn a_receiver_that_stops_halfway_meets_the_time_limit() {
    let (app, listener, url) = receiver().await;
    let halfway = async {
        let mut call = accept(&listener).await;
        call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await.unwrap();
        closed(call).await;
    };
    let headers = [("x-url", url.as_str()), ("x-timeout-ms", "100")];
    let (seen, ()) = futures::future::join(app.ask("/probe/fetch", &headers), halfway).await;
    assert!(seen.contains("ConnectionReadTimeout"), "{seen}");
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let (app, listener, url) = receiver().await;
    drop(listener);
    let seen = app.ask("/probe/fetch", &[("x-url", &url)]).await;
    assert!(seen.contains("ConnectionRefused"), "{seen}");
}

#[tokio::test]
async fn two_calls_and_a_timer_run_at_the_same_time() {
    let (app, listener, url) = receiver().await;
    let both = async {
        // Neither call is answered before both have arrived.
        let mut calls = [accept(&listener).await, accept(&listener).await];
        for call in &mut calls {
            call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
        }
    };
    let headers = [("x-url", url.as_str())];
    let (seen, ()) = futures::future::join(app.ask("/probe/concurrent", &headers), both).await;
    assert_eq!(seen, "200 x 200 x");
}
