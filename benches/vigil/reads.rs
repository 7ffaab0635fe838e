//! Reads: a patient's record from four services at once, and a study that all clients ask for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::{CLINICIAN, Ground, KEY};
use crate::load::{Connection, Ids, Request, Sample, Until, slice};
use crate::table::{Goal, Table};

/// The latency of each service.
const LATENCY: Duration = Duration::from_millis(20);
/// The number of records that are requested, one after another.
const RECORDS: usize = 300;
/// The number of concurrent clients, and how long they ask.
const CLIENTS: usize = 16;
const SLICE: Duration = Duration::from_secs(3);
/// The time for which a study is read.
const READING: Duration = Duration::from_secs(3);

const PATIENT: &str = "P-1";
const SUBMISSION: &str = r#"{"responseId":"r-1","studyId":"TRIAL-7","siteId":"S-01","patientId":"P-1","authoredAt":"2026-03-01T08:00:00+08:00","answers":{"q1":1,"q2":0,"q3":2,"q4":1,"q5":0,"q6":1,"q7":0,"q8":1,"q9":0}}"#;

/// The services of `tests/upstreams`; dropping this ends them.
struct Services {
    child: Child,
    input: Option<ChildStdin>,
    address: std::net::SocketAddr,
}

impl Services {
    fn start() -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upstreams"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe from the services")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("http://").context("the services did not start")?.parse()?;
        let input = child.stdin.take();
        Ok(Services { child, input, address })
    }

    fn part(&self, name: &str, path: &str) -> Value {
        json!({"name": name, "required": true, "url": format!("http://{}{path}", self.address)})
    }

    /// The number of calls of a service.
    async fn calls(&self, service: &str, ids: &Ids) -> Result<u64> {
        let request = Request::new("GET", &format!("/script/{service}"), &[], "", 200);
        let mut connection = Connection::open(self.address).await?;
        connection.send(&request, ids).await?;
        let seen: Value = serde_json::from_slice(connection.body())?;
        seen["calls"].as_u64().context("the services do not count")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Four services of 20 ms each beside Vigil's own part: one client asks again and again, then several at once. Then all
/// connections read one study, for long enough to see that its service is not called for each request.
pub(crate) async fn reads(table: &mut Table, ids: &Ids) -> Result<()> {
    let services = Services::start()?;
    let names = ["profile", "orders", "laboratory", "imaging"];
    let mut parts = vec![json!({"name": "vigil", "required": true})];
    parts.extend(names.map(|name| services.part(name, &format!("/{name}/{{patientId}}"))));
    let mut talk = Connection::open(services.address).await?;
    for name in names.into_iter().chain(["studies"]) {
        let script = json!({"latencyMs": LATENCY.as_millis() as u64}).to_string();
        talk.send(&Request::new("PUT", &format!("/script/{name}"), &[], &script, 204), ids).await?;
    }
    let study = json!([services.part("project", "/studies/{studyId}")]).to_string();
    // A record counts as a look at an identity. The bucket is the largest there is.
    let looks = ("identity_looks_per_minute", "10000".to_owned());
    let variables = [("record_parts", Value::from(parts).to_string()), ("study_service", study), looks];

    let ground = Ground::new()?;
    let host = ground.start_with(&["submit", "score", "records"], None, &variables)?;
    let mut connection = Connection::open(host.address).await?;
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let submit = Request::new("POST", "/v1/surveys/phq-9/responses", &headers, SUBMISSION, 202);
    connection.send(&submit, ids).await?;
    let bearer = format!("Bearer {CLINICIAN}");
    let path = format!("/v1/patients/{PATIENT}/record");
    let record =
        Request::new("GET", &path, &[("authorization", &bearer)], "", 200).says("\"imaging\":{\"status\":\"ok\"");
    // The patient is known once the submission is scored; the requests before that also warm up.
    let began = Instant::now();
    while connection.send(&record, ids).await.is_err() {
        ensure!(began.elapsed() < Duration::from_secs(10), "the submission is not scored");
        connection = Connection::open(host.address).await?;
        sleep(Duration::from_millis(20)).await;
    }
    let mut sample = Sample::default();
    for round in 0..RECORDS + 20 {
        let took = connection.send(&record, ids).await?;
        if round >= 20 {
            sample.times.push(took);
        }
    }
    let note =
        format!("four services of {} ms each, one client; p99 {:.1} ms", LATENCY.as_millis(), sample.quantile_ms(0.99));
    table.milliseconds("a patient's record, p50", sample.quantile_ms(0.5), Goal::AtMost(30.0), &note);

    let mut connections = Connection::open_many(host.address, CLIENTS).await?;
    let many = slice(&mut connections, &record, ids, Until::After(SLICE)).await?;
    let value =
        format!("{:.0}/s, p50 {:.1} ms, p99 {:.1} ms", many.rate(), many.quantile_ms(0.5), many.quantile_ms(0.99));
    table.figure(&format!("records for {CLIENTS} clients at once"), value, "each is four calls of a service");

    let study = Request::new("GET", "/v1/studies/TRIAL-7", &[("authorization", &bearer)], "", 200).says("sponsor");
    let read = slice(&mut connections, &study, ids, Until::After(READING)).await?;
    let value =
        format!("{:.0}/s, p50 {:.1} ms, p99 {:.1} ms", read.rate(), read.quantile_ms(0.5), read.quantile_ms(0.99));
    table.figure("reads of one study", value, "");
    let calls = services.calls("studies", ids).await?;
    let note = format!("{} reads in {:.0} s; it is asked once a minute", read.times.len(), READING.as_secs_f64());
    table.ratio("calls of its service", calls as f64, Goal::AtMost(1.0), &note);
    Ok(())
}
