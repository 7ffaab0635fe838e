//! A call that is on its way while its caller does something else: the next batch is claimed while this one is stored.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{Either, LocalBoxFuture, Ready, ready};

/// A call that has begun. It goes on whenever the caller waits for anything; dropping it gives it up.
pub struct Ahead<'a, T>(Either<Ready<T>, LocalBoxFuture<'a, T>>);

impl<'a, T> Ahead<'a, T> {
    /// Nothing to wait for.
    pub fn done(value: T) -> Self {
        Ahead(Either::Left(ready(value)))
    }

    /// Begins a call: what it sends first is sent when this returns.
    pub async fn begin(call: impl Future<Output = T> + 'a) -> Self {
        let mut ahead = Ahead(Either::Right(Box::pin(call)));
        if let Poll::Ready(value) = futures::poll!(&mut ahead) {
            ahead = Ahead::done(value);
        }
        ahead
    }

    /// Waits until it has ended, and keeps what it gave.
    pub async fn settle(&mut self) {
        if let Either::Right(call) = &mut self.0 {
            *self = Ahead::done(call.await);
        }
    }
}

impl<T> Future for Ahead<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}
