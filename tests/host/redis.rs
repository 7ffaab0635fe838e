//! The Redis trigger and outgoing Redis commands.

use std::time::Duration;

use crate::app::{App, Redis, options, until};

#[tokio::test]
async fn messages_of_one_address_are_handled_one_after_another() {
    let app = App::start().await;
    // Subscribed from the first moment on.
    assert_eq!(app.redis.publish("a", "log 1 100").await, 1);
    assert_eq!(app.redis.publish("b", "log 2 50").await, 1);
    assert_eq!(app.redis.publish("a", "log 3").await, 1);
    assert_eq!(app.redis.list("log", 6).await, ["1<", "1>", "2<", "2>", "3<", "3>"]);
}

#[tokio::test]
async fn another_spelling_of_the_address_does_not_wait() {
    let app = App::start().await;
    app.redis.publish("a", "slow 1 60000").await;
    app.redis.list("slow", 1).await;
    app.redis.publish("c", "fast 1").await;
    assert_eq!(app.redis.list("fast", 2).await, ["1<", "1>"]);
}

#[tokio::test]
async fn a_message_whose_handler_fails_is_gone_and_the_next_is_handled() {
    let app = App::start().await;
    for message in ["panic", "error", "log 1"] {
        app.redis.publish("a", message).await;
    }
    assert_eq!(app.redis.list("log", 2).await, ["1<", "1>"]);
}

#[tokio::test]
async fn replies_are_flat_and_commands_work() {
    let app = App::start().await;
    let seen = app.ask("/probe/redis", &[("x-address", &app.redis.url())]).await;
    let replies = r#"["1", "a", "2", "S", "nil"] Some([118]) 1 2 1 ["b"] 3"#;
    // The words of Spin 4.1.
    let error = "An error was signalled by the server - ResponseError: wrong number of arguments for 'get' command";
    let refusal = "FULL: no room";
    let expected = format!("{replies} Some(Error::Other({error:?})) Some(Error::Other({refusal:?}))");
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_host_hears_messages_again_when_redis_is_back() {
    let mut app = App::start().await;
    app.redis.kill();
    app.redis.restart();
    until(async || (app.redis.publish("a", "log 1").await > 0).then_some(())).await;
    assert_eq!(app.redis.list("log", 2).await, ["1<", "1>"]);
}

#[tokio::test]
async fn a_host_starts_without_redis_and_finds_it_later() {
    let mut redis = Redis::start();
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &redis, 1);
    redis.kill();
    let host = host::Host::start(options).await.unwrap();
    redis.restart();
    until(async || (redis.publish("a", "log 1").await > 0).then_some(())).await;
    assert_eq!(redis.list("log", 2).await, ["1<", "1>"]);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_waits_for_the_message_at_hand() {
    let app = App::start().await;
    app.redis.publish("a", "log 1 300").await;
    app.redis.publish("a", "log 2").await;
    app.redis.list("log", 1).await;
    tokio::time::timeout(Duration::from_secs(10), app.host.stop()).await.unwrap().unwrap();
    assert_eq!(app.redis.run::<Vec<String>>(&["LRANGE", "log", "0", "-1"]).await, ["1<", "1>"]);
}
