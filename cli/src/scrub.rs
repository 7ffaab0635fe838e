//! Clears what was deleted from the disk.
//!
//! Guarantee: a certificate says `"disk": "cleared"` only if it was there before the store's file and the files of Redis were
//! written anew, and both were. It may be interrupted and repeated.
//!
//! Not for: backups, replicas, and the blocks of a file system that the files had before.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use platform::clock;
use platform::kv::{self, Location, Replacement};
use platform::redis::{PATIENCE, Redis, string, text};
use state::erasure::study::StudyErasure;
use state::erasure::subject::{Certificate, Disk};

use crate::PAGE;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The number of certificates that say so since.
    pub certificates: usize,
}

/// The pause before Redis is asked again whether it is done.
const PAUSE: Duration = Duration::from_millis(200);

/// Clears the files of the store and of Redis.
///
/// # Errors
/// When one of them cannot be cleared. No certificate says so then.
pub fn run(location: &Location, redis_url: &str) -> Result<Cleared> {
    crate::block_on(async {
        kv::open_at(location)?;
        let pending = pending()?;
        match location {
            Location::StateDir(_) => kv::scrub()?,
            Location::Redis(address) => rewrite(address).await.context("the Redis of the store")?,
        }
        rewrite(redis_url).await.context("the Redis of the queues")?;
        let at = clock::now().rfc3339();
        let mut certificates = 0;
        for some in pending.chunks(PAGE as usize) {
            let mut changes = Vec::with_capacity(some.len());
            for (key, old) in some {
                let new = cleared(key, old, &at)?.map(String::into_bytes);
                changes.extend(new.map(|new| Replacement { key: key.clone(), old: old.clone(), new }));
            }
            // Another erasure may have written another certificate meanwhile.
            certificates += kv::replace_each(&changes)?.into_iter().filter(|replaced| *replaced).count();
        }
        Ok(Cleared { at, certificates })
    })
}

/// The certificates that are pending: keys and bytes.
fn pending() -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for prefix in ["subject/", "study/"] {
        let mut listing = kv::list(prefix)?;
        loop {
            let page = listing.next_page(PAGE)?;
            if page.is_empty() {
                break;
            }
            for (key, bytes) in page {
                if cleared(&key, &bytes, "").with_context(|| format!("{key} cannot be read"))?.is_some() {
                    all.push((key, bytes));
                }
            }
        }
    }
    Ok(all)
}

/// A record as it is when the disk was cleared; none if it is no certificate that is pending.
fn cleared(key: &str, bytes: &[u8], at: &str) -> Result<Option<String>, platform::Error> {
    let (disk, cleared_at) = (Disk::Cleared, Some(at.to_owned()));
    if key.starts_with("subject/") && key.ends_with("/erased") {
        let certificate: Certificate = kv::read(bytes)?;
        let is_pending = certificate.disk == Disk::Pending;
        return is_pending.then(|| kv::json(&Certificate { disk, cleared_at, ..certificate })).transpose();
    }
    if key.starts_with("study/") && key.ends_with("/erasure") {
        let certificate: StudyErasure = kv::read(bytes)?;
        let is_pending = certificate.disk == Some(Disk::Pending);
        return is_pending.then(|| kv::json(&StudyErasure { disk: Some(disk), cleared_at, ..certificate })).transpose();
    }
    Ok(None)
}

/// Has Redis rewrite its append-only file, and its snapshot if it makes some, and waits for that.
async fn rewrite(address: &str) -> Result<()> {
    let redis = Redis::patient(address, PATIENCE);
    settled(&redis).await?;
    redis.command("BGREWRITEAOF", Vec::new()).await?;
    let info = settled(&redis).await?;
    if says(&info, "aof_last_bgrewrite_status") != Some("ok") {
        bail!("Redis could not rewrite its append-only file: its own log says why");
    }
    let saves = redis.command("CONFIG", vec![text("GET"), text("save")]).await?;
    if saves.get(1).and_then(string).is_none_or(|points| points.is_empty()) {
        return Ok(());
    }
    redis.command("BGSAVE", Vec::new()).await?;
    let info = settled(&redis).await?;
    if says(&info, "rdb_last_bgsave_status") != Some("ok") {
        bail!("Redis could not write its snapshot: its own log says why");
    }
    Ok(())
}

/// Waits until Redis writes no file in the background. Returns what it tells of its persistence.
async fn settled(redis: &Redis) -> Result<String> {
    loop {
        let info = redis.command("INFO", vec![text("persistence")]).await?;
        let info = info.first().and_then(string).context("Redis does not tell whether it is writing its files")?;
        let writes = ["aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"];
        if writes.iter().all(|what| says(&info, what) == Some("0")) {
            return Ok(info);
        }
        clock::sleep(PAUSE).await;
    }
}

fn says<'a>(info: &'a str, what: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platform::kv::{Batch, Store};
    use state::names;

    use super::*;
    use crate::tests::on_both_stores;

    const SECRET: &str = "a cough since Tuesday, and nobody else knows";

    /// Whether a text is in one of the files of a folder.
    fn holds(folder: &Path, wanted: &str) -> bool {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes()))
    }

    fn certificate(subject: &str) -> String {
        format!(
            r#"{{"pseudonym":"{subject}","study":"A","site":"1","state":"erased","erasedAt":"2026-03-02T00:00:00.000Z","erasedBy":"k","submissions":7,"analyses":1,"identity":true,"reason":"r","disk":"pending"}}"#
        )
    }

    fn put(records: &[(String, String)]) {
        let mut batch = Batch::default();
        records.iter().for_each(|(key, value)| batch.put_text(key.clone(), value.clone()));
        kv::put_all(&mut batch).unwrap();
    }

    #[test]
    fn what_was_deleted_is_in_no_file_and_certificates_say_when() {
        on_both_stores(|location, queues| {
            let keys: Vec<String> = (0..500).map(|number| format!("submission/{number}")).collect();
            let records: Vec<_> = keys.iter().map(|key| (key.clone(), format!("{key} {SECRET}"))).collect();
            put(&records);
            put(&[("alert/1".to_owned(), "what stays".to_owned()), ("subject/p/links".to_owned(), "{}".to_owned())]);
            kv::remove_all(&keys).unwrap();
            let name = names::subject_erased(&"p".into());
            let study = names::study_erasure(&"A".into());
            let of_study = r#"{"study":"A","state":"erased","beganAt":"2026-03-02T00:00:00.000Z","beganBy":"k","reason":"r","subjects":1,"submissions":2,"analyses":0,"erasedAt":"2026-03-02T00:00:00.000Z","disk":"pending"}"#;
            put(&[(name.clone(), certificate("p")), (study.clone(), of_study.to_owned())]);
            if let Location::StateDir(folder) = location {
                assert!(holds(folder, SECRET), "SQLite leaves it until then");
            }
            let done = run(location, queues).unwrap();
            if let Location::StateDir(folder) = location {
                assert!(!holds(folder, SECRET) && holds(folder, "what stays"));
            }
            let stored = || crate::block_on(async { Ok(Store::open().await?.get::<Certificate>(&name).await?) });
            let now = stored().unwrap().unwrap();
            assert_eq!((done.certificates, now.disk, now.cleared_at.as_ref()), (2, Disk::Cleared, Some(&done.at)));
            let stored_study = crate::block_on(async { Ok(Store::open().await?.get::<StudyErasure>(&study).await?) });
            assert_eq!(stored_study.unwrap().unwrap().cleared_at, Some(done.at));
            assert_eq!(run(location, queues).unwrap().certificates, 0);
            assert_eq!(stored().unwrap().unwrap(), now);
        });
    }

    #[test]
    fn without_redis_no_certificate_says_that_it_is_cleared() {
        on_both_stores(|location, _| {
            let name = names::subject_erased(&"p".into());
            put(&[(name.clone(), certificate("p"))]);
            assert!(run(location, "redis://127.0.0.1:1").is_err());
            let now = crate::block_on(async { Ok(Store::open().await?.bytes(&name).await?) }).unwrap();
            assert_eq!(now, Some(certificate("p").into_bytes()));
        });
    }
}
