//! `cargo run`: brings what is missing, serves the application, and says how to try it.
//!
//! Guarantee: on Ctrl-C or SIGTERM no new request is taken, what is in flight finishes, Redis stops last and cleanly, and
//! the exit status is 0. A second signal ends at once; even then nothing acknowledged is lost, because Redis keeps it.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use platform::identity::IdentityKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use vigil::manifest::Manifest;
use vigil::probe::{self, Readiness};
use vigil::reseal::Counts;
use vigil::score::{self, Ended, Job};
use vigil::setup::receiver::{Receiver, Say};
use vigil::setup::upstreams::{Upstreams, clinician};
use vigil::setup::{self, redis, secrets};
use vigil::{Host, Options};

mod example;

/// Serves Vigil on this machine, for developing and testing. What is missing is brought on the first start.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Brings what is missing and builds the functions, then exits.
    Setup {
        /// The application [default: spin.toml of this directory or the nearest one above]
        #[arg(long, value_name = "FILE")]
        spin_toml: Option<PathBuf>,
    },
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
    /// Seals stored identities with the present identity key that an older one still opens, then exits.
    ///
    /// To change the key: start the application with the new one as `identity_key` and the one before it in
    /// `identity_keys_old`; wait until no submission is queued any more or a dead letter, because what waits carries
    /// identities sealed with the old key and is stored so; run this, beside the application; take the old key out of
    /// `identity_keys_old` when it finds nothing that is to be resealed. Nothing but counts is printed. The exit status
    /// is 1 if a record opens with none of the keys.
    #[command(verbatim_doc_comment)]
    Reseal(Reseal),
    /// Makes the indexes in Redis again from the store, then exits.
    ///
    /// For a Redis that was lost, or put back from a backup that is older than the store: alerts are listed again, their
    /// states and what is due are back, submissions are found by their subject and study, what was superseded or erased is
    /// known, and months have their counts. What the indexes name and the store does not have is taken out. It may run
    /// beside the application and be repeated. What only Redis had does not come back: queued submissions, dead letters,
    /// counters of the doors, once marks.
    #[command(verbatim_doc_comment)]
    Reindex(Reindex),
}

/// Which installation a tool works on.
#[derive(clap::Args)]
struct Place {
    /// Where the data lives: what --state-dir is to `cargo run` or `spin up` [default: .vigil beside spin.toml]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The application, beside which .env is looked for [default: spin.toml of this directory or the nearest one above]
    #[arg(long, value_name = "FILE")]
    spin_toml: Option<PathBuf>,
}

impl Place {
    /// Its variables, those given here before all others, and where its data lives.
    fn open(self, given: Vec<(String, String)>) -> Result<(BTreeMap<String, String>, PathBuf)> {
        let spin_toml = find_spin_toml(self.spin_toml)?;
        let root = spin_toml.parent().context("spin.toml has no directory")?;
        let mut variables = secrets::load(root)?.variables;
        variables.extend(given);
        Ok((variables, self.state_dir.unwrap_or_else(|| root.join(".vigil"))))
    }
}

#[derive(clap::Args)]
struct Reseal {
    /// Counts what would be resealed and writes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    /// Sets `identity_key` or `identity_keys_old`. Wins over SPIN_VARIABLE_<KEY>, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Reindex {
    #[command(flatten)]
    place: Place,
    /// Sets `redis_url`. Wins over SPIN_VARIABLE_REDIS_URL, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
}

#[derive(clap::Args)]
struct Serve {
    /// Where to listen for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where the data lives: Redis, key-value stores, logs [default: .vigil beside spin.toml]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The application [default: spin.toml of this directory or the nearest one above]
    #[arg(long, value_name = "FILE")]
    spin_toml: Option<PathBuf>,
    /// Sets a variable of the application; may be repeated. Wins over SPIN_VARIABLE_<KEY>, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value)]
    variables: Vec<(String, String)>,
    /// Runs only this component; may be repeated.
    #[arg(short, long = "component-id", value_name = "ID")]
    component_id: Vec<String>,
    /// Starts sample services for the application to read from.
    #[arg(long)]
    with_upstreams: bool,
    /// Says nothing but the address and errors: no alerts either; the components' output goes to their log files only.
    #[arg(short, long)]
    quiet: bool,
}

/// How often readiness is asked for: what a Kubernetes probe does.
const PROBE_PERIOD: Duration = Duration::from_secs(2);
/// The first time it is asked for more often: a person is waiting.
const FIRST_PROBE_PERIOD: Duration = Duration::from_millis(200);
/// When it has not come after this long the person is told why.
const EXPLAIN_AFTER: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Command::Setup { spin_toml }) => provision(spin_toml),
        Some(Command::Score { instrument, parameters, csv }) => return score(&Job { instrument, parameters, csv }),
        Some(Command::Reseal(arguments)) => reseal(arguments),
        Some(Command::Reindex(arguments)) => reindex(arguments),
        None => serve(arguments.serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Needs nothing that the application needs.
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

fn provision(spin_toml: Option<PathBuf>) -> Result<()> {
    say("step 1 of 2: redis-server");
    redis::provide(&say)?;
    say("step 2 of 2: the components");
    setup::prepare(&find_spin_toml(spin_toml)?, &say)
}

fn reseal(arguments: Reseal) -> Result<()> {
    let (variables, state_dir) = arguments.place.open(arguments.variables)?;
    let present = variables.get("identity_key").context("identity_key is not set")?;
    let present = IdentityKey::read(present).map_err(|rule| anyhow!("identity_key {rule}"))?;
    let older = variables.get("identity_keys_old").map_or("[]", String::as_str);
    let older = IdentityKey::read_list(older).map_err(|rules| anyhow!("identity_keys_old: {}", rules.join(", ")))?;
    let counts = vigil::reseal::run(&state_dir, &present, &older, !arguments.dry_run)?;
    let resealed = if arguments.dry_run { "to be resealed" } else { "resealed" };
    let Counts { resealed: done, current, unreadable } = counts;
    say(&format!("records: {done} {resealed}, {current} sealed with the present key, {unreadable} unreadable"));
    if unreadable > 0 {
        bail!("a key that sealed these is missing from identity_keys_old, or they are damaged");
    }
    Ok(())
}

fn reindex(arguments: Reindex) -> Result<()> {
    let (variables, state_dir) = arguments.place.open(arguments.variables)?;
    let redis_url = variables.get("redis_url").context("say where Redis is: --variable redis_url=redis://...")?;
    let done = vigil::reindex::run(&state_dir, redis_url)?;
    say(&format!(
        "alerts: {} stored, {} indexed, {} put back, {} raised",
        done.alerts, done.indexed, done.restored, done.raised
    ));
    say(&format!("responses: {} stored, {} indexed", done.responses, done.responses_indexed));
    say(&format!(
        "submissions: {} stored, {} listed, {} marked as superseded, {} as erased; counters of months: {} raised; \
         linked subjects: {} corrected",
        done.submissions, done.listed, done.superseded, done.erased, done.counters, done.linked
    ));
    say(&format!(
        "taken out of indexes: {} entries of submissions, {} of alerts",
        done.stale_submissions, done.stale_alerts
    ));
    say(&format!("submissions after which another is awaited: {} indexed", done.awaited));
    if done.unreadable > 0 {
        bail!("{} records cannot be read, and are not in the indexes", done.unreadable);
    }
    Ok(())
}

fn serve(arguments: Serve) -> Result<()> {
    let quiet = arguments.quiet;
    let say = move |step: &str| {
        if !quiet {
            say(step);
        }
    };
    let spin_toml = find_spin_toml(arguments.spin_toml)?;
    let root = spin_toml.parent().context("spin.toml has no directory")?;
    let state_dir = arguments.state_dir.unwrap_or_else(|| root.join(".vigil"));
    say("step 1 of 4: the components, by cargo; the first time this takes minutes");
    setup::prepare(&spin_toml, &say)?;

    say("step 2 of 4: secrets and variables");
    // What the file and the environment hold may be meant for another application; what is asked for by a flag may not.
    let known = Manifest::load(&spin_toml)?.variables;
    let secrets = secrets::load_or_create(root)?;
    let (mut variables, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        secrets.variables.into_iter().partition(|(name, _)| known.contains_key(name));
    for name in unknown.keys().filter(|name| !secrets::is_made(name)) {
        eprintln!("vigil: {} names no variable of this application: it has no effect", secrets::spelled(name));
    }
    variables.extend(arguments.variables);
    let upstreams = if arguments.with_upstreams { Some(Upstreams::start(root, &say)?) } else { None };
    if let Some(upstreams) = &upstreams {
        say(&format!("sample services listen on {}", upstreams.url));
        for (name, value) in upstreams.variables() {
            if known.contains_key(&name) {
                variables.entry(name).or_insert(value);
            }
        }
        if let Some(keys) = variables.get_mut("api_keys") {
            let (key, with_clinician) = clinician(keys)?;
            say(&format!("for this run, the key of a clinician of study DEMO, site S1: {key}"));
            *keys = with_clinician;
        }
    }
    let receiver = match known.contains_key("alert_routes") && !variables.contains_key("alert_routes") {
        true => Some(Receiver::bind(arguments.listen)?),
        false => None,
    };
    if let Some(receiver) = &receiver {
        // A free port is not known before it is taken, and then there are no links.
        let base = (arguments.listen.port() > 0).then(|| format!("http://{}", reachable(arguments.listen)));
        variables.insert("alert_routes".into(), receiver.routes(base.as_deref()));
        say(&format!("alert_routes is not set: alerts go to {} and are shown here", receiver.url()));
    }

    // It holds what patients report: nobody else's to read.
    let make = DirBuilder::new().recursive(true).mode(0o700).create(&state_dir);
    make.with_context(|| format!("cannot create {}", state_dir.display()))?;
    // The last to stop: the workers acknowledge to it until their batch is done.
    say("step 3 of 4: Redis");
    let mut redis = None;
    if known.contains_key("redis_url") && !variables.contains_key("redis_url") {
        redis::provide(&say)?;
        let server = redis::Server::start(&state_dir.join("redis"), None)?;
        say(&format!("redis-server listens on {}, its data is in {}", server.url(), state_dir.join("redis").display()));
        variables.insert("redis_url".into(), server.url());
        redis = Some(server);
    }

    let options = Options {
        listen: arguments.listen,
        log_dir: Some(state_dir.join("logs")),
        cache_dir: state_dir.join("cache"),
        state_dir,
        variables,
        components: arguments.component_id,
        quiet,
        ..Options::new(&spin_toml)
    };

    say("step 4 of 4: compiling the components to machine code, where they are new, and starting them");
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(receiver) = receiver {
        runtime.spawn(receiver.serve(Arc::new(say) as Say));
    }
    let served = runtime.block_on(serve_until_signalled(options, &secrets.dev_key, redis.as_mut(), &say));
    let stopped = redis.map_or(Ok(()), |mut redis| redis.stop());
    served.and(stopped)
}

async fn serve_until_signalled(
    options: Options,
    dev_key: &str,
    mut redis: Option<&mut redis::Server>,
    say: &dyn Fn(&str),
) -> Result<()> {
    let mut signals = Signals::listen()?;
    let host = Host::start(options).await?;
    let address = reachable(host.address());
    say(&format!("serving on http://{address}, waiting until it is ready"));

    // Asked as long as we run, as an orchestrator does: the probe is also what rings waiting work awake after a restart,
    // because a Redis message published while nobody listened is gone.
    let began = Instant::now();
    let (mut ready, mut explained) = (false, false);
    let outcome = loop {
        let probed = tokio::select! {
            () = signals.next() => break Ok(()),
            probed = probe::ask(address) => probed,
        };
        match probed {
            Readiness::Ready if !ready => {
                ready = true;
                example::show(address, dev_key);
            }
            // Waiting does not help.
            Readiness::Misconfigured(faults) if !ready => {
                break Err(anyhow!("these variables are wrong:\n  {}", faults.join("\n  ")));
            }
            Readiness::NotYet(why) if !ready && !explained && began.elapsed() >= EXPLAIN_AFTER => {
                explained = true;
                say(&format!("not ready yet: {why}"));
            }
            _ => {}
        }
        if redis.as_mut().is_some_and(|server| !server.is_running()) {
            break Err(anyhow!("redis-server ended by itself; its log is redis.log in the state directory"));
        }
        tokio::select! {
            () = signals.next() => break Ok(()),
            () = sleep(if ready { PROBE_PERIOD } else { FIRST_PROBE_PERIOD }) => {}
        }
    };
    say("stopping: what is in flight finishes first; a second signal ends at once");
    tokio::select! {
        stopped = host.stop() => outcome.and(stopped),
        () = signals.next() => bail!("ended by a second signal"),
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where a client on this machine reaches a listener, which may listen on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn say(step: &str) {
    eprintln!("vigil: {step}");
}

fn key_value(argument: &str) -> Result<(String, String)> {
    let (key, value) = argument.split_once('=').context("expected KEY=VALUE")?;
    Ok((key.to_ascii_lowercase(), value.to_owned()))
}

/// As it is written: names of parameters have their case.
fn parameter(argument: &str) -> Result<(String, String)> {
    let (name, value) = argument.split_once('=').context("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The file named, or the nearest spin.toml: cargo runs us in whatever directory the person is in.
fn find_spin_toml(named: Option<PathBuf>) -> Result<PathBuf> {
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
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_those_of_the_help_text() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from([
            "vigil",
            "--listen",
            "127.0.0.1:0",
            "--variable",
            "A=b=c",
            "--variable",
            "d=",
            "-c",
            "submit",
            "--component-id",
            "score",
            "--quiet",
            "--with-upstreams",
        ]);
        let variables: BTreeMap<_, _> = arguments.serve.variables.into_iter().collect();
        assert_eq!(variables, BTreeMap::from([("a".into(), "b=c".into()), ("d".into(), String::new())]));
        assert_eq!(arguments.serve.component_id, ["submit", "score"]);
        assert!(arguments.serve.quiet && arguments.serve.with_upstreams && arguments.command.is_none());
        assert!(Arguments::try_parse_from(["vigil", "--variable", "x"]).is_err());
        assert!(matches!(Arguments::parse_from(["vigil", "setup"]).command, Some(Command::Setup { .. })));
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        assert_eq!(reachable(([0, 0, 0, 0], 3000).into()), ([127, 0, 0, 1], 3000).into());
        assert_eq!(reachable("[::]:3000".parse().unwrap()), "[::1]:3000".parse().unwrap());
        assert_eq!(reachable(([10, 0, 0, 1], 3000).into()), ([10, 0, 0, 1], 3000).into());
    }
}
