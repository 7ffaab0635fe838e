//! Bodies that come in: read whole, piece by piece, or not any more.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use spin_sdk::wasip3::http::types::{ErrorCode, Request, Trailers};
use spin_sdk::wasip3::wit_future;
use spin_sdk::wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::deadline::Deadline;

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;

/// The most of an unread body that is read and thrown away, bytes.
const MOST_DISCARDED: usize = 1024 * 1024;
/// The most time that this may take.
const DISCARDING: Duration = Duration::from_millis(500);

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than its limit.
    TooLong,
    /// It has a `content-encoding`. Nobody unpacks it: what is small may become large.
    Encoded,
    /// Its `content-type` says that it is not in UTF-8.
    Charset,
    /// The connection broke before it was whole.
    Broken,
}

/// What is left of a request's body when nobody reads it any more.
#[derive(Clone, Default)]
pub struct Rest(pub(super) Rc<RefCell<Option<Body>>>);

/// A body, and what comes after it.
pub(super) struct Body {
    pub(super) stream: StreamReader<u8>,
    pub(super) trailers: FutureReader<Result<Option<Trailers>, ErrorCode>>,
}

impl Body {
    pub(super) fn of(request: Request) -> Self {
        let (stream, trailers) = Request::consume_body(request, accepted());
        Body { stream, trailers }
    }
}

impl Rest {
    /// Reads it, up to a limit and for a moment, and throws it away.
    pub async fn discard(self) {
        let Some(mut body) = self.0.take() else { return };
        let read = async {
            let mut left = MOST_DISCARDED;
            while left > 0 {
                let (status, piece) = body.stream.read(Vec::with_capacity(CHUNK)).await;
                if !matches!(status, StreamResult::Complete(_)) {
                    return;
                }
                left = left.saturating_sub(piece.len());
            }
        };
        // Whether it came to its end makes no difference any more.
        let _ = Box::pin(Deadline::after(DISCARDING).run(read)).await;
    }
}

/// A body that is read piece by piece.
pub struct BodyStream {
    /// None when it has come to its end.
    pub(super) body: Option<Body>,
    pub(super) rest: Rest,
    pub(super) left: usize,
}

impl BodyStream {
    /// The next piece, none at the end. A piece is not empty.
    ///
    /// # Errors
    /// When the body is longer than its limit, or breaks off.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        while let Some(body) = &mut self.body {
            let (status, piece) = body.stream.read(Vec::with_capacity(CHUNK)).await;
            match status {
                StreamResult::Complete(_) => {}
                StreamResult::Dropped => {
                    // Only here it shows whether the sender came to its end or went away.
                    if let Some(body) = self.body.take() {
                        body.trailers.await.map_err(|_| BodyError::Broken)?;
                    }
                }
                StreamResult::Cancelled => return Err(BodyError::Broken),
            }
            self.left = self.left.checked_sub(piece.len()).ok_or(BodyError::TooLong)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        self.rest.0.replace(self.body.take());
    }
}

/// Tells the sender that we have no complaint about its body.
pub(super) fn accepted() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

/// Reads the first bytes of a body, at most `limit`, into `bytes`. What comes after them is not waited for.
pub(super) async fn beginning(mut body: Body, limit: usize, bytes: &mut Vec<u8>) {
    while bytes.len() < limit {
        let (status, mut piece) = body.stream.read(Vec::with_capacity(limit - bytes.len())).await;
        bytes.append(&mut piece);
        if !matches!(status, StreamResult::Complete(_)) {
            return;
        }
    }
}

/// Reads a whole body. One that is too long is given back with the error.
pub(super) async fn read(
    mut body: Body,
    stated: Option<usize>,
    limit: usize,
) -> Result<Vec<u8>, (BodyError, Option<Body>)> {
    let expected = stated.unwrap_or(CHUNK);
    let mut whole = Vec::new();
    let mut chunk = Vec::with_capacity(expected.clamp(1, CHUNK));
    loop {
        let status;
        (status, chunk) = body.stream.read(chunk).await;
        if stated == Some(chunk.len()) {
            // All of it at once. A body of stated length has no trailers to wait for.
            return Ok(chunk);
        }
        if whole.is_empty() {
            // What grows by doubling takes up to three times as much on the way.
            whole.reserve_exact(stated.unwrap_or(0).min(limit));
        }
        whole.append(&mut chunk);
        if whole.len() > limit {
            return Err((BodyError::TooLong, Some(body)));
        }
        match status {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped => break,
            StreamResult::Cancelled => return Err((BodyError::Broken, None)),
        }
    }
    drop(body.stream);
    body.trailers.await.map_err(|_| (BodyError::Broken, None))?;
    Ok(whole)
}
