//! Finds `redis-server`, or installs it by the system's package manager if that asks no question.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, bail};

use super::super::process;

const PROGRAM: &str = "redis-server";
const LIMIT: Duration = Duration::from_secs(900);

/// One way to install; `commands` are for an administrator to type.
struct PackageManager {
    program: &'static str,
    commands: &'static [&'static str],
    /// Homebrew refuses to run as root, the others run only as root.
    as_root: bool,
}

/// The first one that exists is used. Debian's package starts a server on the standard port, which nobody asked for:
/// RUNLEVEL=1 prevents that.
const PACKAGE_MANAGERS: [PackageManager; 5] = [
    PackageManager {
        program: "apt-get",
        commands: &[
            "apt-get update",
            "env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 install -y \
             --no-install-recommends redis-server",
        ],
        as_root: true,
    },
    PackageManager { program: "dnf", commands: &["dnf install -y redis"], as_root: true },
    PackageManager { program: "apk", commands: &["apk add redis"], as_root: true },
    PackageManager { program: "pacman", commands: &["pacman -S --noconfirm redis"], as_root: true },
    PackageManager { program: "brew", commands: &["brew install redis"], as_root: false },
];

/// systemd starts services regardless of RUNLEVEL: the unit is masked during the installation, in memory only, and not
/// left enabled.
const SYSTEMD_BEFORE: &str = "systemctl mask --runtime redis-server.service";
const SYSTEMD_AFTER: [&str; 2] =
    ["systemctl unmask --runtime redis-server.service", "systemctl disable redis-server.service"];

/// Tests start servers in parallel; only one of them installs.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Returns the server program.
pub(super) fn find_or_install(say: &dyn Fn(&str)) -> Result<PathBuf> {
    if let Some(program) = process::find(PROGRAM) {
        return Ok(program);
    }
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(program) = process::find(PROGRAM) {
        return Ok(program);
    }
    let Some(manager) = PACKAGE_MANAGERS.iter().find(|manager| process::find(manager.program).is_some()) else {
        bail!("{PROGRAM} is missing: install Redis 6.2 or later, or name a server in SPIN_VARIABLE_REDIS_URL");
    };
    let by_hand = by_hand(manager);
    let Some(prefix) = privilege(manager) else {
        bail!("{PROGRAM} is missing and installing it takes an administrator. Run: {by_hand}");
    };
    let installed = install(manager, prefix, say);
    match (process::find(PROGRAM), installed) {
        // Another process may have installed it while ours was denied the lock.
        (Some(program), _) => Ok(program),
        (None, Err(error)) => bail!("{PROGRAM} is missing and could not be installed: {error:#}. Run: {by_hand}"),
        (None, Ok(())) => bail!("{PROGRAM} is not on PATH although its package was installed"),
    }
}

fn install(manager: &PackageManager, prefix: &str, say: &dyn Fn(&str)) -> Result<()> {
    let systemd = manager.program == "apt-get" && Path::new("/run/systemd/system").exists();
    let quietly = |line: &str| {
        // Fails if the unit does not exist yet, or no longer: then nothing can start.
        let _ = process::output(&mut process::shell(&format!("{prefix}{line}")));
    };
    if systemd {
        quietly(SYSTEMD_BEFORE);
    }
    let mut result = Ok(());
    for line in manager.commands {
        say(&format!("{PROGRAM} is missing: running `{prefix}{line}`"));
        result = process::show(&mut process::shell(&format!("{prefix}{line}")), LIMIT);
        // A failed update of the package lists may not matter: it can be another archive that is unreachable.
    }
    if systemd {
        SYSTEMD_AFTER.iter().for_each(|line| quietly(line));
    }
    result
}

/// The prefix that lets a command install; `None` if only a person with a password can install.
fn privilege(manager: &PackageManager) -> Option<&'static str> {
    let is_root = effective_user() == Some(0);
    if is_root != manager.as_root {
        return (manager.as_root && passwordless_sudo()).then_some("sudo -n ");
    }
    Some("")
}

fn passwordless_sudo() -> bool {
    process::find("sudo").is_some() && process::output(process::command("sudo").args(["-n", "true"])).is_ok()
}

fn effective_user() -> Option<u32> {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) => parse_effective_user(&status),
        Err(_) => process::output(process::command("id").arg("-u")).ok()?.trim().parse().ok(),
    }
}

fn parse_effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The commands as a person types them.
fn by_hand(manager: &PackageManager) -> String {
    let prefix = if manager.as_root { "sudo " } else { "" };
    let lines: Vec<String> = manager.commands.iter().map(|line| format!("{prefix}{line}")).collect();
    lines.join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_counts_not_the_real_one() {
        assert_eq!(parse_effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n"), Some(0));
        assert_eq!(parse_effective_user("Name:\tx\n"), None);
    }

    #[test]
    fn a_person_is_told_the_whole_command() {
        let by_program = |program: &str| by_hand(PACKAGE_MANAGERS.iter().find(|m| m.program == program).unwrap());
        assert!(by_program("apt-get").starts_with("sudo apt-get update && sudo env "));
        assert!(by_program("apt-get").ends_with(" install -y --no-install-recommends redis-server"));
        assert_eq!(by_program("brew"), "brew install redis");
    }
}
