//! W3C trace context: one trace id from the door to the receiver, in every log line and problem document on the way.
//!
//! The trace of the work at hand is known to whoever writes a line or a problem, without being handed there:
//! [`Trace::around`] sets it for every step of a piece of work and takes it back after the step, so that of several
//! pieces that an instance does in turns each has its own.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use domain::push_hex;
use pin_project_lite::pin_project;

thread_local! {
    static CURRENT: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// The length of a `traceparent` header, bytes.
const LENGTH: usize = 55;

/// A trace, and the span within it that the next call names as its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(Rc<str>);

impl Trace {
    /// Goes on with the trace of a `traceparent` header, or starts one where there is none or it is not valid.
    /// `random` gives the new ids.
    pub fn accept(header: Option<&str>, random: u128) -> Self {
        let given = header.and_then(trace_id);
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        match given {
            Some((id, _)) => text.push_str(id),
            None => push_hex(&mut text, &random.max(1).to_be_bytes()),
        }
        text.push('-');
        push_hex(&mut text, &((random >> 64) as u64 ^ random as u64).max(1).to_be_bytes());
        text.push('-');
        text.push_str(given.map_or("01", |(_, flags)| flags));
        Trace(text.into())
    }

    /// A trace that Vigil wrote down itself.
    pub fn known(traceparent: &str) -> Self {
        Trace(traceparent.into())
    }

    /// The trace of the work at hand, if it has one.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Does a piece of work that belongs to this trace.
    pub fn around<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        Around { trace: self, work }
    }

    /// A span below this one.
    pub fn child(&self, random: u128) -> Self {
        Trace::accept(Some(&self.0), random)
    }

    /// As a `traceparent` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pin_project! {
    struct Around<'t, W> {
        trace: &'t Trace,
        #[pin]
        work: W,
    }
}

impl<W: Future> Future for Around<'_, W> {
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let this = self.project();
        let before = CURRENT.replace(Some(this.trace.clone()));
        let polled = this.work.poll(cx);
        CURRENT.set(before);
        polled
    }
}

fn trace_id(header: &str) -> Option<(&str, &str)> {
    let mut parts = header.trim().splitn(4, '-');
    let (version, id, span, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = match version {
        "00" => rest,
        // A later version may append fields; the first four keep their meaning.
        _ => rest.split('-').next()?,
    };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let valid = hex(version, 2) && version != "ff" && hex(id, 32) && hex(span, 16) && hex(flags, 2);
    (valid && !zero(id) && !zero(span)).then_some((id, flags))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn a_valid_trace_goes_on_with_a_new_span() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::accept(Some(header), 0xabc);
        assert_eq!(trace.as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01");
        assert_eq!(trace.child(1).as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01");
    }

    #[test]
    fn of_pieces_of_work_done_in_turns_each_has_its_own_trace() {
        let (one, other) = (Trace::accept(None, 1), Trace::accept(None, 2));
        let work = async |own: &Trace| {
            for _ in 0..3 {
                assert_eq!(Trace::current().as_ref(), Some(own));
                futures::pending!();
            }
        };
        let both = futures::future::join(one.around(work(&one)), other.around(work(&other)));
        let mut both = pin!(both);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while both.as_mut().poll(&mut cx).is_pending() {
            assert_eq!(Trace::current(), None);
        }
    }

    #[test]
    fn what_is_no_trace_starts_one() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for header in [None, Some(""), Some("00-x-y-z"), Some(zeros), Some("ff-1-2-3")] {
            let trace = Trace::accept(header, u128::MAX);
            assert!(trace_id(trace.as_str()).is_some(), "{header:?}");
        }
    }
}
