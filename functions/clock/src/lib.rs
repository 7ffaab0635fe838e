//! The component of the clock: a message on `vigil.clock` is one tick of `workers::clock`.
#![expect(unsafe_code, reason = "the component's export, which the attribute generates")]

use platform::{Error, log};
use state::health::check;
use workers::clock::{self, Ticker};

#[spin_sdk::redis_subscriber]
async fn tick(message: Vec<u8>) -> Result<(), Error> {
    if let Some(id) = check::question(&message) {
        return check::answer(id, "clock", Ticker::read).await;
    }
    clock::tick(&message).await.inspect_err(|error| log::error("tick-failed").cause(error).write())
}
