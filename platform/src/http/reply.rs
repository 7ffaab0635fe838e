//! Replies: a status, headers, and a body that is there or is made while it is sent. Its length is stated, except for
//! streams of rows, which nobody can measure before they are made.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Response};
use spin_sdk::wasip3::{self, wit_future, wit_stream};
use spin_sdk::wit_bindgen::StreamWriter;

use crate::digest::digest;
use crate::json;

/// The size of the pieces of a body that is made while it is sent, bytes.
const CHUNK: usize = 16 * 1024;

/// A reply.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    /// With room for those of most replies.
    headers: Vec<(String, Vec<u8>)>,
    body: Outgoing,
}

/// Makes the pieces of a body out of what they are made of, the same each time.
pub type Pieces<S> = for<'a> fn(&'a S) -> Box<dyn Iterator<Item = String> + 'a>;
/// Writes a body.
type Write = Box<dyn FnOnce(StreamWriter<u8>) -> LocalBoxFuture<'static, ()>>;

enum Outgoing {
    Whole(Vec<u8>),
    /// So many bytes, made while they are sent.
    Made(usize, Write),
    /// Rows, made while they are sent.
    Rows(MakeRows),
}

/// The least size of the pieces in which rows are sent, bytes.
const ROWS: usize = 64 * 1024;
/// Makes the rows of a body.
type MakeRows = Box<dyn FnOnce(Rows) -> LocalBoxFuture<'static, bool>>;

/// The body of a stream of rows.
pub struct Rows {
    writer: StreamWriter<u8>,
    chunk: Vec<u8>,
    gone: bool,
}

impl Rows {
    /// Sends what is left.
    pub async fn end(mut self) {
        self.send().await;
    }

    /// Adds bytes. Returns whether the client is still there.
    pub async fn push(&mut self, bytes: &[u8]) -> bool {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= ROWS {
            self.send().await;
        }
        !self.gone
    }

    async fn send(&mut self) {
        if !self.gone {
            self.chunk = self.writer.write_all(std::mem::take(&mut self.chunk)).await;
            self.gone = !self.chunk.is_empty();
            self.chunk.clear();
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} bytes", self.length())
    }
}

impl Outgoing {
    /// The number of bytes; none if it is not known.
    fn length(&self) -> Option<usize> {
        match self {
            Outgoing::Whole(body) => Some(body.len()),
            Outgoing::Made(length, _) => Some(*length),
            Outgoing::Rows(_) => None,
        }
    }

    /// Writes the body. Returns whether it is whole: if not, the client must be able to tell.
    async fn write(self, mut writer: StreamWriter<u8>) -> bool {
        match self {
            // An error means that the client has gone; nobody needs the rest.
            Outgoing::Whole(body) => drop(writer.write_all(body).await),
            Outgoing::Made(_, write) => write(writer).await,
            Outgoing::Rows(make) => return make(Rows { writer, chunk: Vec::new(), gone: false }).await,
        }
        true
    }
}

/// The source, for a content security policy, that allows this style sheet within a page and no other.
pub fn style_source(style: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(style.as_bytes())))
}

impl Reply {
    /// A reply with a body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply::of(status, Outgoing::Whole(body.into())).header("content-type", content_type)
    }

    /// A reply whose body is made piece by piece while it is sent, and is never held as a whole. `length` is that of all
    /// pieces together, bytes.
    pub fn streamed<S: 'static>(status: u16, content_type: &str, length: usize, source: S, pieces: Pieces<S>) -> Self {
        let write = move |mut writer: StreamWriter<u8>| {
            let sending = async move {
                let mut chunk = Vec::with_capacity(CHUNK);
                for piece in pieces(&source) {
                    chunk.extend_from_slice(piece.as_bytes());
                    if chunk.len() >= CHUNK {
                        chunk = writer.write_all(chunk).await;
                        if !chunk.is_empty() {
                            return;
                        }
                    }
                }
                drop(writer.write_all(chunk).await);
            };
            sending.boxed_local()
        };
        Reply::of(status, Outgoing::Made(length, Box::new(write))).header("content-type", content_type)
    }

    /// A reply whose rows `make` makes while they are sent, in pieces of at least 64 KiB, in one pass and without a stated
    /// length. If it says that it failed, by false, the connection breaks off.
    pub fn rows(
        status: u16,
        content_type: &str,
        make: impl FnOnce(Rows) -> LocalBoxFuture<'static, bool> + 'static,
    ) -> Self {
        Reply::of(status, Outgoing::Rows(Box::new(make))).header("content-type", content_type)
    }

    /// A reply that is only a status and headers.
    pub fn empty(status: u16) -> Self {
        Reply::of(status, Outgoing::Whole(Vec::new()))
    }

    fn of(status: u16, body: Outgoing) -> Self {
        Reply { status, headers: Vec::with_capacity(4), body }
    }

    /// A JSON document.
    pub fn json(status: u16, document: &impl serde::Serialize) -> Self {
        Reply::new(status, "application/json", json::document(document))
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into().into_bytes()));
        self
    }

    /// With what a page for people needs in which this style sheet is: it loads nothing, runs nothing, is shown in no
    /// frame, sends forms to where it came from, and tells nobody its address.
    #[must_use]
    pub fn page(self, style: &str) -> Self {
        let style = style_source(style);
        let policy = format!(
            "default-src 'none'; style-src {style}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        let reply = self.header("content-security-policy", policy).header("referrer-policy", "no-referrer");
        reply.header("x-content-type-options", "nosniff")
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl spin_sdk::http::IntoResponse for Reply {
    fn into_response(self) -> Result<Response, ErrorCode> {
        let length = self.body.length();
        let this = match length {
            Some(length) => self.header("content-length", length.to_string()),
            None => self,
        };
        let headers = Fields::from_list(&this.headers)
            .map_err(|_| ErrorCode::InternalError(Some("a header cannot be sent".to_owned())))?;
        let (end, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = if length == Some(0) {
            Response::new(headers, None, trailers)
        } else {
            let (writer, reader) = wit_stream::new();
            wasip3::spawn(async move {
                if !this.body.write(writer).await {
                    // The host ends the connection without the end of the body.
                    drop(end.write(Err(ErrorCode::InternalError(None))).await);
                }
            });
            Response::new(headers, Some(reader), trailers)
        };
        let _ = response.set_status_code(this.status);
        Ok(response)
    }
}
