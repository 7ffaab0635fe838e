//! The probe: a component that uses and abuses the host, as the path of a request or the text of a message says. The
//! host's own tests drive it.

#![expect(unsafe_code, reason = "the entry point for messages is generated")]

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures::future::{Either, join3, select};
use spin_sdk::experimental::wasi::config::store as config;
use spin_sdk::experimental::wasi::keyvalue::{batch, store};
use spin_sdk::http::body::IncomingBodyExt as _;
use spin_sdk::http::{EmptyBody, FullBody, Request, Response};
use spin_sdk::key_value::Store;
use spin_sdk::redis::{Connection, RedisParameter, RedisResult};
use spin_sdk::time::sleep;
use spin_sdk::wasip3::http::types::RequestOptions;
use spin_sdk::wasip3::http_compat::RequestOptionsExtension;
use spin_sdk::{http_service, redis_subscriber, variables};

#[http_service]
async fn handle(request: Request) -> anyhow::Result<Response<FullBody<Bytes>>> {
    let text = answer(request).await.unwrap_or_else(|error| format!("error: {error:#}"));
    let response = Response::builder().header("content-length", text.len());
    Ok(response.body(FullBody::new(text.into_bytes().into()))?)
}

async fn answer(request: Request) -> anyhow::Result<String> {
    let path = request.uri().path().to_owned();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let needed = |name: &str| header(name).with_context(|| format!("no header {name}"));
    let millis = |name: &str| anyhow::Ok(Duration::from_millis(needed(name)?.parse()?));
    let what = needed("spin-path-info").unwrap_or(path);
    match what.trim_start_matches('/') {
        "" | "headers" => {
            let mut lines: Vec<_> =
                request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            lines.sort();
            Ok(lines.join("\n"))
        }
        "echo" => Ok(String::from_utf8(request.into_body().bytes().await?.to_vec())?),
        "kv" => key_value().await,
        "kv-denied" => {
            let async_error = Store::open(needed("x-label")?).await.err();
            let sync_error = store::open(&needed("x-label")?).err();
            Ok(format!("{async_error:?} {sync_error:?}"))
        }
        "kv-get" => Ok(format!("{:?}", Store::open_default().await?.get(needed("x-key")?).await?)),
        "variable" => {
            let name = needed("x-name")?;
            Ok(format!("{:?} {:?}", variables::get(&name).await, config::get(&name)))
        }
        "fetch" => {
            let timeout = header("x-timeout-ms").map(|_| millis("x-timeout-ms")).transpose()?;
            fetch(&needed("x-url")?, timeout).await
        }
        "fetch-drop" => {
            match select(Box::pin(fetch(&needed("x-url")?, None)), Box::pin(sleep(millis("x-drop-ms")?))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Ok("dropped".to_owned()),
            }
        }
        "concurrent" => {
            let url = needed("x-url")?;
            let (one, other, ()) = join3(fetch(&url, None), fetch(&url, None), sleep(Duration::from_millis(50))).await;
            Ok(format!("{} {}", one?, other?))
        }
        "redis-open" => Ok(format!("{:?}", Connection::open(needed("x-address")?).await.err())),
        "redis" => redis(&needed("x-address")?).await,
        "sleep" => {
            sleep(millis("x-ms")?).await;
            Ok("slept".to_owned())
        }
        "loop" => spin(),
        "hog" => hog(),
        "panic" => bail_out(),
        "log" => {
            writeln!(std::io::stdout(), "to stdout")?;
            eprint!("to stderr, ");
            eprintln!("in two parts");
            Ok(String::new())
        }
        other => bail!("the probe does not know {other}"),
    }
}

async fn key_value() -> anyhow::Result<String> {
    let kept = Store::open_default().await?;
    kept.set("one", b"1").await?;
    let bucket = store::open("default")?;
    let entries: Vec<_> = (0..1000).map(|i| (format!("many/{i}"), vec![1])).collect();
    batch::set_many(&bucket, &entries)?;
    let many = batch::get_many(&bucket, &["many/1".to_owned(), "one".to_owned(), "none".to_owned()])?;
    bucket.set("two", b"2")?;
    let two = kept.get("two").await?;
    kept.delete("two").await?;
    let listed = kept.get_keys().await.collect().await?.len();
    let exists = (kept.exists("two").await?, bucket.exists("one")?);
    batch::delete_many(&bucket, &entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>())?;
    let left = bucket.list_keys(None)?.keys;
    Ok(format!("{many:?} {two:?} {listed} {exists:?} {left:?}"))
}

async fn fetch(url: &str, timeout: Option<Duration>) -> anyhow::Result<String> {
    let mut request = spin_sdk::http::Request::get(url).body(EmptyBody::new())?;
    if let Some(timeout) = timeout {
        let options = RequestOptions::new();
        let timeout = Some(timeout.as_nanos().try_into()?);
        options.set_first_byte_timeout(timeout).ok().context("first byte timeout")?;
        options.set_between_bytes_timeout(timeout).ok().context("between bytes timeout")?;
        request.extensions_mut().insert(RequestOptionsExtension(options));
    }
    let response = spin_sdk::http::send(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().bytes().await?;
    Ok(format!("{status} {}", String::from_utf8_lossy(&body)))
}

async fn redis(address: &str) -> anyhow::Result<String> {
    const REFUSAL: &str = "return redis.error_reply('FULL no room')";
    const NESTED: &str = "return {1, {'a', {2}}, redis.status_reply('S'), false}";
    let connection = Connection::open(address).await?;
    let arguments = [RedisParameter::Binary(NESTED.into()), RedisParameter::Int64(0)];
    let flat = connection.execute("EVAL", arguments).await?;
    connection.set("k", b"v").await?;
    let value = connection.get("k").await?;
    let incremented = connection.incr("n").await?;
    let added = connection.sadd("s", ["a", "b"]).await?;
    let removed = connection.srem("s", ["a"]).await?;
    let members = connection.smembers("s").await?;
    let deleted = connection.del(["k", "n", "s", "none"]).await?;
    let wrong = connection.execute("GET", []).await.err();
    let arguments = [RedisParameter::Binary(REFUSAL.into()), RedisParameter::Int64(0)];
    let refused = connection.execute("EVAL", arguments).await.err();
    let flat: Vec<_> = flat
        .iter()
        .map(|value| match value {
            RedisResult::Nil => "nil".to_owned(),
            RedisResult::Status(text) => text.clone(),
            RedisResult::Int64(number) => number.to_string(),
            RedisResult::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        })
        .collect();
    Ok(format!("{flat:?} {value:?} {incremented} {added} {removed} {members:?} {deleted} {wrong:?} {refused:?}"))
}

fn spin() -> anyhow::Result<String> {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

fn hog() -> anyhow::Result<String> {
    let mut blocks = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(clippy::panic, reason = "that is what is asked for")]
fn bail_out() -> anyhow::Result<String> {
    panic!("as asked")
}

/// A message is `<key> <value> [<pause in ms>]`: the value is pushed to the list under the key before and after the
/// pause. `panic` panics, `error` fails, `loop` never ends.
#[redis_subscriber]
async fn on_message(message: Vec<u8>) -> anyhow::Result<()> {
    let message = String::from_utf8(message)?;
    let mut words = message.split(' ');
    let key = words.next().unwrap_or_default();
    match key {
        "panic" => _ = bail_out()?,
        "loop" => _ = spin()?,
        "error" => bail!("as asked"),
        _ => {}
    }
    let value = words.next().context("no value")?;
    let pause = Duration::from_millis(words.next().unwrap_or("0").parse()?);
    let connection = Connection::open(variables::get("redis_url").await?).await?;
    let push = |mark: &str| {
        let arguments = [key.to_owned(), format!("{value}{mark}")].map(|word| RedisParameter::Binary(word.into()));
        connection.execute("RPUSH", arguments)
    };
    push("<").await?;
    sleep(pause).await;
    push(">").await?;
    Ok(())
}
