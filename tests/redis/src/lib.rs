//! A real Redis for tests that need nothing else of the application.
//!
//! Guarantee: each [`Server`] is empty, nobody else's, and ends with the test program, however that ends.
//!
//! Mechanism: a shell holds the server and reads from a pipe whose other end we have; when the pipe closes, it ends the server.
//! The server keeps nothing on the disk. Not for tests of what survives a crash: the end-to-end tests have a server for that.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that has no Redis has failed")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null >/dev/null 2>&1 3<&- &
server=$!
( read -r _ <&3; kill $server ) 2>/dev/null &
wait $server
"#;
const PATIENCE: Duration = Duration::from_secs(10);

/// A server.
pub struct Server {
    keeper: Child,
    port: u16,
    _dir: TempDir,
}

impl Server {
    /// Starts a server on a free port and waits until it answers.
    pub fn start() -> Self {
        provide();
        for _ in 0..5 {
            let dir = tempfile::tempdir().expect("no temporary directory");
            let port =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("no port").port();
            let mut keeper = Command::new("/bin/sh");
            keeper.args(["-c", KEEPER, "keeper", "redis-server", "--bind", "127.0.0.1", "--port", &port.to_string()]);
            keeper.args(["--save", "", "--appendonly", "no", "--dir"]).arg(dir.path());
            let keeper = keeper.stdin(Stdio::piped()).spawn().expect("no shell");
            let mut server = Server { keeper, port, _dir: dir };
            if server.answers() {
                return server;
            }
        }
        panic!("redis-server does not start: is it installed?")
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address of one of its databases, 0 to 15.
    pub fn database(&self, number: u8) -> String {
        format!("{}/{number}", self.url())
    }

    fn answers(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.keeper.try_wait(), Ok(None)) {
            if ping(self.port).unwrap_or(false) {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Lets the project bring `redis-server` where there is none, as `cargo run` does.
fn provide() {
    static PROVIDED: Once = Once::new();
    PROVIDED.call_once(|| {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
            let setup =
                Command::new(env!("CARGO")).args(["run", "-p", "vigil", "--", "setup"]).current_dir(root).status();
            assert!(setup.is_ok_and(|status| status.success()), "redis-server cannot be provided");
        }
    });
}

fn ping(port: u16) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    connection.write_all(b"PING\r\nQUIT\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.starts_with("+PONG"))
}
