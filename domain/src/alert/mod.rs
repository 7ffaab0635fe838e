//! The life of an alert after a rule has raised it: whom Vigil notifies, when it repeats, whom it notifies next, and
//! when the alert ends.
//!
//! Guarantee: every decision is a value with its reason. An alert is on its way, delivered or acknowledged, or it is
//! visibly waiting, suppressed or dead with its reason. An open critical alert always has a next step with a time.
//!
//! The steps for one alert:
//! 1. [`routes`]: the document `alert-routes` selects the receivers by study, site and severity: a [`routes::Plan`].
//! 2. [`admission`]: is the alert silenced, a repetition, or part of a group? [`silence`] has the matchers.
//! 3. [`state`]: its life as one pure function of state, event and time. Everything that is due is derived from the
//!    state.
//! 4. [`message`] with [`template`]: the content of a message.
//! 5. [`retry`] and [`breaker`]: the next step after a call, and whether the receiver may be called at all. [`quiet`]:
//!    the hours.
//! 6. [`link`]: the link that acknowledges an alert. [`page`]: the page behind it.
//!
//! Durations are milliseconds, points in time are [`crate::Timestamp`]s, chance is a number in `0.0..1.0`. All are
//! arguments.
//!
//! Not for: storage and calls. One script in Redis writes each decision, completely or not at all.

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
pub mod zone;
