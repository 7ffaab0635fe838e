//! `vigilctl`: the operator's program.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use platform::kv::{Location, Part};
use state::identity::{IdentityKey, KeyRing};
use vigilctl::backup;
use vigilctl::export::job::Asked;
use vigilctl::export::manifest::Definition;
use vigilctl::log;
use vigilctl::reseal::Counts;
use vigilctl::score::{self, Ended, Job};
use vigilctl::verify::Found;
use vigilctl::{environment, find_spin_toml};

/// Works on files and on the data of an installation.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Scores responses from standard input to standard output: JSON lines `{"id"?, "answers": {...}}`, or CSV.
    ///
    /// Exit status: 0 when every line is scored, 1 when some have errors, 2 when nothing could be scored.
    Score {
        /// An instrument of the library (id or id@version), or the path of a definition
        instrument: String,
        /// Sets a parameter of the instrument; may be repeated. A line's own parameters win
        #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
        parameters: Vec<(String, String)>,
        /// Comma-separated values, in and out: a header with the items' ids, perhaps id, and parameters
        #[arg(long)]
        csv: bool,
    },
    /// Seals stored identities and the keys of subjects with the present identity key, where an older one still opens them,
    /// then exits. Contents are not touched: their keys stay the same.
    ///
    /// To change the key: start the application with the new one as `identity_key` and the one before it in
    /// `identity_keys_old`; wait until no submission is queued any more or a dead letter, because what waits carries
    /// identities sealed with the old key and is stored so; run this, beside the application; take the old key out of
    /// `identity_keys_old` when it finds nothing that is to be resealed. Nothing but counts is printed. The exit status
    /// is 1 if a record opens with none of the keys.
    #[command(verbatim_doc_comment)]
    Reseal(Reseal),
    /// Copies the SQLite file of the store, beside the application, then exits.
    ///
    /// The keys of subjects rest in the store, and erasing a subject destroys them: a copy without them has no answers and
    /// identities that could be read after that. Keep copies without keys for long, and copies of the keys for a few days.
    #[command(verbatim_doc_comment)]
    Backup(Backup),
    /// Adds the keys of subjects of a copy to the store, where it has none, then exits.
    ///
    /// For a store that was put back from a copy without keys, before the application is started. Fails where subjects have other
    /// keys in the store, which keeps them.
    #[command(verbatim_doc_comment)]
    RestoreKeys(RestoreKeys),
    /// Clears what was deleted from the files of the store and of Redis, then exits.
    ///
    /// A database leaves what it deleted in its file until something else is written there. This writes the SQLite file anew
    /// and empties its journal, has Redis rewrite its append-only file, and its snapshot where it makes some, and waits until
    /// that is done. Then the certificates of the subjects that were erased before say so: `"disk": "cleared"`. It may run
    /// beside the application, which waits while the file is written: run it at night. Backups, copies by a file system and
    /// replicas of Redis are not reached.
    #[command(verbatim_doc_comment)]
    Scrub(Scrub),
    /// Rebuilds the indexes in Redis from the store, then exits.
    ///
    /// For a Redis that was lost, or put back from a backup that is older than the store: alerts are listed again, their
    /// states and what is due are back, submissions are found by their subject and study, what was superseded or erased is
    /// known, months have their counts, and the settings of the store are in force. What the indexes name and the store
    /// does not have is taken out. The store is only read. It may run beside the application and be repeated. What only
    /// Redis had does not come back: queued submissions, dead letters, counters of the doors.
    #[command(verbatim_doc_comment)]
    Reindex(Reindex),
    /// Forgets which pseudonym key was in use, then exits: for one that was lost for good.
    ///
    /// A component whose `pseudonym_key` is not the one by which the pseudonyms of the store were made refuses everything.
    /// After this, the key that the components have counts. Patients get other pseudonyms than before, so each is a second
    /// subject until the two are linked, and a document that is sent again counts as a new one. If you have the old key, put
    /// it back instead.
    #[command(verbatim_doc_comment)]
    ForgetPseudonymKey(Reindex),
    /// Writes the submissions of a study into a folder, in the order in which they were stored, with a manifest.
    ///
    /// The forms are those of GET /v1/studies/{study}/submissions, with content, scores and alerts. Beside them come the
    /// definitions that scored the rows, their codebooks, and a list of what was superseded or erased later. The manifest
    /// is written last; a folder without one is an export that broke off, and may be used again. An export that is there
    /// is replaced when the new one is whole, or continued with --incremental. The store is only read.
    ///
    /// Exit status: 0 when everything is written; 1 when it is written, but the installation does not have a definition
    /// any more that scored rows, so that these cannot be verified; 2 when it could not be done.
    #[command(verbatim_doc_comment)]
    Export(Export),
    /// Verifies an export, with nothing but its files; or the store, with its signed heads.
    ///
    /// Compares length, hash and rows of every file with the manifest, and computes every score of the JSON lines again
    /// from the answers, by the definition and parameters that scored them. Each line of the output is something that is
    /// not as it should be: ids of submissions and scores, and no patient data.
    ///
    /// With --heads or --head it reads the store and Redis of an installation instead: the signatures and the chain of the
    /// heads, the journals that they cover, and the records that the journals name: submissions, alerts, settings, keys.
    /// Nothing is written. It may run beside the application.
    ///
    /// Exit status: 0 when all is as it should be, 1 when something is not, 2 when it could not be verified.
    #[command(verbatim_doc_comment)]
    Verify(Verify),
}

/// The installation that a tool works on.
#[derive(clap::Args)]
struct Installation {
    /// The store is a SQLite file in this directory: what --state-dir is to `cargo run` or `spin up` [default: .vigil beside
    /// spin.toml]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The store is a Redis key-value store: the `url` of [key_value_store.default] in the file that `spin up` has as
    /// --runtime-config-file (deploy/runtime-config.toml), with its database. Not `redis_url`, which keeps the queues. Where
    /// neither this nor --state-dir is given, KEY_VALUE_URL of the environment counts
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    store: Option<String>,
    /// The application, beside which .env is looked for [default: spin.toml of this directory or the nearest one above]
    #[arg(long, value_name = "FILE")]
    spin_toml: Option<PathBuf>,
}

impl Installation {
    /// Its variables, those given here before all others, and where its store lies.
    fn open(self, given: Vec<(String, String)>) -> Result<(BTreeMap<String, String>, Location)> {
        let spin_toml = find_spin_toml(self.spin_toml)?;
        let root = spin_toml.parent().context("spin.toml has no directory")?;
        let mut variables = environment::variables(root)?;
        variables.extend(given);
        let given = self.store.or_else(|| std::env::var("KEY_VALUE_URL").ok().filter(|_| self.state_dir.is_none()));
        let file = || Location::StateDir(self.state_dir.unwrap_or_else(|| root.join(".vigil")));
        Ok((variables, given.map_or_else(file, Location::Redis)))
    }
}

#[derive(clap::Args)]
struct Verify {
    /// A folder with manifests, a manifest, or a file of JSON lines as export or the API write it
    #[arg(required_unless_present_any = ["heads", "head"], conflicts_with_all = ["heads", "head"])]
    path: Option<PathBuf>,
    /// The folder of the definitions [default: those of the export, or `definitions` beside the file]
    #[arg(long, value_name = "DIR", requires = "path")]
    definitions: Option<PathBuf>,
    /// Verifies the store and its heads
    #[arg(long, requires = "public_key")]
    heads: bool,
    /// A head that was kept elsewhere, as GET /v1/audit/head gave it: the store must extend it; may be repeated. The rest is
    /// verified as with --heads
    #[arg(long, value_name = "FILE", requires = "public_key")]
    head: Vec<PathBuf>,
    /// The public key of the heads, base64, or an earlier one; may be repeated. Every head names its key; take it from
    /// where you know that nobody changed it
    #[arg(long, value_name = "BASE64")]
    public_key: Vec<String>,
    #[command(flatten)]
    place: Installation,
    /// Sets `redis_url`. Wins over SPIN_VARIABLE_REDIS_URL, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = environment::assignment)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Reseal {
    /// Counts what would be resealed and writes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Installation,
    /// Sets `identity_key` or `identity_keys_old`. Wins over SPIN_VARIABLE_<KEY>, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = environment::assignment)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Backup {
    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leaves out the keys of subjects
    #[arg(long)]
    without_keys: bool,
    /// Copies the keys of subjects and nothing else
    #[arg(long, conflicts_with = "without_keys")]
    only_keys: bool,
    #[command(flatten)]
    place: Installation,
}

#[derive(clap::Args)]
struct RestoreKeys {
    /// A copy that has the keys
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    place: Installation,
}

#[derive(clap::Args)]
struct Scrub {
    #[command(flatten)]
    place: Installation,
    /// Sets `redis_url`. Wins over SPIN_VARIABLE_REDIS_URL, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = environment::assignment)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Reindex {
    #[command(flatten)]
    place: Installation,
    /// Sets `redis_url`. Wins over SPIN_VARIABLE_REDIS_URL, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = environment::assignment)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Export {
    /// The study
    #[arg(long)]
    study: String,
    /// The folder: none yet, an empty one, or one with exports of this study
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Some of ndjson, csv-wide (a table for each instrument), csv-long, parquet and odm (CDISC ODM 1.3.2), with commas
    /// between them [default: ndjson, or with --incremental those of the folder]
    #[arg(long, value_name = "FORMATS")]
    format: Option<String>,
    /// Begins after this cursor: of a row, or of a manifest
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Goes on where the last export of the folder ended, and writes a further manifest and files with a number
    #[arg(long)]
    incremental: bool,
    /// Only this site; may be repeated
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<String>,
    /// Tables begin with a byte order mark, for Excel
    #[arg(long)]
    bom: bool,
    #[command(flatten)]
    place: Installation,
    /// Sets `redis_url`, `identity_key` or `identity_keys_old`, which open the answers. Wins over SPIN_VARIABLE_<KEY>, which
    /// wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = environment::assignment)]
    variables: Vec<(String, String)>,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Score { instrument, parameters, csv } => return score(&Job { instrument, parameters, csv }),
        Command::Reseal(arguments) => reseal(arguments),
        Command::Reindex(arguments) => reindex(arguments),
        Command::ForgetPseudonymKey(arguments) => forget_pseudonym_key(arguments),
        Command::Backup(arguments) => backup(arguments),
        Command::RestoreKeys(arguments) => restore_keys(arguments),
        Command::Scrub(arguments) => scrub(arguments),
        Command::Export(arguments) => return ended(export(arguments)),
        Command::Verify(arguments) => return ended(verify(arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The exit status of what says whether all is well.
fn ended(result: Result<bool>) -> ExitCode {
    match result {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn score(job: &Job) -> ExitCode {
    if std::io::stdin().is_terminal() {
        say("reads responses from standard input; Ctrl-D ends them");
    }
    match score::run(job, std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(Ended::Clean | Ended::Unread) => ExitCode::SUCCESS,
        Ok(Ended::WithErrors) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

fn reseal(arguments: Reseal) -> Result<()> {
    let (variables, location) = arguments.place.open(arguments.variables)?;
    let counts = vigilctl::reseal::run(&location, &ring(&variables)?, !arguments.dry_run)?;
    let resealed = if arguments.dry_run { "to be resealed" } else { "resealed" };
    let Counts { resealed: done, current, unreadable } = counts;
    say(&format!("records: {done} {resealed}, {current} sealed with the present key, {unreadable} unreadable"));
    if unreadable > 0 {
        bail!("a key that sealed these is missing from identity_keys_old, or they are damaged");
    }
    Ok(())
}

/// Every key of the installation.
fn ring(variables: &BTreeMap<String, String>) -> Result<Rc<KeyRing>> {
    let present = variables.get("identity_key").context("identity_key is not set")?;
    let present = IdentityKey::read(present).map_err(|rule| anyhow!("identity_key {rule}"))?;
    let older = variables.get("identity_keys_old").map_or("[]", String::as_str);
    let older = IdentityKey::read_list(older).map_err(|rules| anyhow!("identity_keys_old: {}", rules.join(", ")))?;
    Ok(Rc::new(KeyRing::new(present, older)))
}

fn backup(arguments: Backup) -> Result<()> {
    let Backup { out, without_keys, only_keys, place } = arguments;
    let (_, location) = place.open(Vec::new())?;
    let part = match (without_keys, only_keys) {
        (true, _) => Part::Without(backup::KEYS),
        (_, true) => Part::Only(backup::KEYS),
        _ => Part::All,
    };
    backup::copy(&location, &out, part)?;
    say(&format!("{} is whole", out.display()));
    Ok(())
}

fn restore_keys(arguments: RestoreKeys) -> Result<()> {
    let (_, location) = arguments.place.open(Vec::new())?;
    let done = backup::restore_keys(&location, &arguments.from)?;
    say(&format!("the keys of {} subjects were added", done.added));
    if done.differ > 0 {
        bail!("{} subjects have other keys in the store than in the copy; the store keeps its own", done.differ);
    }
    Ok(())
}

fn scrub(arguments: Scrub) -> Result<()> {
    let (location, redis_url) = installation(arguments.place, arguments.variables)?;
    let done = vigilctl::scrub::run(&location, &redis_url)?;
    say(&format!("cleared at {}; certificates that say so now: {}", done.at, done.certificates));
    Ok(())
}

fn reindex(arguments: Reindex) -> Result<()> {
    let (location, redis_url) = installation(arguments.place, arguments.variables)?;
    let done = vigilctl::reindex::run(&location, &redis_url)?;
    say(&format!(
        "alerts: {} stored, {} indexed, {} put back, {} raised",
        done.alerts, done.indexed, done.restored, done.raised
    ));
    say(&format!(
        "submissions: {} stored, {} listed, {} remembered, {} marked as superseded, {} as erased; counters of months: {} \
         raised; linked subjects: {} corrected",
        done.submissions, done.listed, done.remembered, done.superseded, done.erased, done.counters, done.linked
    ));
    say(&format!(
        "taken out of indexes: {} entries of submissions, {} of alerts",
        done.stale_submissions, done.stale_alerts
    ));
    say(&format!("journals: {} submissions appended", done.journaled));
    say(&format!("keys: {} put back in force", done.keys));
    say(&format!("submissions after which another is expected: {} indexed", done.expected));
    if done.settings {
        say("settings: Redis had others; those of the store are in force again");
    }
    if done.studies > 0 {
        say(&format!("studies: {} documents of the store are in force again", done.studies));
    }
    if done.unreadable > 0 {
        bail!("{} records cannot be read, and are not in the indexes", done.unreadable);
    }
    Ok(())
}

fn forget_pseudonym_key(arguments: Reindex) -> Result<()> {
    let (location, redis_url) = installation(arguments.place, arguments.variables)?;
    vigilctl::pseudonym_key::forget(&location, &redis_url)?;
    say("the next component that starts takes the pseudonym_key that it has for the right one");
    Ok(())
}

fn export(arguments: Export) -> Result<bool> {
    let Export { study, out, format, after, incremental, sites, bom, place, variables } = arguments;
    let folder = out.display().to_string();
    let job = Asked { study, out, format, after, incremental, sites, bom }.read();
    let (job, (location, redis_url, ring)) = match (job, keyed_installation(place, variables)) {
        (Ok(job), Ok(place)) => (job, place),
        (job, place) => {
            let faults: Vec<String> = job.err().into_iter().chain(place.err()).flatten().collect();
            bail!("{}", faults.join("\nerror: "));
        }
    };
    let done = vigilctl::export::run(job, &location, &redis_url, &ring)?;
    say(&format!(
        "{} submissions, {} files, cursor {}: {folder}/{}",
        done.rows,
        done.files.len(),
        done.cursor,
        done.title()
    ));
    let absent: Vec<_> = done.definitions.iter().filter(|definition| definition.file.is_none()).collect();
    for Definition { id, version, sha256, .. } in &absent {
        say(&format!(
            "the definition {sha256} of {id} {version} is not here any more: what it scored cannot be verified"
        ));
    }
    Ok(absent.is_empty())
}

fn verify(arguments: Verify) -> Result<bool> {
    let Verify { path, definitions, head, public_key, place, variables, .. } = arguments;
    if let Some(path) = path {
        return verify_export(&path, definitions.as_deref());
    }
    let (location, redis_url) = installation(place, variables)?;
    let job = log::Job { files: head, keys: public_key };
    let found = log::run(&job, &location, &redis_url, std::io::stdout().lock())?;
    let log::Found { heads, lines, uncovered, records, faults } = found;
    let all = if faults == 0 { "all is as it should be".to_owned() } else { format!("{faults} faults") };
    say(&format!(
        "{heads} heads, {lines} lines of journals ({uncovered} after the last head), {records} records: {all}"
    ));
    Ok(faults == 0)
}

fn verify_export(path: &Path, definitions: Option<&Path>) -> Result<bool> {
    let Found { files, rows, scores, faults } = vigilctl::verify::run(path, definitions, std::io::stdout().lock())?;
    let found = if faults == 0 { "all is as it should be".to_owned() } else { format!("{faults} faults") };
    say(&format!("{files} files, {rows} rows, {scores} scores: {found}"));
    Ok(faults == 0)
}

/// The store of an installation, and the address of its Redis.
fn installation(place: Installation, variables: Vec<(String, String)>) -> Result<(Location, String)> {
    let (mut variables, location) = place.open(variables)?;
    Ok((location, redis_url(&mut variables)?))
}

/// The same, with every key of the installation; or everything that is missing.
fn keyed_installation(
    place: Installation,
    variables: Vec<(String, String)>,
) -> Result<(Location, String, Rc<KeyRing>), Vec<String>> {
    let said = |fault: anyhow::Error| format!("{fault:#}");
    let (mut variables, location) = place.open(variables).map_err(|fault| vec![said(fault)])?;
    match (redis_url(&mut variables), ring(&variables)) {
        (Ok(redis_url), Ok(ring)) => Ok((location, redis_url, ring)),
        (redis_url, ring) => Err(redis_url.err().into_iter().chain(ring.err()).map(said).collect()),
    }
}

fn redis_url(variables: &mut BTreeMap<String, String>) -> Result<String> {
    variables.remove("redis_url").context("say where Redis is: --variable redis_url=redis://...")
}

fn say(text: &str) {
    eprintln!("vigilctl: {text}");
}

/// As it is written: names of parameters have their case.
fn parameter(argument: &str) -> Result<(String, String)> {
    let (name, value) = argument.split_once('=').context("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_those_of_the_help_text() {
        Arguments::command().debug_assert();
    }
}
