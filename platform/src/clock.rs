//! Time and chance, taken from the host at the edges and handed to the rules as values.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// The present moment by the host's wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Waits. Other tasks of the instance go on.
pub async fn sleep(duration: Duration) {
    #[cfg(target_family = "wasm")]
    spin_sdk::time::sleep(duration).await;
    #[cfg(not(target_family = "wasm"))]
    tokio::time::sleep(duration).await;
}

#[cfg(target_family = "wasm")]
fn random() -> u64 {
    spin_sdk::wasip3::random::random::get_random_u64()
}

/// Zero would be no chance at all: where the system gives none, the program must not go on.
#[cfg(not(target_family = "wasm"))]
#[expect(clippy::expect_used, reason = "the system of a computer always gives some")]
fn random() -> u64 {
    getrandom::u64().expect("the system gives no random numbers")
}

/// Random bytes, for secrets.
pub fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count.next_multiple_of(8));
    while bytes.len() < count {
        // A host may give fewer at once than it is asked for.
        #[cfg(target_family = "wasm")]
        bytes.extend(spin_sdk::wasip3::random::random::get_random_bytes((count - bytes.len()) as u64));
        #[cfg(not(target_family = "wasm"))]
        bytes.extend(random().to_ne_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A random number in `0.0..1.0`.
pub fn chance() -> f64 {
    // The 53 bits that a float can tell apart.
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

thread_local! {
    static UNIQUE: Cell<Option<u128>> = const { Cell::new(None) };
}

/// 128 bits that no other call gives, which may be guessable: for what must differ and is no secret. The host is asked
/// once for each instance.
pub fn unique_bits() -> u128 {
    // A linear congruential generator of full period: odd increment, multiplier 1 more than a multiple of 4.
    let last = UNIQUE.get().unwrap_or_else(random_bits);
    let next = last.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(0x9E37_79B9_7F4A_7C15);
    UNIQUE.set(Some(next));
    next
}

/// 128 random bits, never guessable.
pub fn random_bits() -> u128 {
    (u128::from(random()) << 64) | u128::from(random())
}
