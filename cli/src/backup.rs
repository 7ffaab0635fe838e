//! Copies of the store's file, with the keys of subjects or without them.
//!
//! Guarantee: a copy is the store at one moment, also beside an application that writes. It has its name when it is whole. What
//! is to be left out is never written.
//!
//! Not for a store in Redis, which has its own backups.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use platform::kv::{self, Added, Location, Part};

/// The beginning of the records of subjects' keys.
pub const KEYS: &str = "subject-keys/";

/// Copies a part of the store into a file that must not be there yet.
///
/// # Errors
/// When the store is no file, or the copy cannot be written.
pub fn copy(location: &Location, out: &Path, part: Part<'_>) -> Result<()> {
    if out.exists() {
        bail!("{} is there already", out.display());
    }
    kv::open_at(location)?;
    let mut partial = out.as_os_str().to_owned();
    partial.push(".part");
    // Left by a copy that broke off.
    if Path::new(&partial).exists() {
        fs::remove_file(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    kv::copy_to(Path::new(&partial), part)?;
    fs::rename(&partial, out).with_context(|| format!("cannot write {}", out.display()))
}

/// Adds the keys of subjects of a copy to the store, of those that have none there. Those that have others there keep them.
///
/// # Errors
/// When the store is no file, or one of the files cannot be used.
pub fn restore_keys(location: &Location, from: &Path) -> Result<Added> {
    if !from.is_file() {
        bail!("there is no file {}", from.display());
    }
    kv::open_at(location)?;
    Ok(kv::add_from(from, KEYS)?)
}

#[cfg(test)]
mod tests {
    use platform::kv::{Batch, Store};

    use super::*;
    use crate::tests::on_both_stores;

    fn keys(location: &Location) -> Vec<String> {
        kv::open_at(location).unwrap();
        let mut listing = kv::list("").unwrap();
        listing.next_page(100).unwrap().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_copy_has_the_part_that_was_asked_for_and_keys_come_back() {
        on_both_stores(|location, _| {
            let all = ["a", "subject-keys", "subject-keys/p", "subject-keys/q", "subject/p"];
            let mut batch = Batch::default();
            all.iter().for_each(|key| batch.put_text((*key).to_owned(), format!("value of {key}")));
            kv::put_all(&mut batch).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let place = |name: &str| {
                fs::create_dir_all(folder.path().join(name)).unwrap();
                let folder = folder.path().join(name);
                (folder.join("sqlite_key_value.db"), Location::StateDir(folder))
            };
            let ((whole, at_whole), (without, at_without), (only, at_only)) = (place("1"), place("2"), place("3"));
            if matches!(location, Location::Redis(_)) {
                assert!(copy(location, &whole, Part::All).is_err() && restore_keys(location, &only).is_err());
                return;
            }
            copy(location, &whole, Part::All).unwrap();
            copy(location, &without, Part::Without(KEYS)).unwrap();
            copy(location, &only, Part::Only(KEYS)).unwrap();
            assert!(copy(location, &only, Part::All).is_err(), "a copy that is there stays");
            assert_eq!(keys(&at_whole), all);
            assert_eq!(keys(&at_without), ["a", "subject-keys", "subject/p"]);
            assert_eq!(keys(&at_only), ["subject-keys/p", "subject-keys/q"]);
            assert!(!String::from_utf8_lossy(&fs::read(&without).unwrap()).contains("subject-keys/"));
            // One subject has new keys by now.
            kv::open_at(&at_without).unwrap();
            let mut batch = Batch::default();
            batch.put_text("subject-keys/q".to_owned(), "newer".to_owned());
            kv::put_all(&mut batch).unwrap();
            assert_eq!(restore_keys(&at_without, &only).unwrap(), Added { added: 1, differ: 1 });
            assert_eq!(keys(&at_without), all);
            let newer = crate::block_on(async { Ok(Store::open().await?.bytes("subject-keys/q").await?) });
            assert_eq!(newer.unwrap().as_deref(), Some(&b"newer"[..]));
            assert_eq!(restore_keys(&at_whole, &only).unwrap(), Added { added: 0, differ: 0 });
        });
    }
}
