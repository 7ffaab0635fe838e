//! The folder of an export.
//!
//! Guarantee: a file has its name only when it is whole and on the disk, and a manifest only when all its files have
//! theirs. An export that is replaced stays as it is until the new one is whole. Others cannot read what is written here.
//!
//! Mechanism: files are written under temporary names. At the end the old manifests go, then the files get their names,
//! then the manifest is written. What an export that broke off left behind is removed by the next one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use domain::ids::StudyId;
use platform::digest::{Hasher, hex};

use super::manifest::{Holds, Manifest, Written};

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

    /// Gives the files their names and writes the manifest. `replaces` removes the exports that are there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn publish(self, mut manifest: Manifest, replaces: bool) -> Result<Manifest> {
        let Folder { dir, earlier, files } = self;
        if replaces {
            let new: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
            for old in &earlier {
                fs::remove_file(dir.join(old.title()))?;
            }
            let old = earlier.iter().flat_map(|old| &old.files);
            for old in old.filter(|old| old.is_below() && !new.contains(old.name.as_str())) {
                gone(fs::remove_file(dir.join(&old.name)))?;
            }
        }
        for file in &files {
            let unfinished = dir.join(format!("{}{UNFINISHED}", file.name));
            if unfinished.is_file() {
                fs::rename(unfinished, dir.join(&file.name))?;
            }
        }
        for dir in [dir.clone()].into_iter().chain(BELOW.map(|below| dir.join(below))) {
            File::open(dir)?.sync_all()?;
        }
        manifest.files = files;
        let name = manifest.title();
        let unfinished = dir.join(format!("{name}{UNFINISHED}"));
        let mut file = private().open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(unfinished, dir.join(name))?;
        File::open(&dir)?.sync_all()?;
        Ok(manifest)
    }
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
