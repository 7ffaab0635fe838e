//! Everything that spin.toml does not grant is refused.

use crate::app::App;

#[tokio::test]
async fn a_store_that_is_not_granted_is_denied() {
    let app = App::start().await;
    let denied = "Some(Error::AccessDenied) Some(Error::AccessDenied)";
    assert_eq!(app.ask("/ungranted/kv-denied", &[("x-label", "default")]).await, denied);
    assert_eq!(app.ask("/probe/kv-denied", &[("x-label", "other")]).await, denied);
    assert_eq!(app.ask("/probe/kv-denied", &[("x-label", "default")]).await, "None None");
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_refused() {
    let app = App::start().await;
    let answer = app.ask("/probe/fetch", &[("x-url", "http://127.0.0.1:2/")]).await;
    assert!(answer.contains("HttpRequestDenied"), "{answer}");
    let answer = app.ask("/probe/redis-open", &[("x-address", "redis://127.0.0.1:2")]).await;
    assert_eq!(answer, "Some(Error::InvalidAddress)");
    let answer = app.ask("/probe/redis-open", &[("x-address", &app.redis.url())]).await;
    assert_eq!(answer, "None");
}

#[tokio::test]
async fn a_component_reads_its_own_variables_only() {
    let app = App::start().await;
    let answer = app.ask("/probe/variable", &[("x-name", "word")]).await;
    assert_eq!(answer, r#"Ok("<default>") Ok(Some("<default>"))"#);
    let answer = app.ask("/probe/variable", &[("x-name", "port")]).await;
    assert!(answer.starts_with("Err(Error::Undefined("), "{answer}");
    assert!(answer.ends_with("Ok(None)"), "{answer}");
    let answer = app.ask("/probe/variable", &[("x-name", "Not-A-Name")]).await;
    assert!(answer.starts_with("Err(Error::InvalidName("), "{answer}");
}
