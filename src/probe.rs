//! Asks `GET /readyz`, as an orchestrator does.
//!
//! Guarantee: the answer separates states that pass by themselves (Redis is starting, triggers do not listen yet) from
//! variables that are wrong, so that nobody waits in vain.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The timeout of a Kubernetes probe.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer, bytes.
const LONGEST: u64 = 256 * 1024;

/// The application's own verdict.
#[derive(Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Everything is well; or there is no such path, because the chosen components do not include it.
    Ready,
    /// Not ready yet, and why.
    NotYet(String),
    /// Will never be ready: component, variable and rule of each fault.
    Misconfigured(Vec<String>),
}

/// Asks once.
pub async fn ask(address: SocketAddr) -> Readiness {
    match exchange(address).await {
        Ok(answer) => read(&answer),
        Err(error) => Readiness::NotYet(format!("GET /readyz: {error:#}")),
    }
}

async fn exchange(address: SocketAddr) -> Result<String> {
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        connection.take(LONGEST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    Ok(timeout(PATIENCE, exchange).await.context("was not answered in time")??)
}

fn read(answer: &str) -> Readiness {
    if answer.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2') || status == "404") {
        return Readiness::Ready;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    let faults = faults(&serde_json::from_str(body).unwrap_or_default());
    if faults.is_empty() {
        return Readiness::NotYet(format!("GET /readyz: {} {body}", answer.lines().next().unwrap_or("no answer")));
    }
    Readiness::Misconfigured(faults)
}

/// The faults of variables. A component that has not answered yet counts as having none.
fn faults(document: &Value) -> Vec<String> {
    let checks = document["checks"].as_array().into_iter().flatten();
    let faults = checks.flat_map(|check| check["faults"].as_array().into_iter().flatten());
    let text = |fault: &Value| {
        let word = |name: &str| fault[name].as_str();
        Some(format!("{}: {} {}", word("component")?, word("variable")?, word("rule")?))
    };
    faults.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_variable_is_for_good() {
        let says = |status: &str, body: &str| read(&format!("HTTP/1.1 {status}\r\ncontent-length: 1\r\n\r\n{body}"));
        assert_eq!(says("200 OK", "{}"), Readiness::Ready);
        assert_eq!(says("404 Not Found", ""), Readiness::Ready);
        for body in [
            "",
            r#"{"checks":[{"name":"redis","ok":false}]}"#,
            r#"{"checks":[{"name":"variables","faults":[{"component":"score","rule":"has not reported"}]}]}"#,
        ] {
            assert!(matches!(says("503 Service Unavailable", body), Readiness::NotYet(_)), "{body}");
        }
        let body = r#"{"checks":[{"name":"variables","faults":[{"component":"score","rule":"has not reported"},
            {"component":"dispatch","variable":"alert_routes","rule":"must be JSON"}]}]}"#;
        let expected = vec!["dispatch: alert_routes must be JSON".to_owned()];
        assert_eq!(says("503 Service Unavailable", body), Readiness::Misconfigured(expected));
    }
}
