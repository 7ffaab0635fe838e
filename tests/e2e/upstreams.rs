//! The services that Vigil reads from: runs the program of `tests/upstreams`, scripts it, and asks for its calls.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::{Builder, until};
use crate::client::Client;

/// The running program. Dropping this ends it.
pub(crate) struct Upstreams {
    child: Child,
    address: SocketAddr,
}

impl Upstreams {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upstreams"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().parse().unwrap();
        Upstreams { child, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The variables by which an application reads from these services.
    pub(crate) fn behind(&self, builder: Builder) -> Builder {
        let part = |name: &str, path: &str| json!({"name": name, "required": true, "url": self.url(path)});
        let own = json!({"name": "vigil", "required": true});
        let record = json!([
            own,
            part("profile", "/profile/{patientId}"),
            part("orders", "/orders/{patientId}"),
            part("laboratory", "/laboratory/{patientId}"),
            {"name": "imaging", "url": self.url("/imaging/{patientId}?site={siteId}"), "authorization": "Bearer sesame"},
        ]);
        let report = json!([
            own,
            part("users", "/users/{studyId}?month={month}"),
            part("data", "/data/{studyId}?month={month}"),
        ]);
        builder
            .variable("record_parts", record.to_string())
            .variable("study_service", json!([part("project", "/studies/{studyId}")]).to_string())
            .variable("report_parts", report.to_string())
    }

    /// A service follows this script from now on.
    pub(crate) async fn script(&self, service: &str, script: Value) {
        let mut client = Client::connect(self.address).await.unwrap();
        let answer = client.send("PUT", &format!("/script/{service}"), &[], script.to_string()).await.unwrap();
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The calls that a service saw.
    pub(crate) async fn seen(&self, service: &str) -> Value {
        let mut client = Client::connect(self.address).await.unwrap();
        client.send("GET", &format!("/script/{service}"), &[], "").await.unwrap().json()
    }

    /// The number of calls of a service.
    pub(crate) async fn calls(&self, service: &str) -> u64 {
        self.seen(service).await["calls"].as_u64().unwrap()
    }

    /// Waits until a service has seen this many connections that were closed before its answer.
    pub(crate) async fn closed_early(&self, service: &str, count: u64) {
        until("the connection is closed early", async || {
            (self.seen(service).await["closedEarly"] == count).then_some(())
        })
        .await;
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
