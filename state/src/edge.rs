//! The edge: authentication, query parameters, and refusals as clients see them.

pub mod auth;
#[cfg(feature = "schema")]
pub mod describe;
pub mod fhir;
pub mod keys;
pub mod looks;
pub mod parts;
pub mod problem;
pub mod query;
pub mod rate_limit;
pub mod refusal_log;
pub mod request;
pub mod sender;
pub mod serve;
pub mod services;
pub mod sessions;
pub mod signature;
pub mod wrong_keys;
