//! A receiver of webhooks that follows a script and remembers its calls.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::app::until;

/// The receiver's reaction to a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Answer(u16),
    /// Answers 200 with this JSON.
    Say(Value),
    RetryAfter(u16, u32),
    /// Like `RetryAfter`, with a date this far from now.
    RetryAt(u16, Duration),
    /// Answers with a redirect.
    Redirect(String),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Cut,
    /// Answers 200 with a body that never ends.
    Flood,
    /// Answers after a while.
    Late(Duration, u16),
    /// Answers with a text.
    Tell(u16, &'static str),
    /// Answers with a text that states to be longer, and cuts the connection, or else holds it open.
    Unfinished(u16, &'static str, Held),
}

/// Whether a connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Open,
    Cut,
}

/// A call that arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) act: Act,
}

impl Call {
    pub(crate) fn id(&self) -> String {
        self.header("webhook-id")
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the receiver accepted it.
    pub(crate) fn taken(&self) -> bool {
        matches!(
            self.act,
            Act::Answer(200..300)
                | Act::Late(_, 200..300)
                | Act::Say(_)
                | Act::Tell(200..300, _)
                | Act::Unfinished(200..300, ..)
                | Act::Flood
        )
    }
}

struct Script {
    next: VecDeque<Act>,
    calls: Vec<Call>,
    /// The reaction without a script, by the call's number.
    otherwise: fn(usize) -> Act,
}

/// A receiver on a free port. Without a script it answers 204.
pub(crate) struct Receiver {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Receiver::doing(|_| Act::Answer(204)).await
    }

    /// A receiver with another reaction if there is no script, by the call's number.
    pub(crate) async fn doing(otherwise: fn(usize) -> Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script { next: VecDeque::new(), calls: Vec::new(), otherwise }));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let script = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| hear(Arc::clone(&script), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Receiver { address, script }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The reactions to the next calls, one each.
    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().next.extend(acts);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.script.lock().unwrap().calls.clone()
    }

    /// The calls, once there are at least this many.
    pub(crate) async fn heard(&self, count: usize) -> Vec<Call> {
        until("the receiver is called", async || {
            let calls = self.calls();
            (calls.len() >= count).then_some(calls)
        })
        .await
    }
}

type Body = http_body_util::Either<Full<Bytes>, http_body_util::Either<Endless, Unfinished>>;

async fn hear(script: Arc<Mutex<Script>>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let act = {
        let mut script = script.lock().unwrap();
        let act = script.next.pop_front().unwrap_or_else(|| (script.otherwise)(script.calls.len()));
        script.calls.push(Call { at: Instant::now(), headers: parts.headers, body, act: act.clone() });
        act
    };
    let empty = || http_body_util::Either::Left(Full::default());
    match act {
        Act::Answer(status) => Ok(Response::builder().status(status).body(empty()).unwrap()),
        Act::Say(body) => {
            let body = http_body_util::Either::Left(Full::from(body.to_string()));
            Ok(Response::builder().header("content-type", "application/json").body(body).unwrap())
        }
        Act::RetryAfter(status, seconds) => {
            Ok(Response::builder().status(status).header("retry-after", seconds).body(empty()).unwrap())
        }
        Act::RetryAt(status, pause) => {
            let at = httpdate::fmt_http_date(std::time::SystemTime::now() + pause);
            Ok(Response::builder().status(status).header("retry-after", at).body(empty()).unwrap())
        }
        Act::Redirect(location) => {
            Ok(Response::builder().status(307).header("location", location).body(empty()).unwrap())
        }
        Act::Late(pause, status) => {
            tokio::time::sleep(pause).await;
            Ok(Response::builder().status(status).body(empty()).unwrap())
        }
        Act::Tell(status, text) => {
            let body = http_body_util::Either::Left(Full::from(text));
            Ok(Response::builder().status(status).body(body).unwrap())
        }
        Act::Hang => std::future::pending().await,
        Act::Cut => Err(std::io::Error::other("cut")),
        Act::Flood => Ok(Response::new(http_body_util::Either::Right(http_body_util::Either::Left(Endless)))),
        Act::Unfinished(status, text, held) => {
            let cut = Box::pin(tokio::time::sleep(CUT));
            let body = Unfinished { text: Some(text), held, cut };
            let body = http_body_util::Either::Right(http_body_util::Either::Right(body));
            Ok(Response::builder().status(status).header("content-length", text.len() + 100).body(body).unwrap())
        }
    }
}

/// A body without end.
pub(crate) struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

/// The time after which an unfinished answer is cut: its beginning is on its way by then.
const CUT: Duration = Duration::from_millis(100);

/// The beginning of a body.
pub(crate) struct Unfinished {
    text: Option<&'static str>,
    held: Held,
    cut: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl hyper::body::Body for Unfinished {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        match (self.text.take(), self.held) {
            (Some(text), _) => {
                std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(text.as_bytes())))))
            }
            (None, Held::Cut) => self.cut.as_mut().poll(cx).map(|()| Some(Err(std::io::Error::other("cut")))),
            (None, Held::Open) => std::task::Poll::Pending,
        }
    }
}

/// A URL at which nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// The time from `first` to the later call.
pub(crate) fn after(first: &Call, later: &Call) -> Duration {
    later.at.saturating_duration_since(first.at)
}
