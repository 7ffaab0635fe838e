//! The edge: who asks, what a query says, and how a refusal is told.

pub mod auth;
pub mod fhir;
pub mod problem;
pub mod query;
pub mod rate_limit;
pub mod request;
pub mod serve;
