//! Requests, routes and the headers that the host adds.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::App;

#[tokio::test]
async fn a_path_without_a_route_is_not_found() {
    let app = App::start().await;
    assert_eq!(app.request("/", &[]).await, (404, String::new()));
}

#[tokio::test]
async fn the_host_keeps_its_own_paths_to_itself() {
    let app = App::start().await;
    assert_eq!(app.request("/.well-known/spin/health", &[]).await, (200, String::new()));
    assert_eq!(app.request("/.well-known/spin/other", &[]).await.0, 404);
    assert_eq!(app.ask("/.well-known/other", &[]).await, "error: the probe does not know other");
}

#[tokio::test]
async fn the_host_adds_its_headers_and_takes_pretended_ones_away() {
    let app = App::start().await;
    let pretended = [
        ("spin-client-addr", "pretended"),
        ("spin-path-info", "pretended"),
        ("spin-path-match-other", "pretended"),
        ("spin-full-url", "pretended"),
        ("x-mine", "kept"),
    ];
    let seen = app.ask("/probe/headers?a=b", &pretended).await;
    for expected in [
        "host: \"test\"",
        "spin-base-path: \"/\"",
        "spin-component-route: \"/probe\"",
        "spin-full-url: \"http://test/probe/headers?a=b\"",
        "spin-matched-route: \"/probe/...\"",
        "spin-path-info: \"/headers\"",
        "spin-raw-component-route: \"/probe/...\"",
        "spin-client-addr: \"127.0.0.1:",
        "x-mine: \"kept\"",
    ] {
        assert!(seen.contains(expected), "{expected} in {seen}");
    }
    assert!(!seen.contains("pretended"), "{seen}");
}

#[tokio::test]
async fn parameters_of_the_route_become_headers() {
    let app = App::start().await;
    let seen = app.ask("/named/a%20b/c", &[]).await;
    for expected in [
        "spin-matched-route: \"/named/:first-name/:second\"",
        "spin-path-info: \"\"",
        "spin-path-match-first-name: \"a%20b\"",
        "spin-path-match-second: \"c\"",
    ] {
        assert!(seen.contains(expected), "{expected} in {seen}");
    }
    let seen = app.ask("/probe/headers", &[]).await;
    assert!(!seen.contains("spin-path-match"), "{seen}");
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let app = App::start().await;
    let mut connection = TcpStream::connect(app.host.address()).await.unwrap();
    for i in 0..300 {
        connection.write_all(b"POST /bare HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let length = connection.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 202"), "request {i}");
    }
}

#[tokio::test]
async fn a_body_arrives_whole() {
    let app = App::start().await;
    let body = "0123456789abcdef".repeat(20_000);
    let mut connection = TcpStream::connect(app.host.address()).await.unwrap();
    let head = format!(
        "POST /probe/echo HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&body));
}

#[tokio::test]
async fn the_floor_appends_one_entry_per_request() {
    let app = App::start().await;
    for _ in 0..3 {
        assert_eq!(app.request("/floor", &[]).await, (202, String::new()));
    }
    assert_eq!(app.redis.run::<u32>(&["XLEN", "{floor}:q"]).await, 3);
}
