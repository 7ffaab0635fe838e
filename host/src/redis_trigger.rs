//! The Redis trigger: receives messages and lets components handle them.
//!
//! Guarantee: the messages of one address are handled strictly one after another, in the order of their arrival, each
//! in a fresh instance and without a time limit. If two strings name the same server, they are two addresses, and
//! independent.
//!
//! Mechanism: one task per address string subscribes to all its channels. If a handler fails or traps, the error is
//! logged and the message is lost.
//!
//! One difference to Spin: when Redis becomes unavailable, Spin ends its process and leaves the restart to a
//! supervisor; here the task reconnects. In both cases the messages published meanwhile are lost. For the same reason
//! this host also starts while Redis is unavailable.
//!
//! Not for: delivering messages. Work that must not be lost waits in a stream; a message is only a bell.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use futures::future::join_all;
use redis::IntoConnectionInfo as _;
use redis::aio::PubSub;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::Engine;

use crate::component::Component;
use crate::guest::Guest;
use crate::guest::bindings::RedisTriggerPre;

/// The time that an attempt to subscribe may take.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause before the first new attempt; it doubles up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The components of each channel of each address.
pub(crate) type Channels = BTreeMap<String, BTreeMap<String, Vec<Arc<Component>>>>;

/// Subscribes to everything and leaves one running task per address. Returns when the subscriptions are active, or when
/// their first attempt has failed.
pub(crate) async fn start(
    engine: &Engine,
    channels: Channels,
    stop: &CancellationToken,
    alive: &TaskTracker,
) -> anyhow::Result<()> {
    let mut subscribers = Vec::new();
    for (address, channels) in channels {
        let mut handlers = BTreeMap::new();
        for (channel, components) in channels {
            let components = components.into_iter().map(|component| {
                let handler = RedisTriggerPre::new(component.pre.clone())
                    .map_err(|error| anyhow::anyhow!("component {} has a Redis trigger: {error:#}", component.id))?;
                Ok(Handler { component, handler })
            });
            handlers.insert(channel, components.collect::<anyhow::Result<Vec<_>>>()?);
        }
        let info = address.as_str().into_connection_info().context("an address of a Redis trigger")?;
        subscribers.push(Subscriber {
            engine: engine.clone(),
            // The address without the password that it may contain.
            server: info.addr().to_string(),
            client: redis::Client::open(info)?,
            handlers,
            alive: alive.clone(),
        });
    }
    let first = join_all(subscribers.iter().map(Subscriber::subscribe)).await;
    for (subscriber, subscription) in subscribers.into_iter().zip(first) {
        alive.spawn(subscriber.run(subscription, stop.clone()));
    }
    Ok(())
}

struct Subscriber {
    engine: Engine,
    server: String,
    client: redis::Client,
    handlers: BTreeMap<String, Vec<Handler>>,
    alive: TaskTracker,
}

struct Handler {
    component: Arc<Component>,
    handler: RedisTriggerPre<Guest>,
}

impl Subscriber {
    async fn subscribe(&self) -> anyhow::Result<PubSub> {
        let subscribe = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            for channel in self.handlers.keys() {
                subscription.subscribe(channel).await?;
            }
            anyhow::Ok(subscription)
        };
        timeout(SUBSCRIBE_TIMEOUT, subscribe).await.context("no answer")?
    }

    async fn run(self, mut subscription: anyhow::Result<PubSub>, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            match subscription {
                Ok(subscription) => {
                    pause = FIRST_PAUSE;
                    if self.listen(subscription, &stop).await {
                        return;
                    }
                    eprintln!("Redis at {} has gone: messages are lost until it is back", self.server);
                }
                Err(error) if pause == FIRST_PAUSE => eprintln!("Redis at {} is unavailable: {error:#}", self.server),
                Err(_) => {}
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = stop.cancelled() => return,
            }
            subscription = self.subscribe().await;
        }
    }

    /// Handles messages until the host stops (true) or the connection ends (false).
    async fn listen(&self, subscription: PubSub, stop: &CancellationToken) -> bool {
        let mut messages = subscription.into_on_message();
        loop {
            let message = tokio::select! {
                biased;
                () = stop.cancelled() => return true,
                message = messages.next() => message,
            };
            let Some(message) = message else { return false };
            let handlers = self.handlers.get(message.get_channel_name()).map_or(&[][..], Vec::as_slice);
            let payload = message.get_payload_bytes();
            // If several components share a channel, all get the message at the same time; the next message waits for
            // all of them.
            let handled = handlers.iter().map(|handler| async {
                if let Err(error) = handler.handle(self, payload.to_vec()).await {
                    eprintln!("[{}] message dropped: {error:#}", handler.component.id);
                }
            });
            join_all(handled).await;
        }
    }
}

impl Handler {
    async fn handle(&self, subscriber: &Subscriber, payload: Vec<u8>) -> wasmtime::Result<()> {
        let (mut store, busy) = Guest::store(&subscriber.engine, &self.component, subscriber.alive.token());
        let instance = self.handler.instantiate_async(&mut store).await?;
        let handler = instance.spin_redis_inbound_redis();
        let mut call =
            pin!(store.run_concurrent(async |accessor| handler.call_handle_message(accessor, payload).await));
        let result = poll_fn(|cx| {
            let poll = call.as_mut().poll(cx);
            busy.paused();
            poll
        })
        .await??;
        result.map_err(|error| wasmtime::format_err!("the handler returned {error:?}"))
    }
}
