//! What `cargo run` and `cargo test` need beyond Rust itself, brought on first use.
//!
//! Guarantee: after [`prepare`] the functions named in spin.toml are built by spin.toml's own commands, from the sources
//! as they are now. Each step that takes time or changes the machine is said before it is taken. A run that is killed
//! leaves nothing half-made behind, and processes that start together do each step once.
//!
//! Not for production: there the operator provides Redis, secrets and built components.

mod apt;
mod process;
pub mod redis;
pub mod secrets;
mod wasm;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Provides the `wasm32-wasip2` target, then runs every distinct build command of `spin_toml` in its directory.
///
/// Nothing is skipped when it looks fresh: cargo decides that better and within a second.
pub fn prepare(spin_toml: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let spin_toml = spin_toml.canonicalize().with_context(|| format!("cannot find {}", spin_toml.display()))?;
    let root = spin_toml.parent().context("spin.toml has no directory")?;
    let text = fs::read_to_string(&spin_toml).with_context(|| format!("cannot read {}", spin_toml.display()))?;
    let builds = build_commands(&text).with_context(|| format!("in {}", spin_toml.display()))?;

    let target = root.join("target");
    fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
    let _lock = lock(&target.join("setup.lock"), say)?;
    wasm::provide(&target.join("setup"), say)?;
    for build in builds {
        say(&format!("building: {}", build.command));
        let status = process::shell(&build.command)
            .current_dir(root.join(&build.workdir))
            .status()
            .with_context(|| format!("cannot start `{}`", build.command))?;
        if !status.success() {
            bail!("`{}` failed ({status}); its messages are above", build.command);
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Build {
    command: String,
    workdir: PathBuf,
}

/// The distinct build commands of a manifest, in the order of the components' names.
fn build_commands(spin_toml: &str) -> Result<Vec<Build>> {
    let manifest: toml::Table = spin_toml.parse()?;
    let mut builds = Vec::new();
    for (id, component) in manifest.get("component").and_then(|c| c.as_table()).into_iter().flatten() {
        let Some(build) = component.get("build") else { continue };
        let workdir = match build.get("workdir") {
            None => PathBuf::new(),
            Some(dir) => dir.as_str().with_context(|| format!("{id}: build.workdir is not a string"))?.into(),
        };
        let commands = match build.get("command") {
            Some(toml::Value::String(command)) => vec![command.as_str()],
            Some(toml::Value::Array(commands)) => commands.iter().filter_map(|c| c.as_str()).collect(),
            _ => bail!("{id}: build.command is neither a string nor a list of strings"),
        };
        for command in commands {
            let build = Build { command: command.to_owned(), workdir: workdir.clone() };
            if !builds.contains(&build) {
                builds.push(build);
            }
        }
    }
    Ok(builds)
}

/// Holds `path` exclusively until the file is dropped, which the system does even for a killed process.
fn lock(path: &Path, say: &dyn Fn(&str)) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => say("waiting for another process that is setting up"),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_shared_by_components_runs_once() {
        let builds = build_commands(
            r#"
            [component.a]
            source = "a.wasm"
            [component.a.build]
            command = "cargo build"
            [component.b.build]
            command = "cargo build"
            [component.c.build]
            command = ["npm install", "npm run build"]
            workdir = "web"
            [component.ready-made]
            source = "x.wasm"
            "#,
        )
        .unwrap();
        let build = |command: &str, workdir: &str| Build { command: command.into(), workdir: workdir.into() };
        assert_eq!(builds, [build("cargo build", ""), build("npm install", "web"), build("npm run build", "web")]);
    }

    #[test]
    fn a_build_without_a_command_is_an_error() {
        assert!(build_commands("[component.a.build]\nworkdir = 'x'").is_err());
    }

    #[test]
    fn the_manifest_of_this_project_builds_every_function() {
        let builds = build_commands(include_str!("../../spin.toml")).unwrap();
        assert!(builds.iter().any(|b| b.command.ends_with("-p submit")));
        assert!(builds.iter().all(|b| b.command.contains(" --release --target wasm32-wasip2 -p ")));
    }
}
