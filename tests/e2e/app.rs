//! A running Vigil with its own Redis, state folder and variables.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Once;
use std::time::{Duration, Instant};

use host::{Host, Options};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vigil::setup::redis::Server;

use crate::client::{Answer, Client};
use process::kill_group;

mod process;

/// The time that a test waits for something that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The components as machine code, which all hosts of the tests share.
const COMPILED: &str = "target/e2e-cache";
/// The signing secret of every route.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw0000000000o=";
/// The identity key with which every application begins.
pub(crate) const IDENTITY_KEY: &str = "aWRlbnRpdHkga2V5IGZvciB0ZXN0cyBvbmx5ICEhISE=";
/// Key of an administrator.
pub(crate) const ADMIN: &str = "key-of-the-administrator";
/// Key of a submitter of study A, any site.
pub(crate) const SUBMIT_A: &str = "key-of-a-submitter-of-a";
/// Key of a reader of study A, site 1.
pub(crate) const READ_A1: &str = "key-of-a-reader-of-a1";
/// Key of a reader of study B.
pub(crate) const READ_B: &str = "key-of-a-reader-of-b";
/// Key of a clinician of study A, site 1.
pub(crate) const CLINICIAN_A1: &str = "key-of-a-clinician-of-a1";
/// Key of a clinician of study A, site 2.
pub(crate) const CLINICIAN_A2: &str = "key-of-a-clinician-of-a2";
/// Key of an administrator of study B.
pub(crate) const ADMIN_B: &str = "key-of-the-administrator-of-b";

/// The options with which an application starts.
pub(crate) struct Builder {
    variables: BTreeMap<String, String>,
    own_process: bool,
    loud: bool,
    probed: bool,
    components: Vec<String>,
    /// Whether it has its Redis triggers.
    triggers: bool,
}

/// The process in which an application runs: this one, or its own.
enum Running {
    InProcess(Host),
    /// The `vigil` program, or a real `spin`.
    Process(Child),
    Stopped,
}

/// A running application.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) dir: PathBuf,
    redis_url: String,
    running: Running,
    builder: Builder,
    probe: Option<tokio::task::JoinHandle<()>>,
    // Held until the end; the folder is dropped last, when nothing writes to it any more.
    pub(crate) redis: Option<Server>,
    _folder: Option<TempDir>,
}

impl Builder {
    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Sends alerts of all severities to these URLs.
    pub(crate) fn routes(self, urls: &[&str]) -> Self {
        let receivers: Vec<Value> = urls.iter().map(|url| json!({"url": url, "secret": SECRET})).collect();
        let routes = json!({"critical": receivers, "high": receivers, "moderate": receivers, "info": receivers});
        self.variable("alert_routes", routes.to_string())
    }

    /// Runs in a process of its own, which can be killed.
    pub(crate) fn own_process(mut self) -> Self {
        self.own_process = true;
        self
    }

    /// Runs in a process that prints what a person would see, into `process.log`.
    pub(crate) fn loud(self) -> Self {
        Self { own_process: true, loud: true, ..self }
    }

    /// Probes its readiness again and again, as an orchestrator does.
    pub(crate) fn probed(mut self) -> Self {
        self.probed = true;
        self
    }

    /// Runs only these components.
    pub(crate) fn only(mut self, components: &[&str]) -> Self {
        self.components = components.iter().map(|&id| id.to_owned()).collect();
        self
    }

    /// For a test that ends Redis: a real Spin's triggers end it together with Redis, so there it runs without them.
    pub(crate) fn outliving_redis(mut self) -> Self {
        if !on_spin() {
            return self;
        }
        self.triggers = false;
        self.variable("replica", "")
            .only(&["submit", "records", "studies", "console", "ops", "alerts", "access", "web"])
    }

    /// Starts with a Redis and a folder of its own, and waits until it is ready.
    pub(crate) async fn start(self) -> App {
        let app = self.start_unready().await;
        app.ready().await;
        app
    }

    /// Starts with a Redis and a folder of its own, without waiting until it is ready.
    pub(crate) async fn start_unready(self) -> App {
        let folder = tempfile::tempdir().unwrap();
        let redis = Server::start(&folder.path().join("redis"), None).unwrap();
        let mut app = self.on(redis.url(), folder.path().to_owned());
        (app.redis, app._folder) = (Some(redis), Some(folder));
        app.start_unready().await;
        app
    }

    /// Starts beside another application, on its Redis and its store.
    pub(crate) async fn start_beside(self, other: &App) -> App {
        let mut app = self.on(other.redis_url.clone(), other.dir.clone());
        app.start_again().await;
        app
    }

    /// Starts beside another application, without waiting until it is ready.
    pub(crate) async fn start_unready_beside(self, other: &App) -> App {
        let mut app = self.on(other.redis_url.clone(), other.dir.clone());
        app.start_unready().await;
        app
    }

    fn on(self, redis_url: String, dir: PathBuf) -> App {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let builder = self;
        let probe = builder.probed.then(|| tokio::spawn(probe(address)));
        let running = Running::Stopped;
        App { address, dir, redis_url, running, builder, probe, redis: None, _folder: None }
    }
}

impl App {
    pub(crate) fn builder() -> Builder {
        let key = |id: &str, role: &str, study: &str, site: &str, key: &str| {
            let hash: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"id": id, "role": role, "study": study, "site": site, "sha256": hash})
        };
        let keys = json!([
            key("admin", "admin", "*", "*", ADMIN),
            key("submit-a", "submit", "A", "*", SUBMIT_A),
            key("read-a1", "read", "A", "1", READ_A1),
            key("read-b", "read", "B", "*", READ_B),
            key("clinician-a1", "clinician", "A", "1", CLINICIAN_A1),
            key("clinician-a2", "clinician", "A", "2", CLINICIAN_A2),
            key("admin-b", "admin", "B", "*", ADMIN_B),
        ]);
        let builder = Builder {
            variables: BTreeMap::new(),
            own_process: false,
            loud: false,
            probed: false,
            components: Vec::new(),
            triggers: true,
        };
        builder
            .variable("api_keys", keys.to_string())
            .variable("pseudonym_key", "cHNldWRvbnltIGtleSBmb3IgdGVzdHMgb25seSAhISE=")
            .variable("identity_key", IDENTITY_KEY)
            .variable("ai_grant", "http://127.0.0.1:*")
            .variable("oidc_grant", "http://127.0.0.1:*")
            .variable("receiver_networks", "127.0.0.0/8,::1")
            // Tests count entries, and check that the clock rests; the tests of the self-check turn it on.
            .variable("self_check_seconds", "0")
    }

    pub(crate) async fn start() -> App {
        App::builder().start().await
    }

    /// Starts an application again that was stopped or killed, at the same address, and waits until it is ready.
    pub(crate) async fn start_again(&mut self) {
        self.start_unready().await;
        self.ready().await;
    }

    /// Starts without waiting for anything.
    pub(crate) async fn start_unready(&mut self) {
        prepare();
        self.running = match spin() {
            Some(spin) => Running::Process(self.spin(Path::new(&spin))),
            None if self.builder.own_process => Running::Process(self.vigil()),
            None => Running::InProcess(self.host().await),
        };
    }

    /// Gives a variable another value from the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.builder.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Gives a variable the value of another builder, or its default, from the next start on.
    pub(crate) fn unset(&mut self, name: &str, other: &Builder) {
        match other.variables.get(name) {
            Some(value) => self.builder.variables.insert(name.to_owned(), value.clone()),
            None => self.builder.variables.remove(name),
        };
    }

    /// The address of its Redis.
    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Waits until `/readyz` gives the expected answer. Returns status and document.
    pub(crate) async fn readiness(&self, condition: impl Fn(u16, &Value) -> bool) -> (u16, Value) {
        until("readiness is as it should be", async || {
            let mut client = Client::connect(self.address).await.ok()?;
            let answer = client.send("GET", "/readyz", &[], "").await.ok()?;
            let document = answer.json();
            condition(answer.status, &document).then_some((answer.status, document))
        })
        .await
    }

    /// Runs all components from the next start on.
    pub(crate) fn run_all(&mut self) {
        self.builder.components.clear();
    }

    /// Recovers after Redis went away: Spin exits and its supervisor starts it again; our host reconnects by itself.
    pub(crate) async fn recover(&mut self) {
        if let Running::Process(child) = &mut self.running
            && on_spin()
        {
            // The triggers notice a moment later that Redis is gone.
            let deadline = Instant::now() + SOON;
            while child.try_wait().unwrap().is_none() {
                assert!(Instant::now() < deadline, "Spin did not end with Redis");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.start_again().await;
        }
        self.ready().await;
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.builder.variables.clone();
        variables.insert("redis_url".to_owned(), self.redis_url.clone());
        variables
    }

    /// Starts the host. Between two starts, another test's connection may have taken the port, so it retries.
    async fn host(&self) -> Host {
        let deadline = Instant::now() + SOON;
        loop {
            match Host::start(self.options()).await {
                Ok(host) => return host,
                Err(error) => assert!(Instant::now() < deadline, "the host does not start: {error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn options(&self) -> Options {
        let mut options = Options::new(spin_toml());
        options.listen = self.address;
        options.state_dir = self.dir.clone();
        options.variables = self.variables();
        options.components = self.builder.components.clone();
        options.quiet = true;
        options.log_dir = Some(self.dir.join("logs"));
        options.cache_dir = root().join(COMPILED);
        options
    }

    /// Waits until the application says that it is ready; this also wakes waiting work.
    pub(crate) async fn ready(&self) {
        // Spin's triggers are separate processes: when HTTP answers, the workers may not listen yet.
        until("the workers listen", async || {
            let client = redis::Client::open(self.redis_url.as_str()).ok()?;
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            let runs = |id: &str| self.builder.components.is_empty() || self.builder.components.iter().any(|c| c == id);
            for worker in ["score", "dispatch", "clock", "imaging"].into_iter().filter(|id| runs(id)) {
                let mut ask = redis::cmd("PUBSUB");
                ask.arg("NUMSUB").arg(format!("vigil.{worker}"));
                let (_, listeners): (String, usize) = ask.query_async(&mut connection).await.ok()?;
                (listeners > 0).then_some(())?;
            }
            Some(())
        })
        .await;
        until("the application is ready", async || {
            let mut client = Client::connect(self.address).await.ok()?;
            let answer = client.send("GET", "/readyz", &[], "").await.ok()?;
            // A subset without `records` has no path that could answer this.
            matches!(answer.status, 200 | 404).then_some(())
        })
        .await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }

    /// Sends one request with the administrator's key.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_as(ADMIN, method, path, body).await
    }

    /// Sends one request with a key.
    pub(crate) async fn send_as(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client().await.send(method, path, &headers, body).await.unwrap()
    }

    /// Sends a PHQ-9 response and returns its location.
    pub(crate) async fn submit(&self, response: &Value) -> String {
        let answer = self.send("POST", PHQ9, response).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// The submission at a location, once `condition` holds.
    pub(crate) async fn shown(&self, location: &str, condition: impl Fn(&Value) -> bool) -> Value {
        until("the submission is as it should be", async || {
            let answer = self.send("GET", location, &Value::Null).await;
            (answer.status == 200).then(|| answer.json()).filter(|shown| condition(shown))
        })
        .await
    }

    /// The submission at a location, once it is scored.
    pub(crate) async fn scored(&self, location: &str) -> Value {
        self.shown(location, |shown| shown["state"] == "scored").await
    }

    /// Runs one Redis command.
    pub(crate) async fn redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }

    /// The number of entries that wait on the queues, for their time, or for a worker that has reserved them. One
    /// script reads all, because work moves between them. Critical alerts that nobody acknowledged wait for ever and do
    /// not count.
    pub(crate) async fn work_left(&self) -> usize {
        let script = "local left = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) \
                      for _, work in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do \
                      if not string.find(work, '\"do\":\"escalate\"', 1, true) then left = left + 1 end end \
                      return left + #redis.call('KEYS', '{vigil}:holder:*')";
        self.redis(&["EVAL", script, "3", "{vigil}:q:score", "{vigil}:q:dispatch", "{vigil}:due"]).await
    }

    /// Every file that Redis, the store and the logs have written: names and contents. The compiled components are behind a
    /// link.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.dir.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let (path, is) = (entry.path(), entry.file_type().unwrap());
                if is.is_dir() {
                    folders.push(path);
                } else if is.is_file() {
                    files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
                }
            }
        }
        files
    }

    /// The value under a key of the key-value store.
    pub(crate) fn stored(&self, key: &str) -> Option<Vec<u8>> {
        let store = rusqlite::Connection::open(self.dir.join("sqlite_key_value.db")).unwrap();
        let mut query = store.prepare("SELECT value FROM spin_key_value WHERE store='default' AND key=?1").unwrap();
        query.query_row([key], |row| row.get(0)).ok()
    }

    /// The keys of the store with a prefix.
    pub(crate) fn stored_keys(&self, prefix: &str) -> Vec<String> {
        let store = rusqlite::Connection::open(self.dir.join("sqlite_key_value.db")).unwrap();
        let mut query = store.prepare("SELECT key FROM spin_key_value WHERE key GLOB ?1 || '*' ORDER BY key").unwrap();
        query.query_map([prefix], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(probe) = &self.probe {
            probe.abort();
        }
        if let Running::Process(child) = &mut self.running {
            kill_group(child, "KILL");
        }
    }
}

async fn probe(address: SocketAddr) {
    loop {
        if let Ok(mut client) = Client::connect(address).await {
            let _ = client.send("GET", "/readyz", &[], "").await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The path for PHQ-9 responses.
pub(crate) const PHQ9: &str = "/v1/surveys/phq-9/responses";

/// A PHQ-9 response of study A, site 1, with these answers to its nine items.
pub(crate) fn phq9(id: &str, answers: [u8; 9]) -> Value {
    let answers: BTreeMap<String, u8> = (1..).map(|item| format!("q{item}")).zip(answers).collect();
    json!({
        "responseId": id, "studyId": "A", "siteId": "1", "patientId": format!("patient of {id}"),
        "authoredAt": "2026-03-01T08:00:00+08:00", "answers": answers,
    })
}

/// Polls until there is an answer.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn spin_toml() -> PathBuf {
    root().join("spin.toml")
}

/// Whether the tests run on a real Spin.
pub(crate) fn on_spin() -> bool {
    spin().is_some()
}

fn spin() -> Option<std::ffi::OsString> {
    std::env::var_os("SPIN").filter(|spin| !spin.is_empty())
}

/// Builds the functions, once per run.
fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| vigil::setup::prepare(&spin_toml(), &|step| eprintln!("{step}")).unwrap());
}

/// The operator's program, built once per run: cargo tells tests the paths of their own package's programs only.
pub(crate) fn vigilctl() -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let built =
            std::process::Command::new(env!("CARGO")).args(["build", "-p", "vigilctl"]).current_dir(root()).status();
        assert!(built.unwrap().success());
    });
    let beside = Path::new(env!("CARGO_BIN_EXE_vigil")).with_file_name("vigilctl");
    assert!(beside.is_file(), "{}", beside.display());
    beside
}
