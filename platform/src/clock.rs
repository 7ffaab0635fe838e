//! Time and chance, taken from the host at the edges and handed to the rules as values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use spin_sdk::wasip3::random::random;

/// The present moment by the host's wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Waits. Other tasks of the instance go on.
pub async fn sleep(duration: Duration) {
    spin_sdk::time::sleep(duration).await;
}

/// A random number in `0.0..1.0`.
pub fn chance() -> f64 {
    // The 53 bits that a float can tell apart.
    (random::get_random_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// 128 random bits, never guessable.
pub fn random_bits() -> u128 {
    (u128::from(random::get_random_u64()) << 64) | u128::from(random::get_random_u64())
}
