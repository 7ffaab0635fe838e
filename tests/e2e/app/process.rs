//! An application in a process of its own: the `vigil` program, or a real `spin`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{App, COMPILED, Running, SOON, root, spin_toml};

/// The ends of the lines that begin tables of spin.toml.
const REDIS_TRIGGER: &str = "[[trigger.redis]]";
const BUILD: &str = ".build]";

impl App {
    pub(super) fn vigil(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigil"));
        command.args(["--listen", &self.address.to_string()]).arg("--state-dir").arg(&self.dir);
        // Only what a newcomer sees builds the functions. They are there already, and other hosts are started many times.
        if !self.builder.loud {
            command.arg("--quiet").arg("--spin-toml").arg(self.without(&[BUILD]));
        }
        std::fs::create_dir_all(&self.dir).unwrap();
        let _ = std::os::unix::fs::symlink(root().join(COMPILED), self.dir.join("cache"));
        self.spawn(command)
    }

    pub(super) fn spin(&self, spin: &Path) -> Child {
        let mut command = Command::new(spin);
        command.args(["up", "--quiet", "--listen", &self.address.to_string()]);
        let manifest = if self.builder.triggers { spin_toml() } else { self.without(&[REDIS_TRIGGER]) };
        command.arg("--from").arg(manifest).arg("--state-dir").arg(&self.dir);
        command.env("OTEL_SDK_DISABLED", "1");
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> Child {
        use std::os::unix::process::CommandExt as _;
        for (name, value) in self.variables() {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        for component in &self.builder.components {
            command.args(["--component-id", component]);
        }
        std::fs::create_dir_all(&self.dir).unwrap();
        let output = std::fs::File::options().create(true).append(true).open(self.dir.join("process.log")).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        // A process group of its own: spin's triggers are child processes, and they must die with it.
        command.process_group(0);
        command.spawn().unwrap()
    }

    /// A copy of spin.toml without some of its tables.
    fn without(&self, tables: &[&str]) -> PathBuf {
        let text = std::fs::read_to_string(spin_toml()).unwrap();
        let mut keeps = true;
        let kept = text.lines().filter(|line| {
            if line.starts_with('[') {
                keeps = !tables.iter().any(|table| line.ends_with(table));
            }
            keeps
        });
        let sources = format!("source = \"{}/target/", root().display());
        let text = kept.collect::<Vec<_>>().join("\n").replace("source = \"target/", &sources);
        let path = self.dir.join("spin.toml");
        std::fs::create_dir_all(&self.dir).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Waits until the process ends by itself. Returns its exit status and its output.
    pub(crate) async fn ended(&mut self) -> (Option<i32>, String) {
        let Running::Process(child) = &mut self.running else { panic!("not a process of its own") };
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the process did not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.running = Running::Stopped;
        (status.code(), std::fs::read_to_string(self.dir.join("process.log")).unwrap())
    }

    /// Ends the process at once, as a power failure would.
    pub(crate) fn kill(&mut self) {
        let Running::Process(child) = &mut self.running else { panic!("not a process of its own") };
        kill_group(child, "KILL");
        self.running = Running::Stopped;
    }

    /// Ends the application in an orderly way. Returns its exit status, if it is a process.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        match std::mem::replace(&mut self.running, Running::Stopped) {
            Running::InProcess(host) => {
                host.stop().await.unwrap();
                None
            }
            Running::Process(mut child) => {
                let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
                tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap()
            }
            Running::Stopped => None,
        }
    }
}

pub(super) fn kill_group(child: &mut Child, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), "--", &format!("-{}", child.id())]).status();
    let _ = child.wait();
}
