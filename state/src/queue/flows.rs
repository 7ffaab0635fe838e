//! The base of all scripts that work on the queues.

/// The names of keys and the functions of `flows.lua`, which stand before such a script. A static, so that a component has
/// them once.
pub(crate) static BEFORE: &str = include_str!(concat!(env!("OUT_DIR"), "/before.lua"));

/// A script, preceded by the base.
pub fn before(script: &str) -> String {
    [BEFORE, script].concat()
}
