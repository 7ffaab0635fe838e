//! A component that misbehaves harms only itself.

use std::time::Duration;

use crate::app::App;

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_answered() {
    let app = App::start().await;
    assert_eq!(app.request("/probe/panic", &[]).await.0, 500);
    assert_eq!(app.ask("/probe/echo", &[]).await, "");
}

#[tokio::test]
async fn a_component_cannot_take_all_memory() {
    let app = App::start().await;
    assert_eq!(app.request("/probe/hog", &[]).await.0, 500);
    assert_eq!(app.ask("/probe/echo", &[]).await, "");
}

#[tokio::test]
async fn an_endless_loop_is_stopped_and_holds_nobody_up() {
    let app = App::start().await;
    // This test has one worker thread, and the loop yields it often enough for all other requests.
    let others = async {
        for _ in 0..20 {
            assert_eq!(app.request("/bare", &[]).await.0, 202);
        }
    };
    let (looped, ()) = futures::future::join(app.request("/probe/loop", &[]), others).await;
    assert_eq!(looped.0, 500);
}

#[tokio::test]
async fn a_message_whose_handler_never_ends_is_stopped() {
    let app = App::start().await;
    app.redis.publish("a", "loop").await;
    app.redis.publish("a", "log 1").await;
    assert_eq!(app.redis.list("log", 2).await, ["1<", "1>"]);
}

#[tokio::test]
async fn waiting_is_not_computing() {
    let app = App::start().await;
    // Longer than a component may compute.
    let waited = Duration::from_secs(11).as_millis().to_string();
    assert_eq!(app.ask("/probe/sleep", &[("x-ms", &waited)]).await, "slept");
}
