//! The floor: the cost of one report for the host when nothing of Vigil runs. One EVAL appends the body to a stream;
//! the answer has only headers, over a kept-alive connection. Benchmarks state Vigil's figures as ratios to it.
//!
//! `/bare` gives the same answer without Redis: the cost of the host itself.

use std::cell::RefCell;
use std::rc::Rc;

use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::http::{EmptyBody, Request, Response};
use spin_sdk::http_service;
use spin_sdk::redis::{Connection, RedisParameter};

/// Appends, and keeps the stream from growing without bound.
const APPEND: &str = "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'body', ARGV[1])";
const STREAM: &str = "{floor}:q";

thread_local! {
    /// Instances are reused: one connection serves all requests of one.
    static CONNECTION: RefCell<Option<Rc<Connection>>> = const { RefCell::new(None) };
}

#[http_service]
async fn handle(request: Request) -> anyhow::Result<Response<EmptyBody>> {
    if request.uri().path() != "/bare" {
        let body = request.into_body().bytes().await?.to_vec();
        let connection = connection().await?;
        let arguments = [APPEND.into(), b"1".to_vec(), STREAM.into(), body].map(RedisParameter::Binary);
        if let Err(error) = connection.execute("EVAL", arguments).await {
            CONNECTION.set(None);
            return Err(error.into());
        }
    }
    let response = Response::builder().status(202).header("content-length", "0");
    Ok(response.body(EmptyBody::new())?)
}

async fn connection() -> anyhow::Result<Rc<Connection>> {
    if let Some(connection) = CONNECTION.with_borrow(Clone::clone) {
        return Ok(connection);
    }
    let address = spin_sdk::variables::get("redis_url").await?;
    let connection = Rc::new(Connection::open(address).await?);
    CONNECTION.set(Some(connection.clone()));
    Ok(connection)
}
