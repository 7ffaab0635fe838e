//! Child processes that run as if a person had typed the command in a fresh terminal.
//!
//! Cargo passes much to the program that it runs through the environment. If a nested cargo inherited it, some of it
//! would change flags, directory or compiler, so that the build differs from one in a plain terminal.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Variables that nested builds must not inherit.
const REMOVED: [&str; 21] = [
    // Flags for the native build: `-Ctarget-cpu=native` or coverage instrumentation break a WebAssembly build.
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_BOOTSTRAP",
    // `rustc` finds the target and `cargo` uses it: both must be of the toolchain on PATH.
    "RUSTC",
    "CARGO",
    // spin.toml names files under target/; with another directory the host would load old files.
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    // Cargo's data on the running package, which is not the package to build.
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_CRATE_NAME",
    "CARGO_TARGET_TMPDIR",
    "CARGO_MAKEFLAGS",
    "OUT_DIR",
    // RUSTUP_TOOLCHAIN stays: `cargo +1.95 run` must build the functions with 1.95 too.
];
const REMOVED_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_BIN_"];

/// Runs `program` without standard input, and without the variables that an outer cargo set.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_removed) {
            command.env_remove(name);
        }
    }
    if let Some(path) = path_with_cargo() {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs `line` in the shell, as Spin runs build commands.
pub(super) fn shell(line: &str) -> Command {
    let mut shell = command("/bin/sh");
    shell.args(["-c", line]);
    shell
}

/// Runs to the end and returns standard output; an error contains the end of standard error.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let name = describe(command);
    let output = command.output().with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = errors.lines().rev().filter(|line| !line.trim().is_empty()).take(4).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("`{name}` failed ({}): {}", output.status, last.join("; "));
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{name}` did not answer in UTF-8"))
}

/// Runs and shows the output to the person; ends the program if it takes longer than `limit`.
pub(super) fn show(command: &mut Command, limit: Duration) -> Result<()> {
    let name = describe(command);
    // Standard output is only for what the person asked for; messages of a nested tool are progress.
    let mut child = command.stdout(Stdio::null()).spawn().with_context(|| format!("cannot start `{name}`"))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("`{name}` failed ({status})");
            }
            return Ok(());
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!("`{name}` did not finish within {} seconds", limit.as_secs());
        }
        sleep(Duration::from_millis(50));
    }
}

/// Finds the file `program` on PATH, or in one of the directories of administrators' and Homebrew's programs.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(more).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Removes a directory, if it exists.
pub(super) fn remove_dir(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name) || REMOVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// PATH with the directory of the running cargo at its end, for people who call cargo by its full path.
fn path_with_cargo() -> Option<OsString> {
    let cargo = PathBuf::from(env::var_os("CARGO")?);
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(env::split_paths(&path).chain([cargo.parent()?.to_owned()])).ok()
}

/// The command for a message. Settings (`-o Name=value`) are omitted: a page of them would hide the command.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-o") => drop(arguments.next()),
            _ => words.push(argument.to_string_lossy()),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_about_us_is_not_handed_on_and_the_persons_settings_are() {
        for name in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_PKG_NAME", "CARGO_BIN_EXE_vigil"]
        {
            assert!(is_removed(name), "{name}");
        }
        for name in ["RUSTUP_TOOLCHAIN", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "HTTPS_PROXY", "PATH"] {
            assert!(!is_removed(name), "{name}");
        }
    }

    #[test]
    fn a_failure_carries_the_end_of_standard_error() {
        let error = output(&mut shell("echo one >&2; echo two >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("one; two"), "{error}");
        assert!(error.contains('3'), "{error}");
    }

    #[test]
    fn settings_are_left_out_of_messages() {
        assert_eq!(describe(command("apt-get").args(["-o", "A=b", "update", "-o", "C=d", "-q"])), "apt-get update -q");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = show(command("sleep").arg("60"), Duration::from_millis(100)).unwrap_err().to_string();
        assert!(error.contains("did not finish"), "{error}");
    }
}
