//! A Redis server of our own, with the durability that Vigil's promise needs.
//!
//! Guarantee: what this server has acknowledged is on the disk (`appendfsync always`) and is never evicted. One live
//! owner per data directory, and nobody connects without the password, which only the owner of the directory can read.
//! The server stops with its owner, however the owner ends.
//!
//! Mechanism: the server is the child of a small shell script whose standard input is a pipe that we hold. When we end,
//! even by SIGKILL, the pipe closes and the script stops the server cleanly. (Linux's parent-death signal is not used:
//! it fires when the *thread* that spawned the child ends, which in a test is long before the test program ends.)
//! Server and script have a process group of their own, so that Ctrl-C in the terminal reaches only us and the server
//! outlives the requests in flight.
//!
//! Not for production, which provides its own Redis by `SPIN_VARIABLE_REDIS_URL`.

mod install;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::secrets;

/// Runs the server in the background, passes on the signals named on standard input, and sends TERM when the input
/// ends.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null >&2 &
server=$!
( while read -r signal <&3; do kill -s "$signal" $server; done; kill -s TERM $server ) >/dev/null 2>&1 &
reader=$!
echo $server
exec >/dev/null
wait $server
status=$?
kill $reader 2>/dev/null
exit $status
"#;

/// The longest time without an answer while a server starts or stops. Loading a long log is not counted.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest time in which a server loads its log.
const LOADING_LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(10);
/// The configuration file in the data directory.
const CONFIGURATION: &str = "redis.conf";

/// A running (or, after [`Server::stop`] and [`Server::kill`], a stopped) server with its directory and port.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    access: Access,
    running: Option<Running>,
    /// Held as long as we live: with a second owner of the same data, two servers would write one log.
    _lock: File,
}

/// The access of a client: a new password at each [`Server::start`], so that no other user of this machine gets in.
#[derive(Clone)]
struct Access {
    port: u16,
    password: String,
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    signals: ChildStdin,
    pid: u32,
}

/// Installs `redis-server` if it is missing and can be installed; else the error contains the command to type.
pub fn provide(say: &dyn Fn(&str)) -> Result<()> {
    install::find_or_install(say).map(drop)
}

impl Server {
    /// Starts a server with its data in `dir`, on `port` or a free one, and waits until it answers.
    ///
    /// Calls [`provide`] first. Stops a server that a killed owner left running.
    pub fn start(dir: &Path, port: Option<u16>) -> Result<Server> {
        let program = install::find_or_install(&|step| eprintln!("{step}"))?;
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))?;
        let lock = lock(&dir)?;
        stop_leftover(&dir)?;
        let password = secrets::random()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut attempts = 5;
        loop {
            let chosen = port.map_or_else(free_port, Ok)?;
            let access = Access { port: chosen, password: password.clone() };
            match Running::start(&program, &dir, &access) {
                Ok(running) => return Ok(Server { dir, access, running: Some(running), _lock: lock }),
                // Another process may take the free port before we do.
                Err(_) if port.is_none() && attempts > 1 && port_is_taken(chosen) => attempts -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// `redis://:<password>@127.0.0.1:<port>`, the same over restarts.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.access.password, self.access.port)
    }

    /// The port, the same over restarts.
    pub fn port(&self) -> u16 {
        self.access.port
    }

    /// The file with the configuration that is nobody else's business: the password.
    pub fn configuration(&self) -> PathBuf {
        self.dir.join(CONFIGURATION)
    }

    /// Whether the server process is running.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.keeper.try_wait(), Ok(None)))
    }

    /// Stops the server cleanly and waits until it has ended.
    pub fn stop(&mut self) -> Result<()> {
        self.end("TERM")
    }

    /// Ends the server as a power failure would, for fault tests. Acknowledged data survives.
    pub fn kill(&mut self) -> Result<()> {
        self.end("KILL")
    }

    /// Starts the stopped or killed server again: same data, same port.
    pub fn restart(&mut self) -> Result<()> {
        if self.is_running() {
            self.stop()?;
        }
        let program = install::find_or_install(&|step| eprintln!("{step}"))?;
        self.running = Some(Running::start(&program, &self.dir, &self.access)?);
        Ok(())
    }

    fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.signal(signal)?;
        if !running.ends_within(PATIENCE)? {
            running.signal("KILL")?;
            running.ends_within(PATIENCE)?;
            bail!("redis-server did not stop within {} seconds and was killed", PATIENCE.as_secs());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure; the closing pipe stops the server in any case.
        let _ = self.stop();
    }
}

impl Running {
    fn start(program: &Path, dir: &Path, access: &Access) -> Result<Running> {
        let configuration = dir.join(CONFIGURATION);
        // A command line is shown to every user of the machine; the file is not.
        access.write(&configuration).with_context(|| format!("cannot write {}", configuration.display()))?;
        let log = dir.join("redis.log");
        // This also catches output from before the server opens its log: a port that is taken, an unknown option.
        let errors = OpenOptions::new().create(true).append(true).open(&log);
        let errors = errors.with_context(|| format!("cannot write {}", log.display()))?;
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "redis-keeper"]).arg(program).arg(configuration);
        let port = access.port.to_string();
        keeper.args(["--bind", "127.0.0.1", "--port", &port, "--daemonize", "no", "--dir"]).arg(dir);
        keeper.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        keeper.args(["--maxmemory-policy", "noeviction"]);
        keeper.arg("--logfile").arg(&log).arg("--pidfile").arg(dir.join("redis.pid"));
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).process_group(0);
        let mut keeper = keeper.spawn().context("cannot start /bin/sh")?;
        let signals = keeper.stdin.take().context("no pipe to the server's keeper")?;
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().context("no pipe from the server's keeper")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().context("the server's keeper does not say the server's process")?;
        let mut running = Running { keeper, signals, pid };
        running.wait_until_ready(access).with_context(|| format!("its log is {}", log.display()))?;
        Ok(running)
    }

    /// Waits for PONG from our own server: on a taken port, another server may answer while ours is giving up.
    fn wait_until_ready(&mut self, access: &Access) -> Result<()> {
        let began = Instant::now();
        let mut deadline = began + PATIENCE;
        loop {
            if let Some(status) = self.keeper.try_wait()? {
                bail!("redis-server ended while starting ({status})");
            }
            match access.ask("PING") {
                Ok(answer) if answer.starts_with("+PONG") => {
                    let info = access.ask("INFO server").unwrap_or_default();
                    if info.lines().any(|line| line.trim_end() == format!("process_id:{}", self.pid)) {
                        return Ok(());
                    }
                }
                Ok(answer) if answer.starts_with("-LOADING") => {
                    deadline = (Instant::now() + PATIENCE).min(began + LOADING_LIMIT);
                }
                _ => {}
            }
            if Instant::now() >= deadline {
                bail!(
                    "redis-server on port {} did not answer within {} seconds",
                    access.port,
                    began.elapsed().as_secs()
                );
            }
            sleep(POLL);
        }
    }

    fn signal(&mut self, signal: &str) -> Result<()> {
        match self.signals.write_all(format!("{signal}\n").as_bytes()) {
            // The keeper has ended, and with it the server.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.context("cannot reach the server's keeper"),
        }
    }

    fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while self.keeper.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(POLL);
        }
        Ok(true)
    }
}

impl Access {
    /// Writes the file whole, for its owner alone.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "requirepass {}", self.password)
    }

    /// Sends one inline command on a connection of its own; returns the beginning of the answer.
    fn ask(&self, command: &str) -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        // QUIT makes the server close the connection, so that reading to the end finishes.
        connection.write_all(format!("AUTH {}\r\n{command}\r\nQUIT\r\n", self.password).as_bytes())?;
        let mut answer = Vec::new();
        connection.take(64 * 1024).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.strip_prefix("+OK\r\n").unwrap_or(&answer).to_owned())
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("port", &self.port).finish_non_exhaustive()
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

fn port_is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// Takes the data directory for this process. If the previous owner is just ending, waits for it.
fn lock(dir: &Path) -> Result<File> {
    let lock = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "{} is in use by another running instance; stop that one, or choose another directory",
                    dir.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", dir.display()));
            }
        }
    }
}

/// Stops the server of a killed owner, if its keeper was killed too or has not finished yet.
fn stop_leftover(dir: &Path) -> Result<()> {
    let pidfile = dir.join("redis.pid");
    let Ok(pid) = fs::read_to_string(&pidfile) else { return Ok(()) };
    let Ok(pid) = pid.trim().parse::<u32>() else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    let mut signal = "TERM";
    let mut sent = false;
    while serves(pid, dir) {
        if Instant::now() >= deadline {
            bail!(
                "a redis-server left over from an earlier start (process {pid}) uses {} and does not end",
                dir.display()
            );
        }
        if !sent {
            kill(signal, pid);
            sent = true;
        } else if signal == "TERM" && Instant::now() + PATIENCE / 2 >= deadline {
            signal = "KILL";
            sent = false;
        }
        sleep(POLL);
    }
    let _ = fs::remove_file(&pidfile);
    Ok(())
}

/// Whether process `pid` is a Redis server on `dir`. The system reuses process ids, so a number alone proves nothing.
fn serves(pid: u32, dir: &Path) -> bool {
    if Path::new("/proc/self").exists() {
        // The server's working directory is its data directory.
        return fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir)
            && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("redis-server"));
    }
    let ps = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    ps.is_ok_and(|ps| String::from_utf8_lossy(&ps.stdout).contains("redis-server"))
}

/// Sends a signal to a process that is not our child, which needs an external program.
fn kill(signal: &str, pid: u32) {
    let _ = Command::new("/bin/sh").args(["-c", &format!("kill -s {signal} {pid}")]).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests;
