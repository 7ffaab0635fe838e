//! The receiver of alerts that `cargo run` starts if `alert_routes` is not set, so that a new user sees the first alert
//! arrive.
//!
//! Guarantee: it accepts a message only with the signature and the time that the Standard Webhooks scheme requires. It
//! prints each message once, with what a person needs: severity, reason, link for acknowledgement. It does not print
//! whose alert it is, not even by pseudonym.
//!
//! Not for production: nobody watches a terminal day and night.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::alert::endpoint::Secret;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use state::alerts::webhook::sign;

/// The largest difference between the time of a message and ours, seconds; the scheme's libraries allow the same.
const TOLERANCE: u64 = 300;
/// Longer than any message of Vigil.
const LONGEST: usize = 256 * 1024;
/// The number of messages that are remembered, so that a repeated message is printed once.
const REMEMBERED: usize = 1000;

/// Prints a message.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// A receiver that has an address but does not answer yet.
pub struct Receiver {
    listener: TcpListener,
    url: String,
    secret: String,
}

impl Receiver {
    /// Binds a port of this machine: the one after `near`, so that an alert of an earlier run finds its receiver again;
    /// or another if that one is taken.
    pub fn bind(near: SocketAddr) -> Result<Receiver> {
        let next = near.port().checked_add(1).filter(|next| *next > 1).unwrap_or(0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, next))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .context("no port for the receiver of alerts")?;
        let url = format!("http://{}/alerts", listener.local_addr()?);
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| anyhow!("the system has no randomness: {error}"))?;
        Ok(Receiver { listener, url, secret: format!("whsec_{}", BASE64_STANDARD.encode(key)) })
    }

    /// The address at which it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The value of the variable `alert_routes` that sends it alerts of every severity, with links to `base` if there
    /// is one.
    pub fn routes(&self, base: Option<&str>) -> String {
        let here = json!([{"url": self.url, "secret": self.secret}]);
        let mut routes = json!({"critical": here, "high": here, "moderate": here, "info": here});
        if let (Some(base), Some(members)) = (base, routes.as_object_mut()) {
            members.insert("link".to_owned(), json!({"baseUrl": base}));
        }
        routes.to_string()
    }

    /// Answers until the runtime ends.
    pub async fn serve(self, say: Say) -> Result<()> {
        self.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let secret = Secret::parse(&self.secret).context("the receiver's own secret is not sound")?;
        let desk = Arc::new(Desk { secret, seen: Mutex::default(), say });
        loop {
            // An error here means that a connection ended before it was accepted.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let desk = desk.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let desk = desk.clone();
                    async move { Ok::<_, Infallible>(answer(&desk, request).await) }
                });
                _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

struct Desk {
    secret: Secret,
    seen: Mutex<VecDeque<String>>,
    say: Say,
}

async fn answer(desk: &Desk, request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let header =
        |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at, signatures) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let body = Limited::new(request.into_body(), LONGEST).collect().await.map(|body| body.to_bytes());
    let status = match body.as_deref().map(std::str::from_utf8) {
        Ok(Ok(body)) if desk.is_signed(&id, &at, &signatures, body) => desk.take(&id, body),
        Ok(Ok(_)) => {
            (desk.say)("a message to the receiver of alerts is refused: it is not signed as it should be");
            StatusCode::UNAUTHORIZED
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

impl Desk {
    fn is_signed(&self, id: &str, at: &str, signatures: &str, body: &str) -> bool {
        let Ok(at) = at.parse::<i64>() else { return false };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let expected = sign(&self.secret, id, at, body);
        now.abs_diff(at.unsigned_abs()) <= TOLERANCE && signatures.split(' ').any(|signature| signature == expected)
    }

    fn take(&self, id: &str, body: &str) -> StatusCode {
        let Some(lines) = serde_json::from_str(body).ok().as_ref().and_then(lines) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.iter().any(|one| one == id) {
            seen.truncate(REMEMBERED - 1);
            seen.push_front(id.to_owned());
            lines.iter().for_each(|line| (self.say)(line));
        }
        StatusCode::NO_CONTENT
    }
}

/// The text of a message for a person: a line for each alert and one for the link; `None` if it is not a message of
/// Vigil.
fn lines(message: &Value) -> Option<Vec<String>> {
    let event = match message["type"].as_str()? {
        "alert.reminder" => "reminder",
        "alert.escalated" => "escalation",
        _ => "alert",
    };
    let data = &message["data"];
    let alerts = data["alerts"].as_array().map_or(std::slice::from_ref(data), Vec::as_slice);
    let mut lines = Vec::new();
    for alert in alerts {
        let text = |name: &str| alert[name].as_str();
        lines.push(format!(
            "{event} received: {}, {} ({}, study {}, site {})",
            text("severity")?.to_uppercase(),
            text("reason")?,
            text("instrument")?,
            text("studyId")?,
            text("siteId")?,
        ));
    }
    lines.extend(data["link"].as_str().map(|link| format!("  it may be acknowledged at {link}")));
    // Received text must not move the cursor or colour the terminal.
    lines.iter_mut().for_each(|line| line.retain(|it| !it.is_control()));
    Some(lines)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const MESSAGE: &str = r#"{"type":"alert.raised","data":{"severity":"critical","reason":"item q9 is 1, rule: 1 or more",
        "instrument":"phq-9","studyId":"DEMO","siteId":"S1\u001b[2J","subject":"49ea633b","link":"http://v/1"}}"#;

    /// Starts a receiver and sends `messages` (id, seconds from now, the secret's text, body). Returns statuses and
    /// printed lines.
    async fn told(messages: &[(&str, i64, Option<&str>, &str)]) -> (Vec<u16>, Vec<String>) {
        let receiver = Receiver::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let (address, own) = (receiver.listener.local_addr().unwrap(), receiver.secret.clone());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        tokio::spawn(receiver.serve(Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()))));
        let mut statuses = Vec::new();
        for (id, after, secret, body) in messages {
            let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
            let secret = Secret::parse(secret.unwrap_or(&own)).unwrap();
            let signature = sign(&secret, id, now + after, body);
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!(
                "POST /alerts HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nwebhook-id: {id}\r\n\
                 webhook-timestamp: {}\r\nwebhook-signature: v1,AAAA {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                now + after,
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            statuses.push(answer.split(' ').nth(1).unwrap().parse().unwrap());
        }
        let lines = said.lock().unwrap().clone();
        (statuses, lines)
    }

    #[tokio::test]
    async fn a_message_is_said_once_without_whose_it_is() {
        let (statuses, lines) = told(&[("a-1", 0, None, MESSAGE), ("a-1", 1, None, MESSAGE)]).await;
        assert_eq!(statuses, [204, 204]);
        let expected = "alert received: CRITICAL, item q9 is 1, rule: 1 or more (phq-9, study DEMO, site S1[2J)";
        assert_eq!(lines, [expected, "  it may be acknowledged at http://v/1"]);
    }

    #[tokio::test]
    async fn what_is_not_signed_or_not_of_now_is_refused() {
        let foreign = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (statuses, lines) = told(&[
            ("a", 0, foreign, MESSAGE),
            ("b", -301, None, MESSAGE),
            ("c", 302, None, MESSAGE),
            ("d", 0, None, "{}"),
        ])
        .await;
        assert_eq!(statuses, [401, 401, 401, 400]);
        assert!(lines.iter().all(|line| line.contains("is refused")), "{lines:?}");
    }

    #[test]
    fn a_group_is_a_line_for_each_alert() {
        let alert = json!({"severity": "high", "reason": "r", "instrument": "phq-9", "studyId": "A", "siteId": "1"});
        let message = json!({"type": "alert.group", "data": {"severity": "high", "alerts": [alert, alert]}});
        assert_eq!(lines(&message).unwrap(), ["alert received: HIGH, r (phq-9, study A, site 1)"; 2]);
    }

    #[test]
    fn the_routes_are_what_the_application_reads() {
        let receiver = Receiver::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let document = serde_json::from_str(&receiver.routes(Some("http://127.0.0.1:3000"))).unwrap();
        let routes = domain::alert::routes::Routes::read_variable(&document).unwrap();
        assert!(routes.receivers().map(|one| one.url.as_str()).eq([receiver.url()]));
        assert_eq!(routes.link_base.as_deref(), Some("http://127.0.0.1:3000"));
    }
}
