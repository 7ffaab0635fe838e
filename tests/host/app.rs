//! An application made of the fixtures, and the servers around it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use host::{Host, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vigil::setup::redis::Server;

/// The time that a test waits for something that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Two components of the probe, one with grants and one without, and the floor.
const SPIN_TOML: &str = r#"
spin_manifest_version = 2
[application]
name = "fixtures"

[variables]
redis_url = { required = true }
redis_grant = { required = true }
port = { required = true }
word = { default = "default" }

[[trigger.http]]
route = "/probe/..."
component = "probe"
[[trigger.http]]
route = "/named/:first-name/:second"
component = "probe"
[[trigger.http]]
route = "/.well-known/..."
component = "ungranted"
[[trigger.http]]
route = "/ungranted/..."
component = "ungranted"
[[trigger.http]]
route = "/floor"
component = "floor"
[[trigger.http]]
route = "/bare"
component = "floor"

[[trigger.redis]]
address = "{{ redis_url }}"
channel = "a"
component = "probe"
[[trigger.redis]]
address = "{{ redis_url }}"
channel = "b"
component = "probe"
[[trigger.redis]]
address = "{{ redis_url }}/"
channel = "c"
component = "probe"

[component.probe]
source = "PROBE"
allowed_outbound_hosts = ["{{ redis_grant }}", "http://127.0.0.1:{{ port }}"]
key_value_stores = ["default"]
variables = { redis_url = "{{ redis_url }}", word = "<{{ word }}>" }

[component.ungranted]
source = "PROBE"

[component.floor]
source = "FLOOR"
allowed_outbound_hosts = ["{{ redis_grant }}"]
variables = { redis_url = "{{ redis_url }}" }
"#;

/// A running application with a Redis server of its own.
pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) redis: Redis,
    pub(crate) folder: TempDir,
}

impl App {
    /// Starts one whose only outgoing call may go to `receiver`.
    pub(crate) async fn start_with(receiver: u16) -> Self {
        let redis = Redis::start();
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(options(folder.path(), &redis, receiver)).await.unwrap();
        Self { host, redis, folder }
    }

    /// Starts one that makes no outgoing calls.
    pub(crate) async fn start() -> Self {
        Self::start_with(1).await
    }

    /// Sends a request and returns the body of a 200.
    pub(crate) async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let (status, body) = self.request(path, headers).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Sends a request and returns status and body.
    pub(crate) async fn request(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        request(self.host.address(), path, headers).await
    }
}

/// Sends a request to an application and returns status and body.
pub(crate) async fn request(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path} got {answer:?}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// The options of an application in a folder.
pub(crate) fn options(folder: &Path, redis: &Redis, receiver: u16) -> Options {
    let components = fixtures();
    let spin_toml = folder.join("spin.toml");
    let text = SPIN_TOML
        .replace("PROBE", components.join("probe.wasm").to_str().unwrap())
        .replace("FLOOR", components.join("floor.wasm").to_str().unwrap());
    std::fs::write(&spin_toml, text).unwrap();
    let mut options = Options::new(spin_toml);
    options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    options.quiet = true;
    options.cache_dir = components.join("cache");
    options.variables.insert("redis_url".to_owned(), redis.url());
    options.variables.insert("redis_grant".to_owned(), format!("redis://127.0.0.1:{}", redis.server.port()));
    options.variables.insert("port".to_owned(), receiver.to_string());
    options
}

/// Builds the fixtures once and returns their folder.
fn fixtures() -> PathBuf {
    static BUILT: Once = Once::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    BUILT.call_once(|| {
        for package in ["floor", "probe"] {
            let build = ["function", "--quiet", "-p", package];
            let built = Command::new(env!("CARGO")).args(build).current_dir(root).status().expect("cargo runs");
            assert!(
                built.success(),
                "the fixtures do not build; `rustup target add wasm32-wasip2` if the target is missing"
            );
        }
    });
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    target.join("wasm32-wasip2/release")
}

/// A Redis server that ends with its owner.
pub(crate) struct Redis {
    server: Server,
    // Held until the end, when the server no longer writes to it.
    _folder: TempDir,
}

impl Redis {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Server::start(folder.path(), None).unwrap(), _folder: folder }
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.server.restart().unwrap();
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Runs one command.
    pub(crate) async fn run<T: ::redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = ::redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        ::redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }

    /// Publishes a message and returns the number of its listeners.
    pub(crate) async fn publish(&self, channel: &str, message: &str) -> u32 {
        self.run(&["PUBLISH", channel, message]).await
    }

    /// The list under a key, once it has this many entries.
    pub(crate) async fn list(&self, key: &str, length: usize) -> Vec<String> {
        until(async || {
            let list: Vec<String> = self.run(&["LRANGE", key, "0", "-1"]).await;
            (list.len() >= length).then_some(list)
        })
        .await
    }
}

/// Polls until there is an answer.
pub(crate) async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
