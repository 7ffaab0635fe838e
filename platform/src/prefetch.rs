//! A started future: a worker claims its next batch while it stores this one.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{Either, LocalBoxFuture, Ready, ready};

/// A call that has begun. It goes on whenever the caller waits for anything; dropping it gives it up.
pub struct Prefetch<'a, T>(Either<Ready<T>, LocalBoxFuture<'a, T>>);

impl<'a, T> Prefetch<'a, T> {
    /// Nothing to wait for.
    pub fn done(value: T) -> Self {
        Prefetch(Either::Left(ready(value)))
    }

    /// Begins a call: what it sends first is sent when this returns.
    pub async fn begin(call: impl Future<Output = T> + 'a) -> Self {
        let mut started = Prefetch(Either::Right(Box::pin(call)));
        if let Poll::Ready(value) = futures::poll!(&mut started) {
            started = Prefetch::done(value);
        }
        started
    }

    /// Waits until the call has ended, and keeps its value.
    pub async fn settle(&mut self) {
        if let Either::Right(call) = &mut self.0 {
            *self = Prefetch::done(call.await);
        }
    }
}

impl<T> Future for Prefetch<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}
