//! `vigilctl verify`: proves an export after the fact, with nothing but the export.
//!
//! Guarantee: every file is compared with its manifest, submissions that no manifest has are told, and every score of the
//! JSON lines is computed again from the answers, by the definition and the parameters that scored it, with the code that
//! scores. What differs is told by the ids of submission and score; no answer and no score is shown.
//!
//! Not for: whether the manifest itself is the one that was made. Keep its hash elsewhere to know that.

mod files;
mod scores;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::export::manifest::{Beside, Format, Holds, Manifest, is_given};
use scores::Definitions;

/// The findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Files that were compared with their manifests.
    pub files: u64,
    /// Rows of JSON lines.
    pub rows: u64,
    /// Scores that were computed again.
    pub scores: u64,
    /// The number of faults.
    pub faults: u64,
}

/// Tells and counts faults.
struct Report<W> {
    out: W,
    found: Found,
}

impl<W: Write> Report<W> {
    fn fault(&mut self, whose: &dyn std::fmt::Display, fault: &str) -> io::Result<()> {
        self.found.faults += 1;
        writeln!(self.out, "{whose}: {fault}")
    }
}

/// Verifies a manifest, the manifests of a folder, or one file of JSON lines with the definitions of a folder. Each fault
/// is a line of `out`.
///
/// # Errors
/// When there is nothing to verify, or it cannot be read.
pub fn run(path: &Path, definitions: Option<&Path>, out: impl Write) -> Result<Found> {
    let mut report = Report { out, found: Found::default() };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !path.is_dir() && !Manifest::is_name(&name) {
        let beside = path.with_file_name("definitions");
        let folder = definitions.unwrap_or(&beside);
        let all = Definitions::read(folder, &mut report);
        let all =
            all.with_context(|| format!("cannot read the definitions in {}: see --definitions", folder.display()))?;
        scores::verify(path, &name, &all, &mut report).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(report.found);
    }
    let mut manifests = Vec::new();
    for path in named(path)? {
        let shown = path.display();
        let text = fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
        let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("{shown} is no manifest"))?;
        manifests.push(manifest);
    }
    if manifests.is_empty() {
        bail!("{} has no manifest: it has no export, or one that broke off", path.display());
    }
    manifests.sort_by_key(|manifest| manifest.number);
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    for pair in manifests.windows(2) {
        let [before, next] = pair else { continue };
        if next.number != before.number + 1 || next.after.as_ref() != Some(&before.cursor) {
            report.fault(&next.title(), &format!("does not go on where {} ended", before.title()))?;
        }
    }
    if path.is_dir() {
        if let Some(first) = manifests.first().filter(|first| first.number != 1) {
            report.fault(
                &first.title(),
                &format!("goes on where {} ended, which is not there", Manifest::name(first.number - 1)),
            )?;
        }
        unlisted(dir, &manifests, &mut report)?;
    }
    for manifest in &manifests {
        manifest_of(dir, manifest, definitions, &mut report)?;
    }
    Ok(report.found)
}

/// The manifest, or the manifests of the folder.
fn named(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        if Manifest::is_name(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Tells of submissions in the folder that no manifest has: the export that wrote them broke off.
fn unlisted(dir: &Path, manifests: &[Manifest], report: &mut Report<impl Write>) -> Result<()> {
    let listed: BTreeSet<&str> =
        manifests.iter().flat_map(|manifest| &manifest.files).map(|file| file.name.as_str()).collect();
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    for name in names.iter().filter(|name| is_given(name) && !listed.contains(name.as_str())) {
        report.fault(name, "is in no manifest: its export broke off, or its manifest was removed")?;
    }
    Ok(())
}

fn manifest_of(
    dir: &Path,
    manifest: &Manifest,
    definitions: Option<&Path>,
    report: &mut Report<impl Write>,
) -> Result<()> {
    for file in &manifest.files {
        files::compare(dir, manifest, file, report)?;
    }
    for definition in manifest.definitions.iter().filter(|definition| definition.file.is_none()) {
        let fault = format!("lacks the definition {} of {} {}", definition.sha256, definition.id, definition.version);
        report.fault(&manifest.title(), &fault)?;
    }
    let lines = manifest.files.iter().filter(|file| file.holds == Holds::Submissions(Format::Ndjson));
    let own: Vec<PathBuf> = manifest
        .files
        .iter()
        .filter(|file| file.holds == Holds::Beside(Beside::Definition) && file.is_below())
        .map(|file| dir.join(&file.name))
        .collect();
    let all = match definitions {
        Some(folder) => Definitions::read(folder, report)
            .with_context(|| format!("cannot read the definitions in {}", folder.display()))?,
        None => Definitions::of(&own, report)?,
    };
    if manifest.formats.contains(&Format::Ndjson) && lines.clone().next().is_none() {
        report.fault(&manifest.title(), "names no file of JSON lines")?;
    }
    for file in lines.filter(|file| file.is_below() && dir.join(&file.name).is_file()) {
        scores::verify(&dir.join(&file.name), &file.name, &all, report)?;
    }
    Ok(())
}
