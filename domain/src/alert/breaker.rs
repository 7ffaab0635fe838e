//! The circuit breaker of a receiver: it stops calls for a while to a receiver that fails again and again.
//!
//! Guarantee: the breaker opens only if enough calls took place within the window and enough of them failed. While it
//! is open, one call at a time probes whether the receiver is back. If the probe succeeds, the breaker closes; if the
//! probe fails, the breaker stays open for another pause.
//!
//! Mechanism: the state is one small hash that all instances share. It holds counts by time slot, and two points in
//! time. A call changes it with [`Write`]s. They can be applied in any order, and two workers that write at the same
//! time lose nothing: counts are added up, times are set. Only the right to probe can be won or lost:
//! [`Admission::Probe`] is a claim.
//!
//! Not for: pacing a receiver that works. Its rate and concurrency limits do that.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Timestamp;

/// The limits of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The window in which calls count, milliseconds. Default 5 min.
    pub window_ms: u64,
    /// The breaker never opens on fewer calls than this within the window. Default 10.
    pub calls: u64,
    /// The breaker opens at this share of failures, percent. Default 70.
    pub failure_percent: u64,
    /// The time it stays open before one call may probe, milliseconds. Default 30 s.
    pub pause_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { window_ms: 300_000, calls: 10, failure_percent: 70, pause_ms: 30_000 }
    }
}

/// Slots of a window. The oldest tenth of the window is dropped at once.
const SLOTS: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    calls: u64,
    failed: u64,
}

/// The recorded calls of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gauge {
    /// Counts by slot number.
    slots: BTreeMap<u64, Count>,
    /// The breaker is open, and a call may probe from this moment on.
    open_until: Option<Timestamp>,
    /// A call is probing until this moment.
    probing_until: Option<Timestamp>,
}

/// The decision whether a receiver may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The call may proceed.
    Pass,
    /// One caller may probe: the caller that wins the field [`PROBE`] until this time. All others wait until then.
    Probe(Timestamp),
    /// The receiver is not called before this time.
    Wait(Timestamp),
}

/// The state of a breaker, as metrics report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// One call may probe, or is probing.
    HalfOpen,
}

impl Position {
    /// The state's name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Position::Closed => "closed",
            Position::Open => "open",
            Position::HalfOpen => "half-open",
        }
    }
}

/// A change of the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// `HINCRBY field 1`.
    Add(String),
    /// `HSET field value`.
    Set(&'static str, String),
    /// `HDEL field`.
    Delete(String),
}

/// The field that is set while it is open: milliseconds since the epoch.
pub const OPEN: &str = "open";
/// The field that a caller must win before it probes: the end of the probe, in milliseconds since the epoch. A caller
/// wins the field if it does not exist or its time has passed.
pub const PROBE: &str = "probe";

impl Gauge {
    /// Reads the fields of the hash. It ignores fields that it does not understand; in the worst case, one more call is
    /// made.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut gauge = Gauge::default();
        for (field, value) in fields {
            let time = || value.parse().ok().map(Timestamp::from_millis);
            match field {
                OPEN => gauge.open_until = time(),
                PROBE => gauge.probing_until = time(),
                _ => {
                    if let (Some((kind, slot)), Ok(count)) = (counter(field), value.parse()) {
                        *gauge.counter(kind, slot) = count;
                    }
                }
            }
        }
        gauge
    }

    fn counter(&mut self, kind: Kind, slot: u64) -> &mut u64 {
        let count = self.slots.entry(slot).or_default();
        match kind {
            Kind::Calls => &mut count.calls,
            Kind::Failed => &mut count.failed,
        }
    }

    /// The number of calls and of failed calls within the window that ends now.
    pub fn counts(&self, limits: &Limits, now: Timestamp) -> (u64, u64) {
        let current = slot_of(limits, now);
        let counted = self.slots.iter().filter(|(slot, _)| in_window(**slot, current));
        counted.fold((0, 0), |(calls, failed), (_, it)| (calls + it.calls, failed + it.failed))
    }

    /// The state of the breaker.
    pub fn position(&self, now: Timestamp) -> Position {
        match self.open_until {
            None => Position::Closed,
            Some(until) if now < until => Position::Open,
            Some(_) => Position::HalfOpen,
        }
    }

    /// Decides whether the receiver may be called now. The call takes at most `deadline_ms`.
    pub fn admit(&self, limits: &Limits, deadline_ms: u64, now: Timestamp) -> Admission {
        let Some(open_until) = self.open_until else { return Admission::Pass };
        // If the clock was wrong when the breaker opened, it must not stay open for longer than one pause from now.
        let open_until = open_until.min(now.plus_ms(limits.pause_ms));
        if now < open_until {
            return Admission::Wait(open_until);
        }
        // The lease is a little longer than the call, so that the result is recorded before the next caller probes.
        let lease_ms = deadline_ms.saturating_add(1000);
        match self.probing_until {
            Some(until) if now < until => Admission::Wait(until.min(now.plus_ms(lease_ms))),
            _ => Admission::Probe(now.plus_ms(lease_ms)),
        }
    }

    /// The changes after a call that ended at `now`. `healthy` is the value of [`super::retry::Outcome::healthy`].
    pub fn after(&self, limits: &Limits, healthy: bool, now: Timestamp) -> Vec<Write> {
        let current = slot_of(limits, now);
        // When a receiver is back, its earlier failures no longer count.
        let is_back = healthy && self.open_until.is_some();
        let old = self.slots.keys().filter(|slot| is_back || !in_window(**slot, current));
        let mut writes: Vec<Write> =
            old.flat_map(|slot| [Write::Delete(format!("c{slot}")), Write::Delete(format!("f{slot}"))]).collect();
        let opens = |writes: &mut Vec<Write>| {
            let until = now.plus_ms(limits.pause_ms).millis();
            writes.push(Write::Set(OPEN, format!("{until}")));
            writes.push(Write::Delete(PROBE.into()));
        };
        if self.open_until.is_some() {
            match healthy {
                true => writes.extend([OPEN, PROBE].map(|field| Write::Delete(field.into()))),
                false => opens(&mut writes),
            }
            return writes;
        }
        writes.push(Write::Add(format!("c{current}")));
        let (mut calls, mut failed) = self.counts(limits, now);
        calls += 1;
        if !healthy {
            writes.push(Write::Add(format!("f{current}")));
            failed += 1;
            if calls >= limits.calls && failed * 100 >= limits.failure_percent * calls {
                opens(&mut writes);
            }
        }
        writes
    }

    /// Applies these changes in the same way as the Redis hash does.
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Add(field) => {
                    if let Some((kind, slot)) = counter(field) {
                        *self.counter(kind, slot) += 1;
                    }
                }
                Write::Set(field, value) => {
                    let time = value.parse().ok().map(Timestamp::from_millis);
                    *(if *field == OPEN { &mut self.open_until } else { &mut self.probing_until }) = time;
                }
                Write::Delete(field) => match (field.as_str(), counter(field)) {
                    (OPEN, _) => self.open_until = None,
                    (PROBE, _) => self.probing_until = None,
                    (_, Some((kind, slot))) => {
                        *self.counter(kind, slot) = 0;
                        self.slots.retain(|_, count| *count != Count::default());
                    }
                    _ => {}
                },
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Calls,
    Failed,
}

/// The kind and slot of a field `c<slot>` or `f<slot>`.
fn counter(field: &str) -> Option<(Kind, u64)> {
    let (kind, slot) = field.split_at_checked(1)?;
    let kind = match kind {
        "c" => Kind::Calls,
        "f" => Kind::Failed,
        _ => return None,
    };
    Some((kind, slot.parse().ok()?))
}

fn slot_of(limits: &Limits, now: Timestamp) -> u64 {
    u64::try_from(now.millis()).unwrap_or(0) / (limits.window_ms / SLOTS).max(1)
}

/// A host whose clock is a little ahead may write the slot after the current one.
fn in_window(slot: u64, current: u64) -> bool {
    slot <= current + 1 && current < slot.saturating_add(SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { window_ms: 300_000, calls: 10, failure_percent: 70, pause_ms: 30_000 };
    const DEADLINE: u64 = 5_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_772_323_200_000 + second * 1000)
    }

    /// A gauge after calls at these seconds.
    fn after(calls: &[(i64, bool)]) -> Gauge {
        let mut gauge = Gauge::default();
        for (second, healthy) in calls {
            let writes = gauge.after(&LIMITS, *healthy, at(*second));
            gauge.apply(&writes);
        }
        gauge
    }

    #[test]
    fn it_opens_on_enough_calls_of_which_enough_failed() {
        let calls = |failed: usize, good: usize| {
            let good = core::iter::repeat_n((0, true), good);
            good.chain(core::iter::repeat_n((1, false), failed)).collect::<Vec<_>>()
        };
        for (failed, good, open) in [(9, 0, false), (10, 0, true), (7, 3, true), (6, 4, false), (69, 31, false)] {
            let gauge = after(&calls(failed, good));
            assert_eq!(gauge.position(at(2)) != Position::Closed, open, "{failed} of {}", failed + good);
        }
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let gauge = after(&[(0, false); 9]);
        assert_eq!(gauge.counts(&LIMITS, at(1)), (9, 9));
        assert_eq!(gauge.counts(&LIMITS, at(301)), (0, 0));
        let mut calls = Vec::from([(0, false); 9]);
        calls.push((400, false));
        let gauge = after(&calls);
        assert_eq!((gauge.position(at(400)), gauge.slots.len()), (Position::Closed, 1), "old slots are deleted");
    }

    #[test]
    fn one_call_tries_and_closes_or_keeps_it_open() {
        let mut gauge = after(&[(0, false); 10]);
        assert_eq!(gauge.admit(&LIMITS, DEADLINE, at(1)), Admission::Wait(at(30)));
        let Admission::Probe(until) = gauge.admit(&LIMITS, DEADLINE, at(30)) else { panic!("no probe") };
        assert_eq!(until, at(36));
        gauge.apply(&[Write::Set(PROBE, until.millis().to_string())]);
        assert_eq!(gauge.admit(&LIMITS, DEADLINE, at(31)), Admission::Wait(at(36)), "one at a time");
        assert!(matches!(gauge.admit(&LIMITS, DEADLINE, at(36)), Admission::Probe(_)), "a probe that died is replaced");

        let mut failed = gauge.clone();
        failed.apply(&gauge.after(&LIMITS, false, at(32)));
        assert_eq!(failed.admit(&LIMITS, DEADLINE, at(33)), Admission::Wait(at(62)));
        gauge.apply(&gauge.after(&LIMITS, true, at(32)));
        assert_eq!(gauge, Gauge::default(), "what it did before does not count");
        assert_eq!(gauge.admit(&LIMITS, DEADLINE, at(33)), Admission::Pass);
    }

    #[test]
    fn a_clock_that_was_wrong_opens_for_no_longer_than_a_pause() {
        let mut gauge = after(&[(86_400, false); 10]);
        assert_eq!(gauge.admit(&LIMITS, DEADLINE, at(0)), Admission::Wait(at(30)));
        gauge.apply(&[Write::Set(OPEN, "0".into()), Write::Set(PROBE, at(86_400).millis().to_string())]);
        assert_eq!(gauge.admit(&LIMITS, DEADLINE, at(0)), Admission::Wait(at(6)));
    }

    #[test]
    fn what_it_does_not_understand_it_leaves_aside() {
        let fields = [("open", "soon"), ("c", "1"), ("cx", "1"), ("c1", "-1"), ("", ""), ("é1", "1"), ("zz", "9")];
        assert_eq!(Gauge::from_fields(fields), Gauge::default());
    }

    proptest! {
        #[test]
        fn the_hash_and_the_gauge_agree(calls in prop::collection::vec((0i64..900, any::<bool>()), 0..200)) {
            let mut hash: BTreeMap<String, i64> = BTreeMap::new();
            let mut gauge = Gauge::default();
            for (second, healthy) in calls {
                let writes = gauge.after(&LIMITS, healthy, at(second));
                for write in &writes {
                    match write.clone() {
                        Write::Add(field) => *hash.entry(field).or_default() += 1,
                        Write::Set(field, value) => { hash.insert(field.into(), value.parse().unwrap()); }
                        Write::Delete(field) => { hash.remove(&field); }
                    }
                }
                gauge.apply(&writes);
                prop_assert!(hash.len() <= 2 * (SLOTS as usize + 1) + 2, "{}", hash.len());
                let fields: Vec<(String, String)> = hash.iter().map(|(k, v)| (k.clone(), v.to_string())).collect();
                let read = Gauge::from_fields(fields.iter().map(|(k, v)| (k.as_str(), v.as_str())));
                prop_assert_eq!(&read, &gauge);
                let (counted, failed) = gauge.counts(&LIMITS, at(second));
                prop_assert!(failed <= counted);
            }
        }
    }
}
