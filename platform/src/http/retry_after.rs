//! The header `Retry-After`: seconds, or a date. RFC 9110, section 10.2.3.

use std::time::{Duration, UNIX_EPOCH};

use domain::Timestamp;

/// The seconds that a receiver asks to be left alone for, whatever its schedule makes of them; none if it says nothing
/// that can be read. A date is compared with our own clock, whole seconds upwards; one that has passed asks for nothing.
/// All three forms of a date are read, as a recipient has to.
pub(super) fn seconds(value: &[u8], now: Timestamp) -> Option<u32> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is as long as can be.
        return Some(text.parse().unwrap_or(u32::MAX));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
    let wait = at.duration_since(now).unwrap_or(Duration::ZERO);
    Some(u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_in_every_form() {
        let now = Timestamp::parse("2026-03-01T08:00:00.250Z").unwrap();
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999", Some(u32::MAX)),
            ("Sun, 01 Mar 2026 08:02:00 GMT", Some(120)),
            ("Sunday, 01-Mar-26 08:02:00 GMT", Some(120)),
            ("Sun Mar  1 08:02:00 2026", Some(120)),
            ("Sun, 01 Mar 2026 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(u32::MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 01 Mar 2026 08:02:00 CET", None),
            ("2026-03-01T08:02:00Z", None),
            ("\u{661}", None),
        ] {
            assert_eq!(seconds(value.as_bytes(), now), expected, "{value:?}");
        }
        assert_eq!(seconds(b"\xff", now), None);
    }
}
