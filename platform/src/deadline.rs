//! One deadline for a whole piece of work, handed down to everything it calls.
//!
//! Guarantee: [`Deadline::run`] returns when time is up, whatever the future does; the future is dropped then, which
//! cancels the host call it waits on. Not for pacing: it measures, it does not schedule.

#[cfg(target_family = "wasm")]
mod alarm;
#[cfg(not(target_family = "wasm"))]
mod alarm {
    //! Waking at a time, where a timer costs next to nothing.

    /// Ready at this time.
    pub(super) async fn alarm(at: std::time::Instant) {
        crate::clock::sleep(at.saturating_duration_since(std::time::Instant::now())).await;
    }
}

use std::borrow::BorrowMut;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::clock;

/// The header by which a caller tells how many milliseconds are left, and by which we tell those we call.
pub const HEADER: &str = "x-request-timeout-ms";

/// The moment by which a piece of work is over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
}

/// Time was up. Distinct from a refusal and from a cancellation, which drops the future and returns nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for TimedOut {}

impl Deadline {
    /// The deadline so much later than now.
    pub fn after(duration: Duration) -> Self {
        Deadline { at: Instant::now() + duration }
    }

    /// The deadline so much later than now, or sooner if the caller's [`HEADER`] asks for it. It cannot ask for more.
    pub fn after_or_sooner(duration: Duration, header: Option<&str>) -> Self {
        let asked = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
        Deadline::after(asked.map_or(duration, |asked| asked.min(duration)))
    }

    /// The time that is left; zero after the deadline.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The earlier of this deadline and one so much later than now.
    pub fn cap(self, duration: Duration) -> Self {
        Deadline { at: self.at.min(Instant::now() + duration) }
    }

    /// Runs a future until it is done or time is up; then it is dropped.
    ///
    /// # Errors
    /// [`TimedOut`] when time is up first.
    pub fn run<T>(self, work: impl Future<Output = T>) -> impl Future<Output = Result<T, TimedOut>> {
        Timed { work, timer: Timer { deadline: self, shared: false, alarm: None }, begun: false }
    }

    /// A timer for several pieces of work one after another, in an instance that answers many requests at once: they
    /// share one timer of the host, which may outlive them by a tenth of a second.
    pub fn shared_timer(self) -> Timer {
        Timer { deadline: self, shared: true, alarm: None }
    }
}

/// A deadline that wakes: what it takes to be woken is done once, by the first piece of work that has to wait.
pub struct Timer {
    deadline: Deadline,
    shared: bool,
    alarm: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Timer {
    /// As [`Deadline::run`].
    ///
    /// # Errors
    /// [`TimedOut`] when time is up first.
    pub fn run<T>(&mut self, work: impl Future<Output = T>) -> impl Future<Output = Result<T, TimedOut>> {
        Timed { work, timer: self, begun: false }
    }

    fn is_late(&self) -> bool {
        // If somebody listens for the alarm already, the alarm tells.
        self.alarm.is_none() && self.deadline.left().is_zero()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TimedOut> {
        let alarm = self.alarm.get_or_insert_with(|| match self.shared {
            true => Box::pin(alarm::alarm(self.deadline.at)),
            false => Box::pin(clock::sleep(self.deadline.left())),
        });
        let rung = alarm.as_mut().poll(cx);
        if rung.is_ready() {
            self.alarm = None;
        }
        rung.map(|()| TimedOut)
    }
}

pin_project! {
    // No `async fn`: that would keep the work twice, once as it came and once where it is pinned.
    struct Timed<W, T> {
        #[pin]
        work: W,
        timer: T,
        begun: bool,
    }
}

impl<W: Future, T: BorrowMut<Timer>> Future for Timed<W, T> {
    type Output = Result<W::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let timer = (*this.timer).borrow_mut();
        if !std::mem::replace(this.begun, true) && timer.is_late() {
            return Poll::Ready(Err(TimedOut));
        }
        match this.work.poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => timer.poll(cx).map(Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_can_shorten_a_deadline_and_not_lengthen_it() {
        let second = Duration::from_secs(1);
        for (header, at_most) in [(Some("200"), 200), (Some("5000"), 1000), (Some("soon"), 1000), (None, 1000)] {
            let left = Deadline::after_or_sooner(second, header).left();
            assert!(left <= Duration::from_millis(at_most), "{header:?}: {left:?}");
            assert!(left > Duration::from_millis(at_most - 100), "{header:?}: {left:?}");
        }
    }

    #[test]
    fn work_is_done_if_there_is_time_and_not_begun_if_there_is_none() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for (left, expected) in [(Duration::from_secs(9), Ok(7)), (Duration::ZERO, Err(TimedOut))] {
            let begun = std::cell::Cell::new(false);
            let work = std::pin::pin!(Deadline::after(left).run(async {
                begun.set(true);
                7
            }));
            assert_eq!(work.poll(&mut cx), Poll::Ready(expected));
            assert_eq!(begun.get(), expected.is_ok());
        }
    }

    #[test]
    fn a_cap_only_shortens() {
        let deadline = Deadline::after(Duration::from_secs(1));
        assert!(deadline.cap(Duration::from_secs(9)).left() <= Duration::from_secs(1));
        assert!(deadline.cap(Duration::ZERO).left().is_zero());
    }
}
