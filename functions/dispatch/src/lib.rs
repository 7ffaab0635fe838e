//! The component that delivers alerts: a bell on `vigil.dispatch` starts a drain of `workers::dispatch`.
#![expect(unsafe_code, reason = "the component's export, which the attribute generates")]

use platform::{Error, log};
use state::health::check;
use workers::dispatch::{Until, drain, read};

#[spin_sdk::redis_subscriber]
async fn ring(message: Vec<u8>) -> Result<(), Error> {
    if let Some(id) = check::question(&message) {
        return check::answer(id, "dispatch", read).await;
    }
    drain(Until::Quiet).await.map(|_| ()).inspect_err(|error| log::error("drain-failed").cause(error).write())
}
