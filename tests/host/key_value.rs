//! The key-value store behind its two interfaces.

use crate::app::{App, options};

#[tokio::test]
async fn both_interfaces_see_one_store() {
    let app = App::start().await;
    let many = r#"[("many/1", Some([1])), ("one", Some([49]))]"#;
    let expected = format!(r#"{many} Some([50]) 1001 (false, true) ["one"]"#);
    assert_eq!(app.ask("/probe/kv", &[]).await, expected);
}

#[tokio::test]
async fn a_second_host_shares_the_store() {
    let app = App::start().await;
    app.ask("/probe/kv", &[]).await;
    let host = host::Host::start(options(app.folder.path(), &app.redis, 1)).await.unwrap();
    let second = App { host, ..app };
    assert_eq!(second.ask("/probe/kv-get", &[("x-key", "one")]).await, "Some([49])");
    assert_eq!(second.ask("/probe/kv-get", &[("x-key", "none")]).await, "None");
}
