//! The system under test: a Redis that keeps everything on disk, and the application with the floor beside it.
//!
//! The application runs in a process of its own, which is this program again. So the work and memory of the load are
//! not counted as the host's, and the system schedules both like a server and its clients. It is the host of
//! `cargo run`, without its readiness probes and its build.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use host::{Host, Options};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vigil::setup::redis::Server;

/// The argument that makes this program a host.
pub(crate) const HOST: &str = "serve-one-host";
/// The administrator's key.
pub(crate) const KEY: &str = "key-of-the-administrator";
/// The key of the clinicians of the only site.
pub(crate) const CLINICIAN: &str = "key-of-a-clinician";

/// The signing secret of the receiver.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw0000000000o=";
/// An addition to spin.toml: the floor and the gauge, at paths of their own.
const FLOOR: &str = r#"
[[trigger.http]]
route = "/floor"
component = "floor"
[component.floor]
source = "target/wasm32-wasip2/release/floor.wasm"
allowed_outbound_hosts = ["{{ redis_grant }}"]
[component.floor.variables]
redis_url = "{{ redis_url }}"
[[trigger.http]]
route = "/gauge"
component = "gauge"
[component.gauge]
source = "target/wasm32-wasip2/release/gauge.wasm"
key_value_stores = ["default"]
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the functions, the floor and the gauge.
pub(crate) fn build() -> Result<()> {
    vigil::setup::prepare(&root().join("spin.toml"), &|step| eprintln!("{step}"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for package in ["floor", "gauge"] {
        let status = Command::new(&cargo).args(["function", "-p", package]).current_dir(root()).status()?;
        ensure!(status.success(), "{package} cannot be built");
    }
    Ok(())
}

/// The ids of the application's components, each with the bytes of its WebAssembly.
pub(crate) fn sizes() -> Result<Vec<(String, u64)>> {
    let manifest = host::manifest::Manifest::load(root().join("spin.toml"))?;
    let sized = manifest.components.into_iter();
    sized.map(|(id, component)| Ok((id, std::fs::metadata(component.source)?.len()))).collect()
}

/// A Redis and a folder, for the hosts that a benchmark runs.
pub(crate) struct Ground {
    redis: Server,
    folder: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Server::start(&folder.path().join("redis"), None)?;
        let ground = Ground { redis, folder };
        // A rewrite of the log would slow one slice and not the one that it is compared with.
        redis::cmd("CONFIG").arg(&["SET", "auto-aof-rewrite-percentage", "0"]).exec(&mut ground.redis()?)?;
        let text = std::fs::read_to_string(root().join("spin.toml"))? + FLOOR;
        let absolute = format!("source = \"{}/target/", root().display());
        std::fs::write(ground.spin_toml(), text.replace("source = \"target/", &absolute))?;
        Ok(ground)
    }

    pub(crate) fn redis(&self) -> Result<redis::Connection> {
        Ok(redis::Client::open(self.redis.url())?.get_connection()?)
    }

    pub(crate) fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// The folder of all data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn spin_toml(&self) -> PathBuf {
        self.folder.path().join("spin.toml")
    }

    /// Starts a host with these components; with all if the list is empty. Alerts go to `receiver`.
    pub(crate) fn start(&self, components: &[&str], receiver: Option<SocketAddr>) -> Result<Process> {
        self.start_with(components, receiver, &[])
    }

    /// Like `start`, with more variables.
    pub(crate) fn start_with(
        &self,
        components: &[&str],
        receiver: Option<SocketAddr>,
        more: &[(&str, String)],
    ) -> Result<Process> {
        let hash = |key: &str| -> String { Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect() };
        let keys = json!([
            {"id": "admin", "role": "admin", "study": "*", "site": "*", "sha256": hash(KEY)},
            {"id": "clinician", "role": "clinician", "study": "TRIAL-7", "site": "S-01", "sha256": hash(CLINICIAN)},
        ]);
        let receivers: Vec<Value> =
            receiver.iter().map(|at| json!({"url": format!("http://{at}/"), "secret": SECRET})).collect();
        let mut order = json!({
            "spinToml": self.spin_toml(),
            "stateDir": self.folder.path(),
            "components": components,
            "variables": {
                "redis_url": self.redis.url(),
                "api_keys": keys.to_string(),
                "pseudonym_key": "cHNldWRvbnltIGtleSBmb3IgdGVzdHMgb25seSAhISE=",
                "identity_key": "aWRlbnRpdHkga2V5IGZvciB0ZXN0cyBvbmx5ICEhISE=",
                "alert_routes": json!({"critical": receivers}).to_string(),
                "queue_capacity": "100000000",
                "queue_capacity_per_key": "100000000",
            },
        });
        for (name, value) in more {
            order["variables"][name] = json!(value);
        }
        match std::env::var_os("SPIN").filter(|spin| !spin.is_empty()) {
            Some(spin) => Process::spin(Command::new(spin), &order),
            None => Process::start(&order),
        }
    }
}

/// A host in a process of its own, which ends with this program.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    fn start(order: &Value) -> Result<Self> {
        let mut process = Process::piped(Command::new(std::env::current_exe()?).arg(HOST))?;
        writeln!(process.stdin.as_mut().context("no pipe to the host")?, "{order}")?;
        process.listening()
    }

    /// Starts a real Spin, and waits until it listens.
    fn spin(mut command: Command, order: &Value) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let text = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
        command.args(["up", "--quiet", "--listen", &address.to_string()]);
        command.args(["--from", &text("spinToml"), "--state-dir", &text("stateDir")]).env("OTEL_SDK_DISABLED", "1");
        for (name, value) in order["variables"].as_object().into_iter().flatten() {
            command.args(["--variable", &format!("{name}={}", value.as_str().unwrap_or_default())]);
        }
        for component in order["components"].as_array().into_iter().flatten() {
            command.args(["--component-id", component.as_str().unwrap_or_default()]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            ensure!(child.try_wait()?.is_none() && Instant::now() < deadline, "Spin does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Process { address, child, stdin: None })
    }

    /// Starts a server that writes its address, and ends when its input ends.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        Process::piped(command)?.listening()
    }

    fn piped(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        Ok(Process { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), child, stdin })
    }

    /// Reads its address.
    fn listening(mut self) -> Result<Self> {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().context("no pipe from the host")?).read_line(&mut line)?;
        self.address = line.trim().parse().context("the host did not start; its error is above")?;
        Ok(self)
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of the host, if the system tells it.
    pub(crate) fn computed(&self) -> Option<Duration> {
        /// Linux reports times to programs in this unit, whatever its internal unit is.
        const TICKS_PER_SECOND: u32 = 100;
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The fields follow the name, which may contain anything: fields 14 and 15 are the times in user mode and in
        // the kernel.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        Some(Duration::from_secs((ticks()? + ticks()?).into()) / TICKS_PER_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process ends when its input ends; Spin has none, and its triggers are processes of its group.
        if self.stdin.take().is_none() {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = self.child.wait();
    }
}

/// The main function of the other process: it runs a host until its input ends.
pub(crate) fn serve() -> Result<()> {
    let mut input = BufReader::new(std::io::stdin());
    let mut order = String::new();
    input.read_line(&mut order)?;
    let order: Value = serde_json::from_str(&order)?;
    let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default();
    let variables = order.get("variables").cloned().unwrap_or_default();
    let components = order.get("components").cloned().unwrap_or_default();
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        state_dir: text("stateDir").into(),
        variables: serde_json::from_value::<BTreeMap<_, _>>(variables)?,
        components: serde_json::from_value(components)?,
        quiet: true,
        log_dir: Some(Path::new(text("stateDir")).join("logs")),
        cache_dir: root().join("target/bench-cache"),
        ..Options::new(text("spinToml"))
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let host = runtime.block_on(Host::start(options))?;
    writeln!(std::io::stdout(), "{}", host.address())?;
    input.read_to_end(&mut Vec::new())?;
    runtime.block_on(host.stop())
}
