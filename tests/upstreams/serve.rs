//! The services that Vigil reads from, for development and tests: real HTTP, sample data, and faults on request.
//!
//! `GET /{service}/{id}` answers with sample data; `PUT /script/{service}` sets the behaviour of the service from now
//! on; `GET /script/{service}` returns the calls that it saw. The program prints its address and ends with its standard
//! input.

mod data;
mod script;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use script::{Act, Script, Services};

/// Services for development and tests.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await.context("cannot listen")?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let services = Services::default();
    let mut input = tokio::io::stdin();
    let mut byte = [0];
    loop {
        tokio::select! {
            read = input.read(&mut byte) => if !matches!(read, Ok(1)) { return Ok(()) },
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let services = services.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| answer(services.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    // A caller that goes away is a normal case here.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }
    }
}

type Reply = Response<Either<Full<Bytes>, Endless>>;

async fn answer(services: Services, request: Request<Incoming>) -> Result<Reply> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut segments = path.trim_start_matches('/').splitn(2, '/');
    let (service, rest) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    if service == "script" {
        return if parts.method == Method::PUT {
            let body = body.collect().await?.to_bytes();
            match serde_json::from_slice::<Script>(&body) {
                Ok(script) => {
                    services.follow(rest, script);
                    reply(204, &Value::Null)
                }
                Err(error) => reply(400, &Value::from(error.to_string())),
            }
        } else {
            reply(200, &services.seen(rest))
        };
    }
    let call = services.begin(service, &parts);
    body.collect().await?;
    let script = call.script();
    tokio::time::sleep(script.latency()).await;
    let reply = match script.act {
        Act::Answer if script.status == 200 => match data::of(service, rest, parts.uri.query().unwrap_or_default()) {
            Some(document) => reply(200, &document),
            None => reply(404, &Value::Null),
        },
        Act::Answer => reply(script.status, &Value::Null),
        Act::Garbage => Ok(Response::new(Either::Left(Full::from("<p>not what was asked for</p>")))),
        Act::Flood => Ok(Response::new(Either::Right(Endless))),
        Act::Cut => Err(anyhow::anyhow!("cut, as told")),
        Act::Hang => std::future::pending().await,
    };
    call.end();
    reply
}

fn reply(status: u16, document: &Value) -> Result<Reply> {
    let body = if document.is_null() { Bytes::new() } else { Bytes::from(document.to_string()) };
    let reply = Response::builder().status(status).header("content-type", "application/json");
    Ok(reply.body(Either::Left(Full::new(body)))?)
}

/// A body without end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}
