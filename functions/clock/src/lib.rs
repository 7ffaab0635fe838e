//! The component of the clock: a message on `vigil.clock` is one tick of `workers::clock`.
#![expect(unsafe_code, reason = "the component's export, which the attribute generates")]

use platform::{Error, log};

#[spin_sdk::redis_subscriber]
async fn tick(message: Vec<u8>) -> Result<(), Error> {
    workers::clock::tick(&message).await.inspect_err(|error| log::error("tick-failed").cause(error).write())
}
