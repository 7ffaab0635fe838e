//! Log lines of refused requests: at most one a second for each event and key.
//!
//! Guarantee: whoever sends a flood of requests that are refused does not fill the log, and delays nobody: the line is
//! written beside the reply. The next line of an instance counts those that it left out. Without Redis, each instance
//! writes one line a second.
//!
//! Mechanism: an instance remembers when it wrote its last lines. A mark in Redis, which ends after a second, tells the
//! instances apart.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::ids::KeyId;
use platform::deadline::Deadline;
use platform::log;
use platform::redis::{Redis, text};
use spin_sdk::redis::RedisResult;
use spin_sdk::wasip3;

use crate::names;

/// The time in which there is one line.
const PAUSE: Duration = Duration::from_secs(1);
/// The most lines whose time an instance remembers.
const MOST: usize = 64;
/// Stands for a key that is not known.
const UNKNOWN: &str = "*";

/// The time of the last line, and the number of lines left out since.
struct Last {
    at: Instant,
    left_out: usize,
}

thread_local! {
    static LAST: RefCell<BTreeMap<(&'static str, String), Last>> = const { RefCell::new(BTreeMap::new()) };
}

/// Writes a line about a refused request of this key, or leaves it out. None: the key is not known.
pub fn write(redis: &Redis, event: &'static str, key: Option<&KeyId>, outcome: &'static str) {
    let name = key.map_or(UNKNOWN, KeyId::as_str);
    let Some(left_out) = due(event, name, Instant::now()) else { return };
    // The line is put together now, because it names the trace of this request.
    let line = log::warn(event).outcome(outcome);
    let line = if let Some(key) = key { line.key(key) } else { line };
    let line = if left_out > 0 { line.count(left_out) } else { line };
    let (redis, mark) = (redis.clone(), names::logged(event, name));
    wasip3::spawn(async move {
        if is_first(&redis, mark).await {
            line.write();
        }
    });
}

/// The number of lines that this instance left out before this one; none if it is left out, too.
fn due(event: &'static str, key: &str, now: Instant) -> Option<usize> {
    LAST.with_borrow_mut(|last| {
        if let Some(last) = last.get_mut(&(event, key.to_owned())).filter(|last| now.duration_since(last.at) < PAUSE) {
            last.left_out += 1;
            return None;
        }
        if last.len() >= MOST {
            last.retain(|_, last| now.duration_since(last.at) < PAUSE);
        }
        if last.len() >= MOST {
            return None;
        }
        let before = last.insert((event, key.to_owned()), Last { at: now, left_out: 0 });
        Some(before.map_or(0, |before| before.left_out))
    })
}

/// Whether no other instance wrote this line within the last second. Redis that does not answer says nothing.
async fn is_first(redis: &Redis, mark: String) -> bool {
    let milliseconds = PAUSE.as_millis().to_string();
    let arguments = [mark.as_str(), "1", "NX", "PX", &milliseconds].map(text);
    match Deadline::after(PAUSE).run(redis.command("SET", arguments.into())).await {
        Ok(Ok(reply)) => !matches!(reply.first(), None | Some(RedisResult::Nil)),
        Ok(Err(_)) => true,
        Err(_) => {
            redis.forget();
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_is_due_and_tells_how_many_were_left_out() {
        let (begin, later) = (Instant::now(), |ms| Duration::from_millis(ms));
        assert_eq!(due("a", "k", begin), Some(0));
        assert_eq!(due("a", "k", begin + later(1)), None);
        assert_eq!(due("a", "other", begin + later(2)), Some(0));
        assert_eq!(due("b", "k", begin + later(3)), Some(0));
        assert_eq!(due("a", "k", begin + later(999)), None);
        assert_eq!(due("a", "k", begin + later(1000)), Some(2));
        assert_eq!(due("a", "k", begin + later(2000)), Some(0));
        // However many keys are named, an instance remembers few.
        let many = (0..1000).filter(|number| due("c", &number.to_string(), begin + later(2001)).is_some());
        assert!(many.count() < MOST);
        assert_eq!(due("c", "0", begin + later(4000)), Some(0));
    }
}
