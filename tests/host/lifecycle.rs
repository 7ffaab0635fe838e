//! The start, the stop, and the output of components.

use host::Host;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::app::{App, Redis, options, request, until};

#[tokio::test]
async fn stopping_finishes_requests_and_takes_no_more() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let App { host, redis: _redis, folder: _folder } = App::start_with(port).await;
    let address = host.address();
    let asked = tokio::spawn(async move {
        let url = format!("http://127.0.0.1:{port}/");
        request(address, "/probe/fetch", &[("x-url", url.as_str())]).await
    });
    // The component is in the middle of a call, so its request is still running.
    let (mut call, _) = receiver.accept().await.unwrap();
    let mut stopping = tokio::spawn(host.stop());
    until(async || TcpStream::connect(address).await.is_err().then_some(())).await;
    assert!(futures::poll!(&mut stopping).is_pending());
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").await.unwrap();
    assert_eq!(asked.await.unwrap(), (200, "200 late".to_owned()));
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn missing_variables_and_unknown_components_stop_the_start() {
    let redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let mut without = options(folder.path(), &redis, 1);
    without.variables.clear();
    let error = Host::start(without).await.err().unwrap().to_string();
    let missing =
        ["port (SPIN_VARIABLE_PORT)", "redis_grant (SPIN_VARIABLE_REDIS_GRANT)", "redis_url (SPIN_VARIABLE_REDIS_URL)"];
    assert!(error.contains(&missing.join(", ")), "{error}");

    let mut unknown = options(folder.path(), &redis, 1);
    unknown.components = vec!["nobody".to_owned()];
    let error = Host::start(unknown).await.err().unwrap().to_string();
    assert!(error.contains("nobody"), "{error}");
}

#[tokio::test]
async fn a_subset_of_the_components_leaves_the_other_routes_out() {
    let redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let mut subset = options(folder.path(), &redis, 1);
    subset.components = vec!["floor".to_owned()];
    let app = App { host: Host::start(subset).await.unwrap(), redis, folder };
    assert_eq!(app.request("/bare", &[]).await.0, 202);
    assert_eq!(app.request("/probe/echo", &[]).await.0, 404);
    assert_eq!(app.redis.publish("a", "log 1").await, 0);
}

#[tokio::test]
async fn what_a_component_prints_is_kept() {
    let redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let mut logged = options(folder.path(), &redis, 1);
    let logs = folder.path().join("logs");
    logged.log_dir = Some(logs.clone());
    let app = App { host: Host::start(logged).await.unwrap(), redis, folder };
    app.ask("/probe/log", &[]).await;
    app.host.stop().await.unwrap();
    assert_eq!(std::fs::read_to_string(logs.join("probe_stdout.txt")).unwrap(), "to stdout\n");
    assert_eq!(std::fs::read_to_string(logs.join("probe_stderr.txt")).unwrap(), "to stderr, in two parts\n");
}
