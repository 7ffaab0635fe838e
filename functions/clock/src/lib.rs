//! The timer that Spin does not have.
//!
//! Guarantee: while anything waits, somewhere a tick follows within about a second, and never do two ticks run at once,
//! however many hosts listen. A tick waits, moves what is due onto its queue, rings for what waits unattended (its bell
//! was lost, or its worker died and the lease ended), and publishes the next tick while there is anything to watch. It also
//! reports alerts that should have moved and did not, and keeps dead letters bounded.
//!
//! Should a tick die with its host, the clock's mark runs out, and the next submission, the readiness check or
//! `POST /v1/ops/drain` starts it again.
//!
//! Not for: precision. What is due happens up to a tick late.

use std::time::Duration;

use platform::config::Reader;
use platform::redis::{PATIENCE, Redis};
use platform::watch::{self, Bounds};
use platform::{Error, clock, log, queue};

/// The pause between two ticks.
const PAUSE: Duration = Duration::from_secs(1);

#[expect(unsafe_code, reason = "the component's export, which the attribute generates")]
mod trigger {
    use platform::{Error, log};

    #[spin_sdk::redis_subscriber]
    async fn tick(message: Vec<u8>) -> Result<(), Error> {
        super::round(&message).await.inspect_err(|error| log::error("tick-failed").cause(error).write())
    }
}

async fn round(message: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::new();
    let redis = Redis::patient(&reader.text("redis_url").await, PATIENCE);
    let lease = reader.seconds("lease_seconds", 1..=86_400).await;
    let bounds = Bounds {
        grace: reader.seconds("alert_grace_seconds", 1..=86_400).await,
        dead_letters: reader.number("dead_letters_most", 100..=100_000_000).await,
        dead_letters_kept: Duration::from_secs(86_400u64 * reader.number("dead_letters_days", 1..=3650).await),
    };
    let redis = reader.finish(redis)?;

    let Some(running) = queue::lease_clock(&redis, message).await? else {
        // Another host ticks, or this message comes late.
        return Ok(());
    };
    clock::sleep(PAUSE).await;
    let done = queue::tick(&redis, clock::now().millis(), lease, Some(&running)).await?;
    if done.moved > 0 {
        log::info("due-moved").count(done.moved).write();
    }
    let watched = watch::round(&redis, clock::now().millis(), bounds).await?;
    for alert in &watched.overdue {
        log::error("alert-overdue").alert(alert).write();
    }
    if watched.trimmed > 0 {
        log::warn("dead-letters-trimmed").count(watched.trimmed).write();
    }
    Ok(())
}
