//! The folder of an export.
//!
//! Guarantee: a file has its name only when it is whole and on the disk, and a manifest only when all its files have
//! theirs. An export that is replaced stays as it is until the new one is whole. Others cannot read what is written here.
//!
//! Mechanism: files are written under temporary names. At the end the old manifests go, then old files, then the new files get
//! their names, and the manifest last. What an export that broke off left behind is removed by the next one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use domain::ids::StudyId;
use platform::digest::{Hasher, hex};

use super::manifest::{Holds, Manifest, Written, is_given};

/// The end of a temporary name.
const UNFINISHED: &str = ".vigil-part";
/// The beginnings of the names that an export gives, besides manifests.
const OURS: [&str; 4] = ["submissions", "changes", "definitions", "codebooks"];
/// The folders below it.
const BELOW: [&str; 2] = ["definitions", "codebooks"];

/// The folder.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// The exports that are there, by their numbers.
    pub earlier: Vec<Manifest>,
    files: Vec<Written>,
}

impl Folder {
    /// Looks at a folder. It need not exist.
    ///
    /// # Errors
    /// Why a study cannot be exported into it, in words.
    pub fn look(dir: &Path, study: &StudyId) -> Result<Self, String> {
        let shown = dir.display();
        let unread = |error: io::Error| format!("{shown} cannot be read: {error}");
        let mut folder = Folder { dir: dir.to_owned(), earlier: Vec::new(), files: Vec::new() };
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(folder),
            Err(error) => return Err(unread(error)),
        };
        let mut foreign = false;
        for entry in entries {
            let name = entry.map_err(unread)?.file_name().to_string_lossy().into_owned();
            if !Manifest::is_name(&name) {
                foreign |= !name.ends_with(UNFINISHED) && !OURS.iter().any(|ours| name.starts_with(ours));
                continue;
            }
            let text = fs::read(dir.join(&name)).map_err(unread)?;
            let manifest = serde_json::from_slice::<Manifest>(&text);
            let manifest = manifest.map_err(|_| format!("{name} in {shown} is not the manifest of an export"))?;
            if manifest.study != *study {
                return Err(format!("{shown} has an export of the study {}", manifest.study));
            }
            folder.earlier.push(manifest);
        }
        if folder.earlier.is_empty() && foreign {
            return Err(format!("{shown} is not empty and has no export"));
        }
        folder.earlier.sort_by_key(|manifest| manifest.number);
        Ok(folder)
    }

    /// Makes the folder, and removes what an export that broke off left behind.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(&self) -> Result<()> {
        for dir in [self.dir.clone()].into_iter().chain(BELOW.map(|below| self.dir.join(below))) {
            make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if path.to_string_lossy().ends_with(UNFINISHED) {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// A file, under a temporary name.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self, name: &str, holds: Holds) -> Result<Part> {
        let path = self.dir.join(format!("{name}{UNFINISHED}"));
        let file = private().open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let out = BufWriter::with_capacity(1 << 16, file);
        Ok(Part { name: name.to_owned(), holds, path, out, hash: Hasher::default(), bytes: 0, rows: None })
    }

    /// A file for what is written now and read at the end. It is removed then.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn scratch(&self, name: &str) -> Result<Scratch> {
        let path = self.dir.join(format!("{name}{UNFINISHED}"));
        let file = private().open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Scratch { path, out: BufWriter::new(file) })
    }

    /// Takes a file that is whole.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&mut self, part: Part) -> Result<()> {
        self.files.push(part.end()?);
        Ok(())
    }

    /// Writes a small file. If an earlier export of the folder has it, it stays as it is.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put(&mut self, name: &str, holds: Holds, content: &[u8], replaces: bool) -> Result<()> {
        let there = self.dir.join(name);
        if !replaces && there.is_file() {
            let (bytes, sha256) = measure(&there)?;
            self.files.push(Written { name: name.to_owned(), holds, rows: None, bytes, sha256 });
            return Ok(());
        }
        let mut part = self.create(name, holds)?;
        part.write_all(content)?;
        self.keep(part)
    }

    /// Gives the files their names and writes the manifest. `replaces` removes the exports that are there, and what one
    /// that broke off left behind.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn publish(mut self, mut manifest: Manifest, replaces: bool) -> Result<Manifest> {
        manifest.files = std::mem::take(&mut self.files);
        for step in self.steps(&manifest, replaces)? {
            step.run()?;
        }
        Ok(manifest)
    }

    /// Writes the manifest under a temporary name. Returns what is left to do, in an order in which it may break off after
    /// any step: an earlier export loses its manifest before it loses a file, the latest one first, and the manifest gets
    /// its name last.
    fn steps(&self, manifest: &Manifest, replaces: bool) -> Result<Vec<Step>> {
        let Folder { dir, earlier, .. } = self;
        let mut steps = Vec::new();
        if replaces {
            let new: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
            let listed = earlier.iter().flat_map(|old| &old.files).filter(|old| old.is_below());
            let mut old: BTreeSet<String> = listed.map(|old| old.name.clone()).collect();
            old.extend(left_behind(dir)?);
            steps.extend(earlier.iter().rev().map(|old| Step::Remove(dir.join(old.title()))));
            steps.push(Step::Sync(dir.clone()));
            steps.extend(old.iter().filter(|old| !new.contains(old.as_str())).map(|old| Step::Remove(dir.join(old))));
        }
        let named = |name: &str| (dir.join(format!("{name}{UNFINISHED}")), dir.join(name));
        let unfinished = manifest.files.iter().map(|file| named(&file.name)).filter(|(from, _)| from.is_file());
        steps.extend(unfinished.map(|(from, to)| Step::Name(from, to)));
        steps.extend([dir.clone()].into_iter().chain(BELOW.map(|below| dir.join(below))).map(Step::Sync));
        let (unfinished, name) = named(&manifest.title());
        let mut file = private().open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        steps.extend([Step::Name(unfinished, name), Step::Sync(dir.clone())]);
        Ok(steps)
    }
}

/// A step of publishing an export.
enum Step {
    /// Removes a file, if it is there.
    Remove(PathBuf),
    /// Gives a file that is on the disk its name.
    Name(PathBuf, PathBuf),
    /// Waits until the names in a folder are on the disk.
    Sync(PathBuf),
}

impl Step {
    fn run(self) -> io::Result<()> {
        match self {
            Step::Remove(path) => gone(fs::remove_file(path)),
            Step::Name(from, to) => fs::rename(from, to),
            Step::Sync(dir) => File::open(dir)?.sync_all(),
        }
    }
}

/// The files in a folder and below it whose names an export gives, whether a manifest has them or not.
fn left_behind(dir: &Path) -> io::Result<Vec<String>> {
    let mut left = Vec::new();
    for below in [None].into_iter().chain(BELOW.map(Some)) {
        for entry in fs::read_dir(below.map_or_else(|| dir.to_owned(), |below| dir.join(below)))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let name = below.map(|below| [below, "/", &name].concat()).unwrap_or(name);
            left.extend(Some(name).filter(|name| is_given(name)));
        }
    }
    Ok(left)
}

/// It is no error if it was gone before.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The options that open files with patients' data for writing.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// The length of a file and its SHA-256, hex.
///
/// # Errors
/// Those of the file system.
pub fn measure(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut length) = (File::open(path)?, Hasher::default(), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut piece)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        length += u64::try_from(read.len()).unwrap_or(u64::MAX);
    }
    Ok((length, hex(&hash.finish())))
}

/// A file for what is written now and read at the end.
pub struct Scratch {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Scratch {
    /// Adds a piece.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn add(&mut self, piece: &str) -> io::Result<()> {
        self.out.write_all(piece.as_bytes())
    }

    /// Everything that was written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(mut self) -> io::Result<String> {
        self.out.flush()?;
        fs::read_to_string(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next export removes a file that stays.
        let _ = fs::remove_file(&self.path);
    }
}

/// A file that is being written. It counts and hashes what is written.
pub struct Part {
    name: String,
    holds: Holds,
    path: PathBuf,
    out: BufWriter<File>,
    hash: Hasher,
    bytes: u64,
    rows: Option<u64>,
}

impl Part {
    /// Counts rows.
    pub fn count(&mut self, rows: usize) {
        *self.rows.get_or_insert_default() += u64::try_from(rows).unwrap_or(u64::MAX);
    }

    fn end(mut self) -> Result<Written> {
        self.out.flush()?;
        self.out.get_ref().sync_all().with_context(|| format!("cannot write {}", self.path.display()))?;
        let Part { name, holds, rows, bytes, hash, .. } = self;
        Ok(Written { name, holds, rows, bytes, sha256: hex(&hash.finish()) })
    }
}

impl Write for Part {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.out.write_all(piece)?;
        self.hash.update(piece);
        self.bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::manifest::{Beside, Format, numbered};
    use crate::verify;

    /// An export of these tables with so many rows that was written and not yet published.
    fn written(dir: &Path, number: u32, tables: &[&str], rows: usize) -> (Folder, Manifest) {
        let mut folder = Folder::look(dir, &"A".into()).unwrap();
        folder.begin().unwrap();
        for table in tables {
            let name = format!("{}-{table}.csv", numbered("submissions", number));
            let mut part = folder.create(&name, Holds::Submissions(Format::CsvLong)).unwrap();
            part.write_all(format!("head\n{}", format!("{number} of {rows}\n").repeat(rows)).as_bytes()).unwrap();
            part.count(rows);
            folder.keep(part).unwrap();
        }
        let definition = format!("definitions/{}@1.json", tables.last().unwrap());
        folder.put(&definition, Holds::Beside(Beside::Codebook), b"{}", number == 1).unwrap();
        let manifest = Manifest {
            study: "A".into(),
            number,
            made_at: String::new(),
            made_by: String::new(),
            formats: [Format::CsvLong].into(),
            bom: false,
            sites: BTreeSet::new(),
            after: (number > 1).then(|| (number - 1).to_string()),
            cursor: number.to_string(),
            rows: rows as u64,
            files: folder.files.clone(),
            definitions: Vec::new(),
        };
        (folder, manifest)
    }

    fn publish(dir: &Path, number: u32, tables: &[&str], rows: usize) {
        let (folder, manifest) = written(dir, number, tables, rows);
        folder.publish(manifest, number == 1).unwrap();
    }

    /// All files, with their paths.
    fn names(dir: &Path) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for below in [""].into_iter().chain(BELOW) {
            let files = fs::read_dir(dir.join(below)).unwrap().map(|entry| entry.unwrap());
            let files = files.filter(|entry| entry.file_type().unwrap().is_file());
            names.extend(files.map(|entry| format!("{below}/{}", entry.file_name().to_str().unwrap())));
        }
        names
    }

    /// The number of faults; none if the folder has no export.
    fn faults(dir: &Path) -> Option<u64> {
        verify::run(dir, None, Vec::new()).ok().map(|found| found.faults)
    }

    #[test]
    fn an_export_that_breaks_off_at_any_step_is_not_taken_for_a_whole_one_and_the_next_one_is_whole() {
        let clean = tempfile::tempdir().unwrap();
        publish(clean.path(), 1, &["long", "wide-b"], 3);
        let expected = names(clean.path());
        let mut broken = 0;
        for stop in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            publish(dir, 1, &["long", "wide-a"], 2);
            publish(dir, 2, &["long", "wide-a"], 1);
            let before = names(dir);
            assert_eq!(faults(dir), Some(0));
            let (folder, mut manifest) = written(dir, 1, &["long", "wide-b"], 3);
            manifest.files.clone_from(&folder.files);
            let steps = folder.steps(&manifest, true).unwrap();
            let all = steps.len();
            steps.into_iter().take(stop).for_each(|step| step.run().unwrap());
            let whole = if stop + 1 >= all { &expected } else { &before };
            let left: BTreeSet<String> = names(dir).into_iter().filter(|name| !name.ends_with(UNFINISHED)).collect();
            // Before the first step the earlier exports are as they were, and after the last but one the new one is there.
            assert_eq!(faults(dir) == Some(0), left == *whole, "after {stop} of {all}: {left:?}");
            broken += usize::from(faults(dir) != Some(0));
            publish(dir, 1, &["long", "wide-b"], 3);
            assert_eq!((faults(dir), names(dir)), (Some(0), expected.clone()), "after {stop} of {all}");
            if stop >= all {
                break;
            }
        }
        assert!(broken > 8, "{broken}");
    }

    #[test]
    fn a_part_that_breaks_off_at_any_step_leaves_the_parts_before_it() {
        for stop in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            publish(dir, 1, &["long", "wide-a"], 2);
            let (folder, manifest) = written(dir, 2, &["long", "wide-b"], 1);
            let steps = folder.steps(&manifest, false).unwrap();
            let all = steps.len();
            steps.into_iter().take(stop).for_each(|step| step.run().unwrap());
            let parts = Folder::look(dir, &"A".into()).unwrap().earlier.len();
            assert_eq!(parts, if stop + 1 >= all { 2 } else { 1 }, "after {stop} of {all}");
            // A file that has its name already and no manifest is told.
            let unlisted = parts == 1 && dir.join("submissions-0002-long.csv").exists();
            assert_eq!(faults(dir).unwrap() > 0, unlisted, "after {stop} of {all}");
            if parts == 1 {
                publish(dir, 2, &["long", "wide-b"], 1);
            }
            assert_eq!(faults(dir), Some(0), "after {stop} of {all}");
            if stop >= all {
                break;
            }
        }
    }
}
