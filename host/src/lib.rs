//! A small Spin: it runs the application that a spin.toml describes, for development and tests.
//!
//! Guarantee: an application that runs here runs on Spin. The host offers a part of Spin's interfaces and refuses an
//! application that asks for more; it enforces the same grants; it has no feature that Spin lacks. Whatever is slow,
//! lossy or serial in Spin is the same here, unless the module's text says otherwise.
//!
//! Mechanism: [`manifest`] reads spin.toml, [`variables`] gives its variables their values, `engine` compiles the
//! components, `guest` is their view of the host, `http` and `redis_trigger` call them. A [`Host`] is one running
//! application; several may run in one process.
//!
//! Not for: production. There is no TLS, no HTTP/2, no metrics, and one file for all data.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod component;
mod engine;
mod grants;
mod guest;
mod http;
pub mod manifest;
mod output;
mod redis_trigger;
pub mod routes;
mod store;
pub mod variables;

use component::Component;
use manifest::Manifest;
use output::Output;
use redis_trigger::Channels;
use store::Store;
use variables::Values;

/// The time that [`Host::stop`] waits for running work.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of an application.
#[derive(Clone, Debug)]
pub struct Options {
    /// The spin.toml of the application.
    pub spin_toml: PathBuf,
    /// The address to listen on for HTTP; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory of the application's data. Several hosts may share it.
    pub state_dir: PathBuf,
    /// Values of application variables. They win over the environment.
    pub variables: BTreeMap<String, String>,
    /// The components to run; all if empty.
    pub components: Vec<String>,
    /// Keeps the output of components off standard error. The host's own errors are printed all the same.
    pub quiet: bool,
    /// The directory for the components' output, if it is kept.
    pub log_dir: Option<PathBuf>,
    /// The directory of compiled components. Several hosts and processes may share it.
    pub cache_dir: PathBuf,
}

impl Options {
    /// The defaults: all components, on port 3000 of this machine, data in `.vigil` beside the file.
    pub fn new(spin_toml: impl Into<PathBuf>) -> Self {
        let spin_toml = spin_toml.into();
        let state_dir = spin_toml.with_file_name(".vigil");
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            cache_dir: state_dir.join("cache"),
            state_dir,
            variables: BTreeMap::new(),
            components: Vec::new(),
            quiet: false,
            log_dir: None,
            spin_toml,
        }
    }
}

/// A running application.
///
/// Dropping one without [`Host::stop`] ends it too, but does not wait for its running work.
pub struct Host {
    address: SocketAddr,
    stop: CancellationToken,
    alive: TaskTracker,
}

impl Host {
    /// Starts an application. When this returns, it answers requests and, if Redis is available, receives messages.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let manifest = Manifest::load(&options.spin_toml)?;
        let values = Values::resolve(&manifest, &options.variables)?;
        let selected = select(&manifest, &options.components)?;
        // Compiling keeps all cores busy for seconds, so it must not run on the async workers.
        let (engine, components) = {
            let (manifest, values, options) = (manifest.clone(), values.clone(), options.clone());
            tokio::task::spawn_blocking(move || prepare(&manifest, &selected, &values, &options)).await??
        };

        let mut channels = Channels::new();
        for trigger in &manifest.redis {
            let Some(component) = components.get(&trigger.component) else { continue };
            let address = values.fill(&trigger.address)?;
            let channel = values.fill(&trigger.channel)?;
            channels.entry(address).or_default().entry(channel).or_default().push(component.clone());
        }

        let (stop, alive) = (CancellationToken::new(), TaskTracker::new());
        let server = http::Server::new(&engine, &manifest.http, &components, &stop, &alive)?;
        let listener =
            TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let host = Self { address, stop, alive };
        redis_trigger::start(&engine, channels, &host.stop, &host.alive).await?;
        host.alive.spawn(Arc::new(server).serve(listener, host.stop.clone(), host.alive.clone()));
        Ok(host)
    }

    /// The address at which the application answers requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no new requests and messages, finishes the running ones, and ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.alive.close();
        let waited = tokio::time::timeout(STOP_TIMEOUT, self.alive.wait()).await;
        waited.with_context(|| format!("work was still going on after {STOP_TIMEOUT:?}"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn select(manifest: &Manifest, wanted: &[String]) -> anyhow::Result<Vec<String>> {
    let unknown: Vec<_> = wanted.iter().filter(|id| !manifest.components.contains_key(*id)).collect();
    if !unknown.is_empty() {
        bail!("the application has no such components: {unknown:?}");
    }
    Ok(if wanted.is_empty() { manifest.components.keys().cloned().collect() } else { wanted.to_vec() })
}

type Prepared = (wasmtime::Engine, HashMap<String, Arc<Component>>);

fn prepare(manifest: &Manifest, selected: &[String], values: &Values, options: &Options) -> anyhow::Result<Prepared> {
    let engine = engine::engine()?;
    let linker = guest::linker(&engine)?;
    let store = Store::in_folder(&options.state_dir)?;
    let mut components = HashMap::new();
    for (number, id) in (1..).zip(selected) {
        let Some(declared) = manifest.components.get(id) else { continue };
        let output = Output::new(id, options.quiet, options.log_dir.as_deref())?;
        // Takes milliseconds if the cache has the component; otherwise seconds, for which a person waits.
        let compiling = || {
            if !options.quiet {
                eprintln!("vigil: compiling component {number} of {}: {id}", selected.len());
            }
        };
        let component = engine::load(&engine, &declared.source, &options.cache_dir, &compiling)
            .and_then(|compiled| Component::prepare(&compiled, &linker, declared, values, &store, output))
            .with_context(|| format!("component {id}"))?;
        components.insert(id.clone(), component);
    }
    Ok((engine, components))
}
