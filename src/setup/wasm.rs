//! Provides the standard library of the `wasm32-wasip2` target.
//!
//! Guarantee: after [`provide`] the toolchain on PATH can build for the target. The library is whole or absent: it is
//! assembled beside its final directory and renamed into it, under a lock on the toolchain.
//!
//! It tries `rustup target add` first. If rustup's channel is unreachable but a Debian mirror is reachable, it builds
//! the library from the distribution's own packages: `rust-src` of the compiler's version and the C library of
//! `wasi-libc`, both unpacked, not installed. The result is the library that rustup would bring, compiled here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{apt, process};

const TARGET: &str = "wasm32-wasip2";
/// A download of 25 MB. If it takes longer, the network drops packets instead of refusing them.
const RUSTUP_LIMIT: Duration = Duration::from_secs(300);
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// A part of every path that we link to.
const OUR_SOURCES: &str = "/setup/rust-src/usr/src/";
/// The flags for building the library: the functions are linked with LTO, which reads bitcode.
const LIBRARY_FLAGS: &str = "-Cembed-bitcode=yes";

/// Provides the target; `work` is a directory for intermediate files, removed at the end.
pub(super) fn provide(work: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let toolchain = Toolchain::on_path()?;
    if toolchain.has_target() {
        // A killed run left it behind.
        return process::remove_dir(work);
    }
    let _lock = toolchain.lock(say)?;
    toolchain.remove_our_link()?;
    if toolchain.has_target() {
        return Ok(());
    }

    say(&format!("the Rust target {TARGET} is missing: running `rustup target add {TARGET}`"));
    let Err(rustup) = add_with_rustup(&toolchain) else { return Ok(()) };
    say(&format!("{rustup:#}; building the target's library from the distribution's source packages instead"));
    process::remove_dir(work)?;
    let built = build_from_packages(&toolchain, work, say);
    process::remove_dir(work)?;
    let Err(distribution) = built else { return Ok(()) };
    bail!(
        "the Rust target {TARGET} is missing, and neither way to bring it worked.\n\
         rustup: {rustup:#}\n\
         the distribution's packages: {distribution:#}\n\
         What to do: let this machine reach rustup's channel and run `rustup target add {TARGET}`; or name a mirror of \
         it in RUSTUP_DIST_SERVER; or copy the directory lib/rustlib/{TARGET} of another machine's Rust {} into {}",
        toolchain.release,
        toolchain.rustlib().display(),
    )
}

/// The toolchain of the `rustc` on PATH.
struct Toolchain {
    sysroot: PathBuf,
    /// For example "1.95.0".
    release: String,
    libdir: PathBuf,
}

impl Toolchain {
    fn on_path() -> Result<Toolchain> {
        let rustc = |args: &[&str]| process::output(process::command("rustc").args(args)).map(|o| o.trim().to_owned());
        let version = rustc(&["-V"]).context("Rust is needed: https://rustup.rs")?;
        let release = version.split_whitespace().nth(1).context("`rustc -V` does not say its version")?.to_owned();
        let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?);
        let libdir = PathBuf::from(rustc(&["--print", "target-libdir", "--target", TARGET])?);
        Ok(Toolchain { sysroot, release, libdir })
    }

    /// Whether the standard library really exists. A directory is no proof: a removed target may leave one.
    fn has_target(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.libdir) else { return false };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
        })
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    fn sources(&self) -> PathBuf {
        self.rustlib().join("src/rust")
    }

    /// Removes the link to the sources that a killed run of ours left behind, in this project or another. A link that
    /// somebody else made stays, and its sources are used.
    fn remove_our_link(&self) -> Result<()> {
        let link = self.sources();
        let Ok(to) = fs::read_link(&link) else { return Ok(()) };
        if to.to_str().is_some_and(|to| to.contains(OUR_SOURCES)) || !link.exists() {
            fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
            // Succeeds only if the directory is empty: then it was created for the link.
            let _ = link.parent().map(fs::remove_dir);
        }
        Ok(())
    }

    /// Admits one process at a time, over all projects that use this toolchain. The lock is on the directory itself, so
    /// that the toolchain contains nothing that rustup does not know.
    fn lock(&self, say: &dyn Fn(&str)) -> Result<File> {
        let rustlib = self.rustlib();
        let dir = File::open(&rustlib).with_context(|| format!("cannot open {}", rustlib.display()))?;
        if dir.try_lock().is_err() {
            say("waiting for another process that is bringing the target");
            dir.lock().with_context(|| format!("cannot lock {}", rustlib.display()))?;
        }
        Ok(dir)
    }
}

fn add_with_rustup(toolchain: &Toolchain) -> Result<()> {
    let mut rustup = process::command("rustup");
    rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1").env("RUST_BACKTRACE", "0");
    process::show(&mut rustup, RUSTUP_LIMIT)?;
    if !toolchain.has_target() {
        // rustup relies on its own records: it believes that a target exists whose files somebody removed.
        process::show(process::command("rustup").args(["target", "remove", TARGET]), RUSTUP_LIMIT)?;
        process::show(process::command("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT)?;
    }
    if !toolchain.has_target() {
        bail!("rustup is content, yet {} has no standard library", toolchain.libdir.display());
    }
    Ok(())
}

fn build_from_packages(toolchain: &Toolchain, work: &Path, say: &dyn Fn(&str)) -> Result<()> {
    if toolchain.release.contains('-') {
        bail!("Rust {} is no stable release: no package has its sources", toolchain.release);
    }
    fs::create_dir_all(work)?;
    let work = work.canonicalize()?;
    let packages = fetch_packages(toolchain, &work, say)?;
    say("building the standard library for the target (about a minute)");
    let _link = SourceLink::make(toolchain, packages.library_sources.as_deref())?;
    let libraries = build_library(toolchain, &work)?;
    install(toolchain, &libraries, &packages.c_library)
}

struct Packages {
    /// The directory that contains `library/`; `None` if the toolchain has its `rust-src` component.
    library_sources: Option<PathBuf>,
    /// The directory with `libc.a` and the start files.
    c_library: PathBuf,
}

fn fetch_packages(toolchain: &Toolchain, work: &Path, say: &dyn Fn(&str)) -> Result<Packages> {
    let mirror = apt::Mirror::of_this_machine()?;
    let has_component = has_library_sources(&toolchain.sources());
    let mut library_sources = None;
    let mut looked = Vec::new();
    for name in &mirror.suites {
        say(&format!("looking for Rust {} and a C library for the target in {name}", toolchain.release));
        let found = (|| {
            let suite = mirror.open(name, work)?;
            if !has_component && library_sources.is_none() {
                let versions = suite.versions("rust-src")?;
                let Some(version) = apt::matching(&versions, &toolchain.release) else {
                    bail!("its rust-src is {}", versions.first().map_or("absent", String::as_str));
                };
                say(&format!("downloading rust-src {version}"));
                library_sources = Some(unpack_library_sources(&suite, version, &work.join("rust-src"))?);
            }
            // From the suite whose Rust fits, or a later one: that Rust was built against its C library.
            unpack_c_library(&suite, &work.join("wasi-libc"), say)
        })();
        match found {
            Ok(c_library) => return Ok(Packages { library_sources, c_library }),
            Err(error) => looked.push(format!("{name}: {error:#}")),
        }
    }
    bail!("no suite has what is needed ({})", looked.join("; "))
}

fn unpack_library_sources(suite: &apt::Suite, version: &str, into: &Path) -> Result<PathBuf> {
    process::remove_dir(into)?;
    suite.unpack("rust-src", version, into)?;
    let mut dirs = fs::read_dir(into.join("usr/src"))?.flatten().map(|entry| entry.path());
    dirs.find(|dir| has_library_sources(dir)).context("the package rust-src has no library sources")
}

fn unpack_c_library(suite: &apt::Suite, into: &Path, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let versions = suite.versions("wasi-libc")?;
    let version = versions.first().context("it has no wasi-libc")?;
    say(&format!("downloading wasi-libc {version}"));
    process::remove_dir(into)?;
    suite.unpack("wasi-libc", version, into)?;
    let dir = into.join("usr/lib").join(TARGET);
    if !dir.join("libc.a").is_file() {
        bail!("its wasi-libc {version} does not know {TARGET}");
    }
    Ok(dir)
}

fn has_library_sources(dir: &Path) -> bool {
    dir.join("library/std/Cargo.toml").is_file()
}

/// `-Zbuild-std` looks for the sources in one fixed directory of the toolchain; during the build, a link leads from
/// there to `work`.
struct SourceLink {
    made: Option<PathBuf>,
}

impl SourceLink {
    fn make(toolchain: &Toolchain, sources: Option<&Path>) -> Result<SourceLink> {
        let Some(sources) = sources else { return Ok(SourceLink { made: None }) };
        let link = toolchain.sources();
        let parent = link.parent().context("no directory for the sources")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        std::os::unix::fs::symlink(sources, &link).with_context(|| format!("cannot create {}", link.display()))?;
        Ok(SourceLink { made: Some(link) })
    }
}

impl Drop for SourceLink {
    fn drop(&mut self) {
        if let Some(link) = &self.made {
            let _ = fs::remove_file(link);
            // Succeeds only if the directory is empty: then it was created for the link.
            let _ = link.parent().map(fs::remove_dir);
        }
    }
}

/// Builds an empty library, and with it the standard library, below `work`; returns the directory of the results.
fn build_library(toolchain: &Toolchain, work: &Path) -> Result<PathBuf> {
    let empty = work.join("empty");
    fs::create_dir_all(empty.join("src"))?;
    // A workspace of its own, so that cargo does not take it for a member of the project around it.
    fs::write(
        empty.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::write(empty.join("src/lib.rs"), "#![no_std]\n")?;
    let target = work.join("target");
    let mut cargo = process::command("cargo");
    cargo.args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort", "--target-dir"]).arg(&target);
    // The distribution itself builds its library with `-Zbuild-std`; the variable lets a stable cargo accept it. The
    // flags are separated by 0x1f so that a path may contain blanks; panics must not tell where this was built.
    let remap = format!("--remap-path-prefix={}=/rustc", toolchain.sources().display());
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", [LIBRARY_FLAGS, &remap].join("\u{1f}"));
    process::show(cargo.current_dir(&empty), BUILD_LIMIT)?;
    Ok(target.join(TARGET).join("release/deps"))
}

fn install(toolchain: &Toolchain, libraries: &Path, c_library: &Path) -> Result<()> {
    let place = toolchain.rustlib().join(TARGET);
    let new = toolchain.rustlib().join(format!(".{TARGET}.new"));
    process::remove_dir(&new)?;
    let self_contained = new.join("lib/self-contained");
    fs::create_dir_all(&self_contained).with_context(|| format!("cannot write to {}", new.display()))?;
    for entry in fs::read_dir(libraries)? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(&file, new.join("lib").join(name))?;
        }
    }
    for (name, needed) in [("libc.a", true), ("crt1-command.o", true), ("crt1-reactor.o", true), ("crt1.o", false)] {
        let file = c_library.join(name);
        if needed || file.is_file() {
            fs::copy(&file, self_contained.join(name)).with_context(|| format!("wasi-libc has no {name}"))?;
        }
    }
    // The existing directory has no standard library, else we would not be here.
    process::remove_dir(&place)?;
    fs::rename(&new, &place).with_context(|| format!("cannot create {}", place.display()))?;
    if !toolchain.has_target() {
        bail!("the build succeeded, yet {} has no standard library", toolchain.libdir.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(sysroot: &Path) -> Toolchain {
        let rustlib = sysroot.join("lib/rustlib");
        fs::create_dir_all(&rustlib).unwrap();
        Toolchain { libdir: rustlib.join(TARGET).join("lib"), sysroot: sysroot.into(), release: "1.95.0".into() }
    }

    #[test]
    fn a_directory_without_the_library_is_no_target() {
        let dir = tempfile::tempdir().unwrap();
        let toolchain = toolchain(dir.path());
        assert!(!toolchain.has_target());
        fs::create_dir_all(&toolchain.libdir).unwrap();
        fs::write(toolchain.libdir.join("libstd_detect-1.rlib"), "").unwrap();
        assert!(!toolchain.has_target());
        fs::write(toolchain.libdir.join("libstd-1.rlib"), "").unwrap();
        assert!(toolchain.has_target());
    }

    #[test]
    fn a_half_made_target_is_replaced_by_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let toolchain = toolchain(dir.path());
        let from = dir.path().join("from");
        fs::create_dir_all(&from).unwrap();
        for name in ["libstd-1.rlib", "libempty-2.rlib", "libstd-1.d", "libc.a", "crt1-command.o", "crt1-reactor.o"] {
            fs::write(from.join(name), name).unwrap();
        }
        fs::create_dir_all(&toolchain.libdir).unwrap();
        fs::write(toolchain.libdir.join("libcore-9.rlib"), "left over").unwrap();
        fs::create_dir_all(toolchain.rustlib().join(".wasm32-wasip2.new/lib")).unwrap();

        install(&toolchain, &from, &from).unwrap();

        let names = |dir: &Path| {
            let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&toolchain.libdir), ["libstd-1.rlib", "self-contained"]);
        assert_eq!(names(&toolchain.libdir.join("self-contained")), ["crt1-command.o", "crt1-reactor.o", "libc.a"]);
        assert_eq!(names(&toolchain.rustlib()), [TARGET]);
    }

    #[test]
    fn our_link_to_the_sources_goes_away_even_after_a_kill_and_a_foreign_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let toolchain = toolchain(dir.path());
        let sources = dir.path().join("setup/rust-src/usr/src/rustc-1.95.0");
        fs::create_dir_all(sources.join("library/std")).unwrap();
        fs::write(sources.join("library/std/Cargo.toml"), "").unwrap();
        let src = toolchain.rustlib().join("src");

        let link = SourceLink::make(&toolchain, Some(&sources)).unwrap();
        assert!(has_library_sources(&toolchain.sources()));
        drop(link);
        assert!(!src.exists());

        std::mem::forget(SourceLink::make(&toolchain, Some(&sources)).unwrap());
        toolchain.remove_our_link().unwrap();
        assert!(!src.exists());

        let foreign = dir.path().join("foreign");
        fs::rename(&sources, &foreign).unwrap();
        fs::create_dir_all(&src).unwrap();
        std::os::unix::fs::symlink(&foreign, toolchain.sources()).unwrap();
        toolchain.remove_our_link().unwrap();
        assert!(has_library_sources(&toolchain.sources()));
    }
}
