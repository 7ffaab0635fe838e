//! What all scripts have in common that work on the queues.

use crate::names::{self, Queue};

/// A script with what it needs before it: the names of keys, and the functions of `flows.lua`.
pub fn before(script: &str) -> String {
    let queues: Vec<String> = Queue::ALL.iter().map(|queue| format!("'{}'", queue.name())).collect();
    format!(
        "local STREAM, MORE, FLOW, RING, HELD, LOST = '{}', '{}', '{}', '{}', '{}', '{}'\n\
         local LOAD, HOLDERS, RETURNED, RESERVED, DUE = '{}', '{}', '{}', '{}', '{}'\n\
         local QUEUES = {{{}}}\n{}{script}",
        names::STREAM,
        names::MORE,
        names::FLOW,
        names::RING,
        names::HELD,
        names::LOST,
        names::LOAD,
        names::HOLDERS,
        names::RETURNED,
        names::RESERVED,
        names::DUE,
        queues.join(", "),
        lua!("queue/flows.lua"),
    )
}
