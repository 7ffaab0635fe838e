//! The secrets of a development machine, in a git-ignored `.env`.
//!
//! Guarantee: this code never changes or loses a secret that was once written: it seals identities and names pseudonyms
//! that outlive the run. The file is replaced as a whole, only its owner can read it, and only missing entries are
//! added.
//!
//! The file has lines of `KEY=VALUE`; a value may be in single or double quotes, without escapes. A shell can read it
//! too: `set -a; . ./.env`. The real environment wins over the file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use vigilctl::environment::{environment, named, read, spelled};

const API_KEYS: &str = "SPIN_VARIABLE_API_KEYS";
const PSEUDONYM_KEY: &str = "SPIN_VARIABLE_PSEUDONYM_KEY";
const IDENTITY_KEY: &str = "SPIN_VARIABLE_IDENTITY_KEY";
const LINK_KEY: &str = "SPIN_VARIABLE_LINK_KEY";
const DEV_KEY: &str = "VIGIL_DEV_KEY";

/// The configuration of the application beyond the defaults of spin.toml. No `Debug`: it holds secrets.
pub struct Secrets {
    /// By the names of Spin variables, in lower case.
    pub variables: BTreeMap<String, String>,
    /// A bearer key that `api_keys` admits, to show to the developer; empty if the keys are not ours.
    pub dev_key: String,
}

/// Reads `.env` in `dir`, adds missing entries, and lets `SPIN_VARIABLE_*` of the environment win over it.
pub fn load_or_create(dir: &Path) -> Result<Secrets> {
    let path = dir.join(".env");
    // If two processes start together, neither may write a key that the other does not know.
    let _lock = lock(dir)?;
    let (text, mut entries) = read(&path)?;
    let added = missing(&entries)?;
    if !added.is_empty() {
        replace(&path, &extend(&text, &added))?;
        entries.extend(added);
    }
    Ok(assemble(entries, environment()))
}

/// Whether every `.env` that we write has this variable, whatever the application.
pub fn is_made(variable: &str) -> bool {
    [API_KEYS, PSEUDONYM_KEY, IDENTITY_KEY, LINK_KEY].contains(&spelled(variable).as_str())
}

fn assemble(file: BTreeMap<String, String>, environment: impl Iterator<Item = (String, String)>) -> Secrets {
    let mut dev_key = file.get(DEV_KEY).cloned().unwrap_or_default();
    let variables = named(file, environment);
    if !variables.get("api_keys").is_some_and(|keys| keys.contains(&digest(&dev_key))) {
        dev_key.clear();
    }
    Secrets { variables, dev_key }
}

/// The entries to add. The plain key and its digest belong together: keys that somebody else wrote are not changed.
fn missing(entries: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut added = BTreeMap::new();
    for name in [PSEUDONYM_KEY, IDENTITY_KEY, LINK_KEY] {
        if !entries.contains_key(name) {
            added.insert(name.to_owned(), BASE64_STANDARD.encode(random()?));
        }
    }
    if !entries.contains_key(API_KEYS) {
        let key = match entries.get(DEV_KEY) {
            Some(key) => key.clone(),
            None => format!("vk_{}", BASE64_URL_SAFE_NO_PAD.encode(random()?)),
        };
        let digest = digest(&key);
        let keys = format!(r#"[{{"id":"dev","role":"admin","study":"*","site":"*","sha256":"{digest}"}}]"#);
        added.insert(API_KEYS.to_owned(), keys);
        if !entries.contains_key(DEV_KEY) {
            added.insert(DEV_KEY.to_owned(), key);
        }
    }
    Ok(added)
}

fn extend(text: &str, added: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    if text.is_empty() {
        text.push_str("# Secrets of this development machine. For a shell: set -a; . ./.env\n");
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, value) in added {
        // Single quotes keep a shell from interpreting JSON; base64, digests and our JSON contain none.
        text.push_str(&format!("{name}='{value}'\n"));
    }
    text
}

/// Writes the header that a request with this key has into a file that only its owner can read, for `curl -H @FILE`. So
/// the key is on no command line, which every user of the machine can read.
pub fn write_header(path: &Path, key: &str) -> Result<()> {
    replace(path, &format!("authorization: Bearer {key}\n"))
}

/// Writes the file whole or not at all, and to disk before any data is sealed with a key from it.
fn replace(path: &Path, text: &str) -> Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let new = path.with_added_extension("new");
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The directory itself is the lock: no lock file stays in it.
fn lock(dir: &Path) -> Result<File> {
    let lock = File::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", dir.display()))?;
    Ok(lock)
}

/// Random bytes from the system.
pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no randomness: {error}"))?;
    Ok(bytes)
}

fn digest(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn entries(text: &str) -> BTreeMap<String, String> {
        vigilctl::environment::parse(text).unwrap()
    }

    #[test]
    fn the_first_start_creates_secrets_and_the_second_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(".env")).unwrap();
        let second = load_or_create(dir.path()).unwrap();
        assert_eq!(text, fs::read_to_string(dir.path().join(".env")).unwrap());
        assert!(first.variables == second.variables && first.dev_key == second.dev_key);
        assert_eq!(fs::metadata(dir.path().join(".env")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!dir.path().join(".env.new").exists());
    }

    #[test]
    fn the_secrets_have_the_form_the_application_expects() {
        let all = assemble(missing(&BTreeMap::new()).unwrap(), std::iter::empty());
        let bytes = |name: &str| BASE64_STANDARD.decode(&all.variables[name]).unwrap();
        assert!(["pseudonym_key", "identity_key", "link_key"].iter().all(|name| bytes(name).len() == 32));
        assert_ne!(bytes("pseudonym_key"), bytes("identity_key"));
        assert!(all.dev_key.starts_with("vk_") && all.dev_key.len() == 46);
        assert_eq!(
            all.variables["api_keys"],
            format!(r#"[{{"id":"dev","role":"admin","study":"*","site":"*","sha256":"{}"}}]"#, digest(&all.dev_key))
        );
    }

    #[test]
    fn missing_entries_are_added_below_lines_that_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let before = "# mine\nSPIN_VARIABLE_IDENTITY_KEY=abc\nexport OTHER=1";
        fs::write(dir.path().join(".env"), before).unwrap();
        load_or_create(dir.path()).unwrap();
        let after = fs::read_to_string(dir.path().join(".env")).unwrap();
        let added = after.strip_prefix(before).unwrap();
        let names: Vec<&str> = added.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert_eq!(names, [API_KEYS, LINK_KEY, PSEUDONYM_KEY, DEV_KEY]);
    }

    #[test]
    fn a_shell_reads_the_file_as_we_do() {
        let dir = tempfile::tempdir().unwrap();
        let ours = load_or_create(dir.path()).unwrap();
        let print = "set -a; . ./.env; printf %s \"$SPIN_VARIABLE_API_KEYS\"";
        let shell = std::process::Command::new("sh").args(["-c", print]).current_dir(dir.path()).output().unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), ours.variables["api_keys"]);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = entries("SPIN_VARIABLE_REDIS_URL=redis://file\nSPIN_VARIABLE_LEASE_SECONDS=5\nOTHER=x");
        let environment = [("SPIN_VARIABLE_REDIS_URL", "redis://env"), ("HOME", "/")];
        let all = assemble(file, environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let expected = [("lease_seconds", "5"), ("redis_url", "redis://env")];
        assert!(all.variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn what_every_file_of_ours_has_is_no_misspelled_variable() {
        let all = assemble(missing(&BTreeMap::new()).unwrap(), std::iter::empty()).variables;
        assert!(all.keys().all(|name| is_made(name)) && !is_made("api_key"));
        assert_eq!(spelled("alert_route"), "SPIN_VARIABLE_ALERT_ROUTE");
    }

    #[test]
    fn a_key_is_shown_only_when_the_application_admits_it() {
        let mut file = missing(&BTreeMap::new()).unwrap();
        let foreign = [(API_KEYS.to_owned(), "[]".to_owned())];
        assert_eq!(assemble(file.clone(), foreign.into_iter()).dev_key, "");
        // The file has somebody's own keys: none of ours is added.
        file.clear();
        file.insert(API_KEYS.into(), "[]".into());
        assert!(!missing(&file).unwrap().contains_key(DEV_KEY));
        // The plain key survived, its digest did not: the digest is created again.
        file.clear();
        file.insert(DEV_KEY.into(), "vk_kept".into());
        assert!(missing(&file).unwrap()[API_KEYS].contains(&digest("vk_kept")));
    }
}
