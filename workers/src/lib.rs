//! The code of the workers, as a library.
//!
//! Each worker's component (`functions/score`, `functions/dispatch`, `functions/clock`) holds only the export that a
//! bell calls; `erase` is what the clock and those who ask for an erasure share. `drain` runs a round of all workers over HTTP, and `console` reads which routes are in force. This
//! library has no exports, because a component's export would end up in every component that links it.
//!
//! A drain returns a boxed future, so it is compiled here, once, and not again in every component that awaits it.

pub mod clock;
pub mod dispatch;
pub mod erase;
pub mod score;
