//! The HTTP trigger: receives requests and lets components answer them.
//!
//! Guarantee: if a component fails, only its own requests get a 500; a client cannot pretend to be the host by sending
//! the headers that the host adds.
//!
//! Mechanism: each component has a `ProxyHandler`, which reuses an instance for 128 requests, up to 16 at the same
//! time, and drops one that is idle for a second: Spin's defaults. One difference to Spin: Nagle's algorithm is off on
//! incoming connections, so that a small last part of a response does not wait for the client's acknowledgement.
//!
//! Not for: TLS, HTTP/2 and limits on clients. This server is for one machine.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ProxyHandler, ShouldAccept, TrapOrPanicError, WorkerExpiration, WorkerState,
    WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::component::Component;
use crate::engine::Busy;
use crate::guest::Guest;
use crate::manifest::HttpTrigger;
use crate::routes::Pattern;

/// The number of requests that an instance answers before a fresh one replaces it.
const REQUESTS_PER_INSTANCE: usize = 128;
/// The number of requests that an instance handles at the same time.
const CONCURRENT_REQUESTS: usize = 16;
/// The time for which an idle instance is kept.
const IDLE: Duration = Duration::from_secs(1);

/// The host's own paths, which no route can take. Spin has one more here, which describes the application.
const OWN: &str = "/.well-known/spin/";
const HEALTH: &str = "health";

static PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
static FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
static MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
static BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
static RAW_COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
static COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
static CLIENT_ADDR: HeaderName = HeaderName::from_static("spin-client-addr");
const PATH_MATCH: &str = "spin-path-match-";

/// The server of one application.
pub(crate) struct Server {
    /// The routes, the most specific first.
    routes: Vec<Route>,
}

struct Route {
    pattern: Pattern,
    /// The names of the path parameters, as headers.
    parameters: Vec<HeaderName>,
    matched: HeaderValue,
    raw: HeaderValue,
    component_route: HeaderValue,
    handler: ProxyHandler<Instances>,
}

impl Server {
    /// Prepares the routes of an application.
    pub(crate) fn new(
        engine: &Engine,
        triggers: &[HttpTrigger],
        components: &HashMap<String, Arc<Component>>,
        stop: &CancellationToken,
        alive: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let mut handlers = HashMap::new();
        let mut routes = Vec::new();
        for trigger in triggers {
            let Some(component) = components.get(&trigger.component) else { continue };
            if !handlers.contains_key(&component.id) {
                let service = ServicePre::new(component.pre.clone())
                    .map_err(|error| anyhow::anyhow!("component {} has an HTTP trigger: {error:#}", component.id))?;
                let instances = Instances {
                    engine: engine.clone(),
                    component: component.clone(),
                    service,
                    stop: stop.clone(),
                    alive: alive.clone(),
                };
                handlers.insert(component.id.clone(), ProxyHandler::new(instances));
            }
            let handler = handlers.get(&component.id).context("was just put there")?.clone();
            routes.push(Route::new(trigger.route.clone(), handler)?);
        }
        routes.sort_by(|one, other| one.pattern.compare(&other.pattern));
        Ok(Self { routes })
    }

    /// Serves until it is told to stop, then lets every connection finish its request.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken, alive: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, client)) => {
                    alive.spawn(self.clone().connection(stream, client, stop.clone()));
                }
                Err(error) => {
                    // The process probably has no file descriptors left: wait until some connections have ended.
                    eprintln!("cannot accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, client: SocketAddr, stop: CancellationToken) {
        _ = stream.set_nodelay(true);
        let client = HeaderValue::from_maybe_shared(client.to_string()).ok();
        let service = service_fn(|request| {
            let (server, client) = (self.clone(), client.clone());
            async move { Ok::<_, Infallible>(server.answer(request, client).await) }
        });
        let mut connection =
            std::pin::pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        // An error here means that the client went away or does not speak HTTP. That does not concern the application.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        _ = connection.await;
    }

    async fn answer(&self, mut request: Request<Incoming>, client: Option<HeaderValue>) -> Response<WasiBody> {
        let path = request.uri().path();
        if let Some(own) = path.strip_prefix(OWN) {
            return empty(if own == HEALTH { StatusCode::OK } else { StatusCode::NOT_FOUND });
        }
        let Some((route, captures)) = self.routes.iter().find_map(|route| Some((route, route.pattern.matches(path)?)))
        else {
            return empty(StatusCode::NOT_FOUND);
        };
        let rest = HeaderValue::from_str(captures.rest);
        let parameters: Vec<_> = captures.parameters.iter().map(|value| HeaderValue::from_str(value)).collect();
        let Some((uri, full_url)) = absolute(&request) else { return empty(StatusCode::BAD_REQUEST) };

        let headers = request.headers_mut();
        headers.remove(header::CONNECTION);
        remove_claimed(headers);
        headers.insert(&FULL_URL, full_url);
        headers.insert(&MATCHED_ROUTE, route.matched.clone());
        headers.insert(&BASE_PATH, HeaderValue::from_static("/"));
        headers.insert(&RAW_COMPONENT_ROUTE, route.raw.clone());
        headers.insert(&COMPONENT_ROUTE, route.component_route.clone());
        if let Ok(rest) = rest {
            headers.insert(&PATH_INFO, rest);
        }
        if let Some(client) = client {
            headers.insert(&CLIENT_ADDR, client);
        }
        for (name, value) in route.parameters.iter().zip(parameters) {
            if let Ok(value) = value {
                headers.insert(name, value);
            }
        }
        *request.uri_mut() = uri;

        let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
        match route.handler.handle((), request).await {
            Ok(response) => response,
            Err(error) => {
                // A trap is reported at the end of the instance.
                if !error.is::<TrapOrPanicError>() {
                    eprintln!("[{}] no answer: {error:#}", route.handler.state().component.id);
                }
                empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl Route {
    fn new(pattern: Pattern, handler: ProxyHandler<Instances>) -> anyhow::Result<Self> {
        let source = pattern.source();
        let matched = format!("/{}", source.strip_suffix('/').unwrap_or(source).trim_start_matches('/'));
        let matched = if matched == "/" { "" } else { &matched };
        Ok(Self {
            parameters: pattern
                .parameters()
                .map(|name| HeaderName::try_from(format!("{PATH_MATCH}{}", name.replace('_', "-"))))
                .collect::<Result<_, _>>()?,
            matched: HeaderValue::from_str(matched)?,
            raw: HeaderValue::from_str(source)?,
            component_route: HeaderValue::from_str(source.strip_suffix("/...").unwrap_or(source))?,
            pattern,
            handler,
        })
    }
}

/// Removes headers that only the host may set, but does not always set. Spin keeps a client's header and adds its own;
/// a component that reads the first one gets the client's. So an application must not rely on these headers there.
fn remove_claimed(headers: &mut http::HeaderMap) {
    headers.remove(&PATH_INFO);
    headers.remove(&CLIENT_ADDR);
    if headers.keys().any(|name| name.as_str().starts_with(PATH_MATCH)) {
        let claimed: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(PATH_MATCH)).cloned().collect();
        claimed.iter().for_each(|name| _ = headers.remove(name));
    }
}

/// The address that the client called, from the request line or the `host` header; `None` if they disagree or neither
/// has it.
fn absolute(request: &Request<Incoming>) -> Option<(Uri, HeaderValue)> {
    let named = match request.headers().get(header::HOST) {
        Some(host) => Some(Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes())).ok()?),
        None => None,
    };
    let mut parts = request.uri().clone().into_parts();
    let authority = match (named, parts.authority) {
        (Some(one), Some(other)) if one != other => return None,
        (one, other) => one.or(other)?,
    };
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    let full_url = HeaderValue::from_maybe_shared(bytes::Bytes::from(format!("http://{authority}{path}"))).ok()?;
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    Some((Uri::from_parts(parts).ok()?, full_url))
}

fn empty(status: StatusCode) -> Response<WasiBody> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Creates instances of one component for its `ProxyHandler`.
struct Instances {
    engine: Engine,
    component: Arc<Component>,
    service: ServicePre<Guest>,
    stop: CancellationToken,
    alive: TaskTracker,
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let (mut store, busy) = Guest::store(&self.engine, &self.component, self.alive.token());
        let service = self.service.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: Guest::incoming,
            expiration: Expiration {
                busy,
                idle: Box::pin(sleep(IDLE)),
                stop: Box::pin(self.stop.clone().cancelled_owned()),
            },
            state: Worker { component: self.component.clone(), stop: self.stop.clone() },
        })
    }
}

/// Ends an instance when it has been idle, or at once when the host stops.
struct Expiration {
    busy: Arc<Busy>,
    idle: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        // This is called each time the instance has yielded its thread.
        self.busy.paused();
        match status {
            WorkerStatus::Idle => {
                let deadline = tokio::time::Instant::from_std(start + IDLE);
                if deadline != self.idle.deadline() {
                    self.idle.as_mut().reset(deadline);
                }
                if self.stop.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { self.idle.as_mut().poll(cx) }
            }
            // Spin sets no time limit for a request, nor for the work after it.
            WorkerStatus::Requests | WorkerStatus::PostReturn => Poll::Pending,
        }
    }
}

struct Worker {
    component: Arc<Component>,
    stop: CancellationToken,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_PER_INSTANCE {
            ShouldAccept::Never
        } else if concurrent >= CONCURRENT_REQUESTS {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        // A dropped host ends its instances in whatever state they are.
        if let (Err(error), false) = (result, self.stop.is_cancelled()) {
            eprintln!("[{}] instance ended: {error:#}", self.component.id);
        }
        drop(store);
    }
}
