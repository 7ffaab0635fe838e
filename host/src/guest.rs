//! The interfaces of this host that a component sees.
//!
//! Guarantee: an instance has its own state, sees no other instance's state, and reaches only what spin.toml grants its
//! component.
//!
//! Mechanism: one file per interface below translates calls; [`Guest`] is the data of one instance. The host offers
//! WASI 0.2 beside 0.3 because Rust's standard library still uses 0.2.

use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::component::Component;
use crate::engine::{Busy, MEMORY_LIMIT};
use crate::output::Stream;

mod key_value;
pub(crate) mod outbound_http;
mod redis;
mod variables;
mod wasi_config;
mod wasi_keyvalue;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "redis-trigger",
        imports: {
            "spin:key-value/key-value@3.0.0.[method]store.get-keys": async | trappable,
            default: async,
        },
        exports: { default: async },
        with: {
            "spin:key-value/key-value@3.0.0.store": super::key_value::Opened,
            "spin:redis/redis@3.0.0.connection": redis::aio::MultiplexedConnection,
            "wasi:keyvalue/store@0.2.0-draft2.bucket": super::key_value::Opened,
        },
    });
}

/// The data of one instance.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: outbound_http::Caller,
    inbound: outbound_http::Admission,
    table: ResourceTable,
    limits: StoreLimits,
    component: Arc<Component>,
    /// While an instance holds one, the host does not end.
    _alive: TaskTrackerToken,
}

impl Guest {
    /// A fresh store for one instance of a component.
    pub(crate) fn store(
        engine: &Engine,
        component: &Arc<Component>,
        alive: TaskTrackerToken,
    ) -> (Store<Self>, Arc<Busy>) {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(component.output.open(Stream::Stdout)).stderr(component.output.open(Stream::Stderr));
        for (name, value) in &component.environment {
            wasi.env(name, value);
        }
        let guest = Self {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound: outbound_http::Caller::new(component.grants.clone()),
            inbound: outbound_http::Admission,
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(MEMORY_LIMIT).build(),
            component: component.clone(),
            _alive: alive,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limits);
        let busy = Busy::watch(&mut store);
        (store, busy)
    }

    /// The context through which incoming requests pass.
    pub(crate) fn incoming(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.inbound }
    }
}

/// Everything a component may import.
pub(crate) fn linker(engine: &Engine) -> anyhow::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::RedisTrigger::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}
