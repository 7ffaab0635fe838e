//! What happens to an alert once a rule has raised it: who is told, when again, who is told next, and when it is over.
//!
//! Guarantee: every decision is a value with its reason. An alert is on its way, or delivered, acknowledged, or visibly
//! waiting, suppressed or dead with its reason; an open critical alert always has a next step with a time.
//!
//! The story of one alert:
//! 1. [`routes`]: the document `alert-routes` says by study, site and severity who is told: a [`routes::Plan`].
//! 2. [`admission`]: is it silenced, a repetition, or part of a group? [`silence`] has the matchers.
//! 3. [`state`]: its life as one pure function of state, event and time. What is due is read off the state.
//! 4. [`message`] with [`template`]: what a receiver is sent.
//! 5. [`retry`] and [`breaker`]: what follows from one call, and whether the receiver is called at all. [`quiet`]: when.
//! 6. [`link`]: the link by which a message is acknowledged. [`page`]: what a person sees there.
//!
//! Durations are milliseconds, points in time [`crate::Timestamp`]s, chance a number in `0.0..1.0`; all are arguments.
//!
//! Not for: storage and calls. What is decided here is written by one script in Redis, or not at all.

pub mod admission;
pub mod breaker;
pub mod endpoint;
pub mod link;
pub mod message;
pub mod page;
pub mod quiet;
pub mod retry;
pub mod routes;
pub mod silence;
pub mod state;
pub mod template;
