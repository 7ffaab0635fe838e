//! The WebAssembly engine: one for the whole process, however many hosts run in it.
//!
//! Guarantee: a component that never stops computing is stopped, a component that waits is left alone, and no instance
//! takes more memory than its share.
//!
//! Mechanism: a thread counts time in ticks. Running code notices each tick, yields its worker thread to others for a
//! moment, and adds the tick to its [`Busy`] count. The count restarts whenever the code waits for something. Instances
//! come from a pool, compiled components from a cache on disk that several processes may share.
//!
//! Not for: limiting how long a handler takes. Spin sets no such limit either.

use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use wasmtime::component::Component;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline};

/// The most memory of one instance, bytes.
pub(crate) const MEMORY_LIMIT: usize = 128 << 20;

const TICK: Duration = Duration::from_millis(10);

/// A component that computes for this many ticks (ten seconds) without waiting for anything is stopped.
const BUSY_LIMIT: u32 = 1000;

/// The time for which a compiled component is kept.
const CACHE_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);

/// The most instances that live at once.
const INSTANCES: u32 = 1000;

/// The engine of this process.
pub(crate) fn engine() -> anyhow::Result<Engine> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    engine.clone().map_err(|error| anyhow::anyhow!("the WebAssembly engine does not start: {error}"))
}

fn start() -> anyhow::Result<Engine> {
    // A pool reserves terabytes of address space. If the system refuses that, instances are created one by one.
    let engine = Engine::new(&config(true)).or_else(|_| Engine::new(&config(false)))?;
    let clock = engine.weak();
    std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        while let Some(engine) = clock.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(engine)
}

fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model_async(true).epoch_interruption(true);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(INSTANCES)
            .total_core_instances(INSTANCES * 8)
            .total_memories(INSTANCES)
            .total_tables(INSTANCES * 8)
            .total_stacks(INSTANCES * 2)
            .max_memory_size(MEMORY_LIMIT)
            .table_elements(100_000)
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(64 << 10);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// The time that an instance has computed without waiting.
#[derive(Default)]
pub(crate) struct Busy {
    ticks: AtomicU32,
    /// Set when the instance yielded its thread because of a tick, and not because it waits.
    ticked: AtomicBool,
}

impl Busy {
    /// Makes a store count its ticks, and stop its instance at the limit.
    pub(crate) fn watch<T>(store: &mut Store<T>) -> Arc<Self> {
        let busy = Arc::new(Self::default());
        let count = busy.clone();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if count.ticks.fetch_add(1, Relaxed) >= BUSY_LIMIT {
                wasmtime::bail!("stopped: it computed for {:?} without waiting for anything", TICK * BUSY_LIMIT);
            }
            count.ticked.store(true, Relaxed);
            // This way of yielding lets the runtime poll for input and timers, even if every thread has such an
            // instance.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        busy
    }

    /// Must be called whenever the instance has yielded its thread. If it yielded because it waits, the count restarts.
    pub(crate) fn paused(&self) {
        if !self.ticked.swap(false, Relaxed) {
            self.ticks.store(0, Relaxed);
        }
    }
}

/// Loads a component. If `cache` has it compiled from an earlier start, it is not compiled again; `compiling` is called
/// before a compilation.
///
/// The name of a cached file contains everything that the machine code depends on: the component, the engine and its
/// settings. Files appear whole or not at all, so that parallel processes may race for one.
pub(crate) fn load(engine: &Engine, source: &Path, cache: &Path, compiling: &dyn Fn()) -> anyhow::Result<Component> {
    let wasm = std::fs::read(source).with_context(|| format!("cannot read {}: is it built?", source.display()))?;
    let file = cache.join(format!("{:016x}-{:016x}.cwasm", digest(&wasm), compatibility(engine)));
    if let Some(component) = deserialize(engine, &file) {
        return Ok(component);
    }
    compiling();
    let code = engine
        .precompile_component(&wasm)
        .map_err(|error| anyhow::anyhow!("{} is not a component: {error:#}", source.display()))?;
    std::fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let part = file.with_extension(format!("{}-{}.part", std::process::id(), COUNT.fetch_add(1, Relaxed)));
    std::fs::write(&part, &code).and_then(|()| std::fs::rename(&part, &file)).inspect_err(|_| {
        _ = std::fs::remove_file(&part);
    })?;
    prune(cache);
    deserialize(engine, &file).with_context(|| format!("cannot load {}", file.display()))
}

/// Deletes old compiled components, because every build of a component leaves a file behind. A component that is still
/// needed is compiled again; a file in use stays mapped.
fn prune(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let age = entry.metadata().ok().and_then(|data| data.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age > CACHE_LIFE) {
            _ = std::fs::remove_file(entry.path());
        }
    }
}

#[expect(unsafe_code, reason = "machine code is mapped from a file; only this module writes such files, and whole")]
fn deserialize(engine: &Engine, file: &Path) -> Option<Component> {
    // SAFETY: the file was made by `precompile_component` and is never changed in place. Anybody who can write to the
    // cache folder can make this process run anything, as with any build folder.
    unsafe { Component::deserialize_file(engine, file).ok() }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
