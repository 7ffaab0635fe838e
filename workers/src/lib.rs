//! The code of the workers, as a library.
//!
//! Each worker's component (`functions/score`, `functions/dispatch`, `functions/clock`) holds only the export that a bell
//! calls; `drain` runs a round of all of them over HTTP, and `console` reads which routes are in force. A component's export
//! would end up in whatever links it, so what is linked has none.
//!
//! A drain is given boxed: so it is compiled here, once, and not again in every component that awaits it.

pub mod clock;
pub mod dispatch;
pub mod score;
