//! The component of the scorer: a bell on `vigil.score` starts a drain of `workers::score`.
#![expect(unsafe_code, reason = "the component's export, which the attribute generates")]

use platform::{Error, log};
use state::health::check;
use workers::score::{BUDGET, drain, read};

#[spin_sdk::redis_subscriber]
async fn ring(message: Vec<u8>) -> Result<(), Error> {
    if let Some(id) = check::question(&message) {
        return check::answer(id, "score", read).await;
    }
    drain(BUDGET).await.map(|_| ()).inspect_err(|error| log::error("drain-failed").cause(error).write())
}
