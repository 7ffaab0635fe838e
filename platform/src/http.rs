//! HTTP at both ends: requests that come in, replies that go out, calls to others.
//!
//! Guarantee: a body is never read beyond its limit; every reply but a stream of rows states its `content-length`, without
//! which the host sends it in chunks and a kept-alive connection waits for an acknowledgement (44 ms); a call ends at its deadline,
//! and the receiver then sees its connection close. What a refused sender is still writing is read for a moment, because a
//! host that closes a connection with something unread in it may cut the answer off.
//!
//! This works on the host's own types instead of the `http` crate's: a reply without a body costs no stream and no task.

pub mod accept;
mod body;
mod content_type;
mod reply;
mod retry_after;

use std::pin::pin;
use std::time::Duration;

use body::{Body, accepted, beginning, read};
use futures::future::{Either, select};
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};
use spin_sdk::wasip3::{wit_future, wit_stream};

use crate::clock;
use crate::deadline::{self, Deadline};
use crate::trace::Trace;
pub use body::{BodyError, BodyStream, Rest};
pub use domain::url::Url;
pub use reply::{Pieces, Reply, Rows, style_source};

/// Exports `handle(Incoming) -> Reply` as the component's HTTP handler.
///
/// The SDK's own attribute would first turn every request into the `http` crate's types.
#[macro_export]
macro_rules! serve {
    ($handle:path) => {
        #[cfg(target_family = "wasm")]
        struct Component;
        #[cfg(target_family = "wasm")]
        spin_sdk::wasip3::http::service::export!(Component);
        // Tests read the tables of several components in one program, which may not export the same name twice.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[allow(dead_code, reason = "it only names the handler")]
            async fn named(incoming: $crate::http::Incoming) -> $crate::http::Reply {
                $handle(incoming).await
            }
        };

        #[cfg(target_family = "wasm")]
        impl spin_sdk::wasip3::exports::http::handler::Guest for Component {
            async fn handle(
                request: spin_sdk::wasip3::http::types::Request,
            ) -> Result<spin_sdk::wasip3::http::types::Response, spin_sdk::wasip3::http::types::ErrorCode> {
                let incoming = $crate::http::Incoming::new(request);
                let (rest, trace) = (incoming.rest(), incoming.trace.clone());
                let reply: $crate::http::Reply = trace.around($handle(incoming)).await;
                rest.discard().await;
                spin_sdk::http::IntoResponse::into_response(reply)
            }
        }
    };
}

/// A request that came in. Its body is not read yet.
pub struct Incoming {
    /// The method, in capitals; `GET` for `HEAD` as well, and `OTHER` for one that HTTP itself does not define.
    pub method: &'static str,
    /// The path, without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The trace it belongs to: that of its sender, or a new one.
    pub trace: Trace,
    /// Fetched whole: each look at them where they are is a call of the host.
    headers: Vec<(String, Vec<u8>)>,
    /// None once its body is being read.
    request: Option<Request>,
    rest: Rest,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(request) = self.request.take() else { return };
        // A sender that waits to be told to go on is told not to by the answer.
        let bodiless = self.method == "GET" || self.header("expect").is_some();
        if !bodiless && self.stated_length() != Some(0) {
            self.rest.0.replace(Some(Body::of(request)));
        }
    }
}

impl Incoming {
    /// Looks at a request.
    pub fn new(request: Request) -> Self {
        let mut path = request.get_path_with_query().unwrap_or_default();
        let query = path.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        path.truncate(path.find('?').unwrap_or(path.len()));
        let method = match request.get_method() {
            // To be answered alike; the host sends the head of the reply only.
            Method::Get | Method::Head => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other(_) => "OTHER",
        };
        let headers = request.get_headers().copy_all();
        let trace = Trace::accept(find(&headers, "traceparent"), clock::unique_bits());
        Incoming { method, path, query, trace, headers, request: Some(request), rest: Rest::default() }
    }

    /// What will be left of the body.
    pub fn rest(&self) -> Rest {
        self.rest.clone()
    }

    fn stated_length(&self) -> Option<usize> {
        find(&self.headers, "content-length").and_then(|text| text.parse().ok())
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The value of a header that stands there once, if it is text: of several, nobody knows which is meant.
    pub fn sole(&self, name: &'static str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next()?;
        if values.next().is_some() { None } else { str::from_utf8(value).ok() }
    }

    /// All values of a header, as they came.
    pub fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let named = move |(known, _): &&(String, Vec<u8>)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_slice())
    }

    /// The address of this server as its sender wrote it, `https://vigil.example`; none if it is not known. Only for links
    /// in the answer: a sender can write what it likes.
    pub fn origin(&self) -> Option<String> {
        let authority = self.header("host").map(str::to_owned).or_else(|| self.request.as_ref()?.get_authority())?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_plain) {
            return None;
        }
        let is_secure = match self.header("x-forwarded-proto") {
            Some(scheme) => scheme.eq_ignore_ascii_case("https"),
            None => matches!(self.request.as_ref()?.get_scheme(), Some(Scheme::Https)),
        };
        Some([if is_secure { "https://" } else { "http://" }, &authority].concat())
    }

    /// Whether the body is JSON by its `content-type`.
    pub fn is_json(&self) -> bool {
        self.is_type(JSON)
    }

    /// Whether the body is of this type by its `content-type`, whatever the parameters.
    pub fn is_type(&self, essence: &str) -> bool {
        let given = find(&self.headers, "content-type").unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(essence)
    }

    /// The type of the body without its parameters, in lower case.
    pub fn content_type(&self) -> String {
        let given = find(&self.headers, "content-type").unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether the bytes of the body are its text, in UTF-8.
    fn plain(&self) -> Result<(), BodyError> {
        let codings = self.values("content-encoding").flat_map(|value| value.split(|byte| *byte == b','));
        let mut codings = codings.map(<[u8]>::trim_ascii);
        if !codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")) {
            return Err(BodyError::Encoded);
        }
        if !content_type::is_utf8(self.values("content-type")) {
            return Err(BodyError::Charset);
        }
        Ok(())
    }

    /// Reads the body piece by piece.
    ///
    /// # Errors
    /// When it is longer than `limit` bytes by its own word, or encoded.
    pub fn into_stream(mut self, limit: usize) -> Result<BodyStream, BodyError> {
        self.plain()?;
        if self.stated_length().is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong);
        }
        let body = self.request.take().map(Body::of);
        Ok(BodyStream { body, rest: self.rest.clone(), left: limit })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When it is longer than `limit` bytes, by its own word or in fact, or encoded, or breaks off.
    pub async fn body(mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        self.plain()?;
        let stated = self.stated_length();
        if stated.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong);
        }
        let Some(request) = self.request.take() else { return Err(BodyError::Broken) };
        read(Body::of(request), stated, limit).await.map_err(|(error, rest)| {
            self.rest.0.replace(rest);
            error
        })
    }
}

fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    str::from_utf8(value).ok()
}

/// How long the body of a receiver's answer is waited for, once its status came.
const NOTE: Duration = Duration::from_secs(1);

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// No answer before the deadline.
    TimedOut,
    /// No connection, or it broke.
    Unreachable,
    /// The name of its host is not known.
    UnknownHost,
    /// Its certificate was not accepted.
    NotTrusted,
    /// The host forbids the address, or cannot make sense of it.
    Refused,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `retry-after` in seconds from now, if it was given.
    pub retry_after: Option<u32>,
    /// The body; empty when it was longer than the limit of the call, and its beginning after [`tell`].
    pub body: Vec<u8>,
}

/// The type of a JSON document.
pub const JSON: &str = "application/json";
/// The type of a form's fields.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Posts a body of a type and waits for the whole answer, of whose body at most `limit` bytes are read.
///
/// Hands down what is left of the deadline, to the host as timeouts and to the receiver as a header.
///
/// # Errors
/// [`CallError`]; the connection is closed then.
pub async fn post(
    url: &Url,
    headers: &[(&str, String)],
    (media, body): (&str, Vec<u8>),
    limit: usize,
    deadline: Deadline,
) -> Result<Answer, CallError> {
    let content = [("content-type", media.to_owned()), ("content-length", body.len().to_string())];
    let headers: Vec<(&str, String)> = content.into_iter().chain(headers.iter().cloned()).collect();
    match deadline.run(exchange(Method::Post, url, &headers, Some(body), limit, deadline)).await {
        Ok(result) => result,
        Err(deadline::TimedOut) => Err(CallError::TimedOut),
    }
}

/// Posts a body, whose type and length are among the headers. The status decides: of the answer's body at most the first
/// `limit` bytes are read, and only for a moment, whether it is short, breaks off, has no end or is held open.
///
/// # Errors
/// [`CallError`], when no status came; the connection is closed then.
pub async fn tell(
    url: &Url,
    headers: &[(&str, String)],
    body: Vec<u8>,
    limit: usize,
    deadline: Deadline,
) -> Result<Answer, CallError> {
    let told = deadline.run(send(Method::Post, url, headers, Some(body), deadline)).await;
    let (status, retry_after, body) = told.unwrap_or(Err(CallError::TimedOut))?;
    let mut read = Vec::new();
    // Whether it came to its end makes no difference.
    let _ = deadline.cap(NOTE).run(beginning(body, limit, &mut read)).await;
    Ok(Answer { status, retry_after, body: read })
}

/// Gets what is there and waits for the whole answer, as [`post`] does.
///
/// # Errors
/// [`CallError`]; the connection is closed then.
pub async fn get(url: &Url, headers: &[(&str, String)], limit: usize, deadline: Deadline) -> Result<Answer, CallError> {
    match deadline.run(exchange(Method::Get, url, headers, None, limit, deadline)).await {
        Ok(result) => result,
        Err(deadline::TimedOut) => Err(CallError::TimedOut),
    }
}

async fn exchange(
    method: Method,
    url: &Url,
    headers: &[(&str, String)],
    body: Option<Vec<u8>>,
    limit: usize,
    deadline: Deadline,
) -> Result<Answer, CallError> {
    let (status, retry_after, body) = send(method, url, headers, body, deadline).await?;
    let body = match read(body, None, limit).await {
        Ok(body) => body,
        // The status has been said; that the rest is too long does not unsay it.
        Err((BodyError::TooLong, _)) => Vec::new(),
        Err((BodyError::Broken | BodyError::Encoded | BodyError::Charset, _)) => return Err(CallError::Unreachable),
    };
    Ok(Answer { status, retry_after, body })
}

/// Sends a request. Gives status and `retry-after` of the answer, and its body, unread.
async fn send(
    method: Method,
    url: &Url,
    headers: &[(&str, String)],
    body: Option<Vec<u8>>,
    deadline: Deadline,
) -> Result<(u16, Option<u32>, Body), CallError> {
    let left = deadline.left();
    let request_headers: Vec<(String, Vec<u8>)> = [(deadline::HEADER, left.as_millis().to_string())]
        .iter()
        .chain(headers)
        .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes()))
        .collect();
    let fields = Fields::from_list(&request_headers).map_err(|_| CallError::Refused)?;

    let options = RequestOptions::new();
    let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
    // A host that does not know one of the timeouts still has the deadline around the whole call.
    let _ = options.set_connect_timeout(Some(nanos));
    let _ = options.set_first_byte_timeout(Some(nanos));
    let _ = options.set_between_bytes_timeout(Some(nanos));

    let (writer, reader) = body
        .map(|body| {
            let (writer, reader) = wit_stream::new();
            ((writer, body), reader)
        })
        .unzip();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(fields, reader, trailers, Some(options));
    let scheme = if url.is_https() { Scheme::Https } else { Scheme::Http };
    request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(url.authority())))
        .and_then(|()| request.set_path_with_query(Some(url.path())))
        .map_err(|()| CallError::Refused)?;

    let write = async move {
        if let Some((mut writer, body)) = writer {
            // A receiver may answer before it has read everything.
            let _ = writer.write_all(body).await;
        }
    };
    let response = match select(pin!(client::send(request)), pin!(write)).await {
        Either::Left((response, write)) => {
            // The answer is there, so who does not read the rest has decided without it.
            let _ = Deadline::after(NOTE.min(deadline.left() / 2)).run(write).await;
            response
        }
        Either::Right(((), response)) => response.await,
    };
    let response = response.map_err(classify)?;

    let status = response.get_status_code();
    let given = response.get_headers().get("retry-after").into_iter().next();
    let retry_after = given.and_then(|value| retry_after::seconds(&value, clock::now()));
    let (stream, trailers) = Response::consume_body(response, accepted());
    Ok((status, retry_after, Body { stream, trailers }))
}

fn classify(error: ErrorCode) -> CallError {
    match error {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => CallError::TimedOut,
        ErrorCode::DnsError(_) => CallError::UnknownHost,
        ErrorCode::TlsCertificateError => CallError::NotTrusted,
        ErrorCode::HttpRequestDenied
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong => CallError::Refused,
        _ => CallError::Unreachable,
    }
}
