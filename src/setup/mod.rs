//! Provides everything that `cargo run` and `cargo test` need beyond Rust itself, on first use.
//!
//! Guarantee: after [`prepare`] the functions named in spin.toml are built by spin.toml's own commands, from the
//! current sources. Each step that takes time or changes the machine is announced first. A killed run leaves no
//! half-finished step behind, and processes that start together do each step once.
//!
//! Not for production: there the operator provides Redis, secrets and built components.

mod apt;
mod process;
pub mod receiver;
pub mod redis;
pub mod secrets;
pub mod upstreams;
mod wasm;

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use host::manifest::Manifest;

/// Provides the `wasm32-wasip2` target, then runs every distinct build command of `spin_toml` in its directory.
///
/// No build is skipped because it looks up to date: cargo decides that better, and within a second.
pub fn prepare(spin_toml: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let spin_toml = spin_toml.canonicalize().with_context(|| format!("cannot find {}", spin_toml.display()))?;
    let root = spin_toml.parent().context("spin.toml has no directory")?;
    let manifest = Manifest::load(&spin_toml)?;

    let target = root.join("target");
    fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
    let _lock = lock(&target.join("setup.lock"), say)?;
    wasm::provide(&target.join("setup"), say)?;
    for (command, workdir) in builds(&manifest) {
        say(&format!("building: {command}"));
        let status = process::shell(command)
            .current_dir(workdir)
            .status()
            .with_context(|| format!("cannot start `{command}`"))?;
        if !status.success() {
            bail!("`{command}` failed ({status}); its messages are above");
        }
    }
    Ok(())
}

/// The distinct build commands of a manifest, in the order of the components' names.
fn builds(manifest: &Manifest) -> Vec<(&str, &Path)> {
    let mut builds = Vec::new();
    for build in manifest.components.values().filter_map(|component| component.build.as_ref()) {
        let build = (build.command.as_str(), build.workdir.as_path());
        if !builds.contains(&build) {
            builds.push(build);
        }
    }
    builds
}

/// Holds `path` exclusively until the file is dropped. If the process is killed, the system drops it.
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
        let text = r#"
            spin_manifest_version = 2
            [application]
            name = "x"
            [[trigger.http]]
            route = "/a"
            component = "a"
            [[trigger.http]]
            route = "/b"
            component = "b"
            [[trigger.http]]
            route = "/c"
            component = "c"
            [component.a]
            source = "a.wasm"
            build = { command = "cargo build" }
            [component.b]
            source = "b.wasm"
            build = { command = "cargo build" }
            [component.c]
            source = "c.wasm"
            build = { command = "npm run build", workdir = "web" }
        "#;
        let manifest = Manifest::parse(text, Path::new("/app")).unwrap();
        let expected = [("cargo build", Path::new("/app")), ("npm run build", Path::new("/app/web"))];
        assert_eq!(builds(&manifest), expected);
    }

    #[test]
    fn the_manifest_of_this_project_builds_every_function() {
        let manifest = Manifest::parse(include_str!("../../spin.toml"), Path::new("/app")).unwrap();
        for (id, component) in &manifest.components {
            let command = component.build.as_ref().unwrap().command.as_str();
            let profile = match command.split(' ').nth(1) {
                Some("function-small") => "small",
                Some("function-smallest") => "smallest",
                _ => "release",
            };
            assert!(format!("{command} ").contains(&format!(" -p {id} ")), "{command}");
            assert!(component.source.ends_with(format!("{profile}/{id}.wasm")), "{id}");
        }
        assert_eq!(builds(&manifest).len(), manifest.components.len());
    }
}
