//! The operator's program `vigilctl` as a library: scoring of files, and what is done to an installation's data.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub mod backup;
pub mod environment;
pub mod export;
pub mod log;
mod progress;
pub mod pseudonym_key;
pub mod reindex;
pub mod reseal;
pub mod score;
pub mod scrub;
pub mod verify;

/// The number of records of the store that are read at a time.
const PAGE: u32 = 256;

/// Runs what the program does. It does one thing, on one thread.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?.block_on(work)
}

/// The file named, or the nearest spin.toml: cargo runs us in whatever directory the person is in.
///
/// # Errors
/// When there is none.
pub fn find_spin_toml(named: Option<PathBuf>) -> Result<PathBuf> {
    let file = match named {
        Some(file) => file,
        None => {
            let here = std::env::current_dir()?;
            let candidate = here.ancestors().map(|dir| dir.join("spin.toml")).find(|file| file.is_file());
            candidate.with_context(|| format!("no spin.toml in {} or above it", here.display()))?
        }
    };
    file.canonicalize().with_context(|| format!("cannot find {}", file.display()))
}

#[cfg(test)]
mod tests {
    use platform::kv::{Location, open_at};
    use test_redis::Server;

    /// Does the same on a SQLite file and on a Redis key-value store, each empty, with the address of a Redis for the queues.
    pub(crate) fn on_both_stores(work: impl Fn(&Location, &str) + Sync) {
        let (redis, folder) = (Server::start(), tempfile::tempdir().unwrap());
        let file = rusqlite::Connection::open(folder.path().join("sqlite_key_value.db")).unwrap();
        let table = "CREATE TABLE spin_key_value (store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (store, key))";
        file.execute(table, []).unwrap();
        let (file, server) = (Location::StateDir(folder.path().to_owned()), Location::Redis(redis.database(1)));
        for (location, queues) in [(file, redis.database(2)), (server, redis.database(3))] {
            // A thread remembers as much as an instance.
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    open_at(&location).unwrap();
                    work(&location, &queues);
                });
                assert!(thread.join().is_ok(), "on {location:?}");
            });
        }
    }
}
