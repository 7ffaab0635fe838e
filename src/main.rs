//! `cargo run`: provides the prerequisites, serves the application, and prints how to try it.
//!
//! Guarantee: on Ctrl-C or SIGTERM, Vigil accepts no new request and finishes the running ones. Redis stops last and
//! cleanly, and the exit status is 0. A second signal ends the process at once; even then nothing acknowledged is lost,
//! because Redis keeps it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use host::manifest::Manifest;
use host::{Host, Options};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use vigil::probe::{self, Readiness};
use vigil::setup::receiver::{Receiver, Say};
use vigil::setup::upstreams::{Upstreams, clinician};
use vigil::setup::{self, redis, secrets};

mod example;

/// Serves Vigil on this machine, for development and tests. The first start installs what is missing.
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
    /// Installs what is missing and builds the functions, then exits.
    Setup {
        /// The spin.toml of the application [default: the one in this directory or the nearest directory above]
        #[arg(long, value_name = "FILE")]
        spin_toml: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Serve {
    /// The address to listen on for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The directory for all data: Redis, key-value stores, logs [default: .vigil beside spin.toml]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The spin.toml of the application [default: the one in this directory or the nearest directory above]
    #[arg(long, value_name = "FILE")]
    spin_toml: Option<PathBuf>,
    /// Sets a variable of the application; may be repeated. Wins over SPIN_VARIABLE_<KEY>, which wins over .env.
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = vigilctl::environment::assignment)]
    variables: Vec<(String, String)>,
    /// Runs only this component; may be repeated.
    #[arg(short, long = "component-id", value_name = "ID")]
    component_id: Vec<String>,
    /// Starts sample services that the application can read from.
    #[arg(long)]
    with_upstreams: bool,
    /// Prints only the address and errors, and no alerts. The components' output goes only to their log files.
    #[arg(short, long)]
    quiet: bool,
}

/// The interval of readiness probes: the same as a Kubernetes probe's.
const PROBE_PERIOD: Duration = Duration::from_secs(2);
/// The interval until the application is ready the first time: shorter, because a person is waiting.
const FIRST_PROBE_PERIOD: Duration = Duration::from_millis(200);
/// If the application is not ready after this time, the person is told why.
const EXPLAIN_AFTER: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Some(Command::Setup { spin_toml }) => provision(spin_toml),
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

fn provision(spin_toml: Option<PathBuf>) -> Result<()> {
    say("step 1 of 2: redis-server");
    redis::provide(&say)?;
    say("step 2 of 2: the components");
    setup::prepare(&vigilctl::find_spin_toml(spin_toml)?, &say)
}

fn serve(arguments: Serve) -> Result<()> {
    let quiet = arguments.quiet;
    let say = move |step: &str| {
        if !quiet {
            say(step);
        }
    };
    let spin_toml = vigilctl::find_spin_toml(arguments.spin_toml)?;
    let root = spin_toml.parent().context("spin.toml has no directory")?;
    let state_dir = arguments.state_dir.unwrap_or_else(|| root.join(".vigil"));
    say("step 1 of 4: the components, by cargo; the first time this takes minutes");
    setup::prepare(&spin_toml, &say)?;

    say("step 2 of 4: secrets and variables");
    // The file and the environment may hold variables of another application, so unknown ones there only cause a
    // warning. A flag with an unknown variable is an error.
    let known = Manifest::load(&spin_toml)?.variables;
    let secrets = secrets::load_or_create(root)?;
    let (mut variables, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        secrets.variables.into_iter().partition(|(name, _)| known.contains_key(name));
    for name in unknown.keys().filter(|name| !secrets::is_made(name)) {
        eprintln!(
            "vigil: {} names no variable of this application: it has no effect",
            vigilctl::environment::spelled(name)
        );
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
    if known.contains_key("receiver_networks") {
        // Whoever tries it out receives alerts on the same machine.
        variables.entry("receiver_networks".into()).or_insert("127.0.0.0/8,::1".into());
    }
    let receiver = match known.contains_key("alert_routes") && !variables.contains_key("alert_routes") {
        true => Some(Receiver::bind(arguments.listen)?),
        false => None,
    };
    if let Some(receiver) = &receiver {
        // With port 0 the port is unknown until it is bound, so there are no links then.
        let base = (arguments.listen.port() > 0).then(|| format!("http://{}", reachable(arguments.listen)));
        variables.insert("alert_routes".into(), receiver.routes(base.as_deref()));
        say(&format!("alert_routes is not set: alerts go to {} and are shown here", receiver.url()));
    }

    // The directory and every file in it hold what patients report: nobody else may read them, also where the directory
    // was there before.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let make = DirBuilder::new().recursive(true).mode(0o700).create(&state_dir);
    make.with_context(|| format!("cannot create {}", state_dir.display()))?;
    let private = Permissions::from_mode(0o700);
    std::fs::set_permissions(&state_dir, private).with_context(|| format!("cannot close {}", state_dir.display()))?;
    let header = state_dir.join("authorization");
    let own = (!secrets.dev_key.is_empty()).then_some((secrets.dev_key.as_str(), header.as_path()));
    if let Some((key, header)) = own {
        secrets::write_header(header, key)?;
    }
    // Redis stops last: the workers acknowledge to it until their batch is done.
    say("step 3 of 4: Redis");
    let mut redis = None;
    if known.contains_key("redis_url") && !variables.contains_key("redis_url") {
        redis::provide(&say)?;
        let server = redis::Server::start(&state_dir.join("redis"), None)?;
        let (port, configuration) = (server.port(), server.configuration());
        say(&format!("redis-server listens on 127.0.0.1:{port}; its password is in {}", configuration.display()));
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
    let served = runtime.block_on(serve_until_signalled(options, own, redis.as_mut(), &say));
    let stopped = redis.map_or(Ok(()), |mut redis| redis.stop());
    served.and(stopped)
}

async fn serve_until_signalled(
    options: Options,
    own: Option<(&str, &Path)>,
    mut redis: Option<&mut redis::Server>,
    say: &dyn Fn(&str),
) -> Result<()> {
    let mut signals = Signals::listen()?;
    let host = Host::start(options).await?;
    let address = reachable(host.address());
    say(&format!("serving on http://{address}, waiting until it is ready"));

    // The probe runs as long as the application, as an orchestrator's does. It also rings for waiting work after a
    // restart, because a Redis message published while nobody listened is lost.
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
                example::show(address, own);
            }
            // Waiting would not help.
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

/// The address at which a client on this machine reaches a listener, which may listen on all addresses.
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
