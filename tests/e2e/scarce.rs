//! A slow service that counts its concurrent calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Its counters and its behaviour.
#[derive(Default)]
struct State {
    latency: Duration,
    /// The statuses of the next answers; 200 after them.
    statuses: Vec<u16>,
    /// The result, as JSON.
    result: String,
    at_once: usize,
    most: usize,
    cut: usize,
    inputs: Vec<Value>,
    traces: Vec<String>,
}

/// A running service.
#[derive(Clone)]
pub(crate) struct Scarce {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// Counts a finished call, or one that its caller gave up.
struct Call(Arc<Mutex<State>>, bool);

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap();
        state.at_once -= 1;
        state.cut += usize::from(!self.1);
    }
}

impl Scarce {
    /// Starts a service with this latency.
    pub(crate) async fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { latency, result: json!({"nodule": 0.5}).to_string(), ..State::default() };
        let scarce = Scarce { address, state: Arc::new(Mutex::new(state)) };
        let shared = Arc::clone(&scarce.state);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| answer(Arc::clone(&state), request));
                    let connection =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        scarce
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/analyze", self.address)
    }

    /// The variable `ai_services` with this service alone, as `chest`.
    pub(crate) fn declared(&self, limit: u32, deadline_ms: u64) -> String {
        let alerts = json!([{"rule": "nodule-likely", "finding": "/nodule", "atLeast": 0.8, "severity": "critical"}]);
        json!({"chest": {"url": self.url(), "limit": limit, "deadlineMs": deadline_ms, "alerts": alerts}}).to_string()
    }

    /// Answers with these statuses first, one each.
    pub(crate) fn then(&self, statuses: &[u16]) {
        self.state.lock().unwrap().statuses = statuses.iter().rev().copied().collect();
    }

    /// Returns this result from now on.
    pub(crate) fn finds(&self, result: Value) {
        self.answers(&result.to_string());
    }

    /// Answers with this text from now on.
    pub(crate) fn answers(&self, text: &str) {
        self.state.lock().unwrap().result = text.to_owned();
    }

    /// Answers with this latency from now on.
    pub(crate) fn takes(&self, latency: Duration) {
        self.state.lock().unwrap().latency = latency;
    }

    /// The most concurrent calls so far.
    pub(crate) fn most(&self) -> usize {
        self.state.lock().unwrap().most
    }

    /// The number of running calls.
    pub(crate) fn at_once(&self) -> usize {
        self.state.lock().unwrap().at_once
    }

    /// The number of callers that left before their answer.
    pub(crate) fn cut(&self) -> usize {
        self.state.lock().unwrap().cut
    }

    /// The traces of its calls so far.
    pub(crate) fn traces(&self) -> Vec<String> {
        self.state.lock().unwrap().traces.clone()
    }

    /// The inputs of its calls so far.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        self.state.lock().unwrap().inputs.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let mut call = {
        let mut counted = state.lock().unwrap();
        counted.at_once += 1;
        counted.most = counted.most.max(counted.at_once);
        Call(Arc::clone(&state), false)
    };
    let trace = request.headers().get("traceparent").map(|trace| trace.to_str().unwrap_or_default().to_owned());
    state.lock().unwrap().traces.extend(trace);
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (latency, status, result) = {
        let mut state = state.lock().unwrap();
        state.inputs.push(serde_json::from_slice(&body).unwrap_or_default());
        (state.latency, state.statuses.pop().unwrap_or(200), state.result.clone())
    };
    tokio::time::sleep(latency).await;
    call.1 = true;
    Ok(Response::builder().status(status).body(Full::new(Bytes::from(result))).unwrap())
}
