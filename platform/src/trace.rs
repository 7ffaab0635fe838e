//! W3C trace context: one trace id from the door to the receiver.

use crate::identity::hex;

/// A trace, and the span within it that the next call names as its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// Goes on with the trace of a `traceparent` header, or starts one where there is none or it is not valid.
    /// `random` gives the new ids.
    pub fn accept(header: Option<&str>, random: u128) -> Self {
        let span = hex(&((random >> 64) as u64 ^ random as u64).max(1).to_be_bytes());
        match header.and_then(trace_id) {
            Some((id, flags)) => Trace(format!("00-{id}-{span}-{flags}")),
            None => Trace(["00-", &hex(&random.max(1).to_be_bytes()), "-", &span, "-01"].concat()),
        }
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
    use super::*;

    #[test]
    fn a_valid_trace_goes_on_with_a_new_span() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::accept(Some(header), 0xabc);
        assert_eq!(trace.as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01");
        assert_eq!(trace.child(1).as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01");
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
