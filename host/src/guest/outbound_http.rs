//! `wasi:http/client`: the outgoing calls of a component.
//!
//! Guarantee: a call that no grant covers is refused before a connection is made. When the guest drops a call or its
//! response, the connection closes at once and the receiver sees it.
//!
//! Mechanism: one connection per call. The call drives the connection until the response begins; then a task drives it
//! and ends with the body. Nothing outlives both.
//!
//! Not for: keeping connections open between calls. Spin does that; a receiver on the same machine does not notice.

use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::header::HOST;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::grants::Grants;

/// Spin's timeout when the guest sets no limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;

/// Makes the calls of one instance.
pub(super) struct Caller {
    grants: Arc<Grants>,
}

impl Caller {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Self { grants }
    }
}

impl WasiHttpHooks for Caller {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_read: Io,
    ) -> Sending {
        let allowed = self.grants.allow(&request.uri().to_string(), "http");
        Box::new(async move {
            if !allowed {
                return Err(Error::HttpRequestDenied);
            }
            send(request, options.unwrap_or_default()).await
        })
    }
}

/// Admits incoming requests: a component may see the requested host, though it may not set that header itself.
pub(super) struct Admission;

impl WasiHttpHooks for Admission {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| *name != HOST && DEFAULT_FORBIDDEN_HEADERS.contains(name))
    }

    fn send_request(&mut self, _: Request<WasiBody>, _: Option<RequestOptions>, _: Io) -> Sending {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

async fn send(mut request: Request<WasiBody>, options: RequestOptions) -> Result<(Response<WasiBody>, Io), Error> {
    let tls = request.uri().scheme() == Some(&Scheme::HTTPS);
    let authority = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    // The request line has only the path; the host is in its header.
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);

    let connect_timeout = options.connect_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let stream = timeout(connect_timeout, connect(&host, port, tls)).await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = Box::pin(connection);
    let response = async {
        match select(pin!(sender.send_request(request)), &mut connection).await {
            Either::Left((response, _)) => Ok((response?, false)),
            Either::Right((Ok(()), response)) => Ok((response.await?, true)),
            // The answer may have come whole, and the connection failed at what came after it.
            Either::Right((Err(error), response)) => match response.await {
                Ok(response) => Ok((response, true)),
                Err(_) => Err(Error::from(error)),
            },
        }
    };
    let first_byte_timeout = options.first_byte_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let (response, ended) = timeout(first_byte_timeout, response).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let between_bytes = options.between_bytes_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let response = response.map(|body| ResponseBody { body: Some(body), between_bytes, wait: None }.boxed_unsync());
    let io = async move { if ended { Ok(()) } else { connection.await.map_err(Error::from) } };
    Ok((response, Box::new(io)))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(host: &str, port: u16, tls: bool) -> Result<Box<dyn Stream>, Error> {
    let stream = TcpStream::connect((host, port)).await.map_err(Error::Connect)?;
    // The body follows the head in its own packet, which must not wait until the first is acknowledged.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    if !tls {
        return Ok(Box::new(stream));
    }
    static CONFIG: LazyLock<Result<Arc<ClientConfig>, rustls::Error>> = LazyLock::new(|| {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    });
    let config = CONFIG.clone().map_err(|error| Error::Tls(std::io::Error::other(error)))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Box::new(stream))
}

/// A response body with a limit on the time between its parts.
struct ResponseBody {
    /// Taken out when the limit is reached.
    body: Option<Incoming>,
    between_bytes: Duration,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            this.wait = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let between_bytes = this.between_bytes;
        ready!(this.wait.get_or_insert_with(|| Box::pin(sleep(between_bytes))).as_mut().poll(cx));
        this.body = None;
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
