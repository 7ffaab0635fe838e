//! The figures. Each function says how it measures.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use state::names::{MORE, Queue, SETTINGS};
use state::queue::flows;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::app::{self, Ground, KEY, Process};
use crate::load::{Connection, ID, Ids, PATIENT, Request, Sample, Until, slice};
use crate::table::{Goal, Table};

/// The number of clients.
pub(crate) const CONNECTIONS: usize = 64;
/// The components that answer HTTP; the workers do not run.
pub(crate) const DOORS: [&str; 3] = ["submit", "records", "floor"];

pub(crate) const ROUNDS: usize = 6;
pub(crate) const SLICE: Duration = Duration::from_millis(1500);
pub(crate) const WARM_UP: Duration = Duration::from_millis(1500);
/// The number of reports in a batch.
pub(crate) const BATCH: usize = 100;

fn authorization() -> String {
    format!("Bearer {KEY}")
}

fn response(item_nine: u8) -> String {
    format!(
        r#"{{"responseId":"{ID}","studyId":"TRIAL-7","siteId":"S-01","patientId":"P-{PATIENT}","authoredAt":"2026-03-01T08:00:00+08:00","answers":{{"q1":1,"q2":0,"q3":2,"q4":1,"q5":0,"q6":1,"q7":0,"q8":1,"q9":{item_nine}}}}}"#
    )
}

fn post(path: &str, body: &str, minimal: bool, status: u16) -> Request {
    let authorization = authorization();
    let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
    if minimal {
        headers.push(("prefer", "return=minimal"));
    }
    Request::new("POST", path, &headers, body, status)
}

/// One PHQ-9 response, as a patient's device sends it.
pub(crate) fn single() -> Request {
    post("/v1/surveys/phq-9/responses", &response(0), true, 202)
}

/// One whose answer must alert a clinician.
pub(crate) fn alarming() -> Request {
    post("/v1/surveys/phq-9/responses", &response(1), true, 202)
}

/// The same bytes, for the floor.
fn floor() -> Request {
    post("/floor", &response(0), true, 202)
}

fn report() -> String {
    format!(
        r#"{{"reportId":"{ID}","studyId":"TRIAL-7","siteId":"S-01","patientId":"P-{PATIENT}","kind":"diary","authoredAt":"2026-03-01T08:00:00+08:00","data":{{"symptoms":[{{"name":"headache","severity":2}}],"note":"slept better than the day before"}}}}"#
    )
}

fn batch() -> Request {
    batch_of(&report())
}

/// A batch of rows.
pub(crate) fn batch_of(row: &str) -> Request {
    post("/v1/reports/batch", &format!("[{}]", vec![row; BATCH].join(",")), false, 202).says("\"rejected\":0")
}

/// A PHQ-9 response as a row of a batch.
pub(crate) fn response_row() -> String {
    response(0).replacen('{', "{\"instrument\":\"phq-9\",", 1)
}

/// A rate with its times.
pub(crate) fn times(rate: f64, sample: &Sample) -> String {
    let (p50, p99) = (sample.quantile_ms(0.5), sample.quantile_ms(0.99));
    format!("{rate:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms")
}

/// A host and its Redis, whose CPU time is measured.
struct Scale<'a> {
    host: &'a Process,
    redis: redis::Connection,
}

impl<'a> Scale<'a> {
    fn new(ground: &Ground, host: &'a Process) -> Result<Self> {
        Ok(Scale { host, redis: ground.redis()? })
    }

    /// The CPU time of host and Redis so far.
    fn read(&mut self) -> Result<Option<[Duration; 2]>> {
        let info: String = redis::cmd("INFO").arg("cpu").query(&mut self.redis)?;
        let seconds = info.lines().filter_map(|line| line.strip_prefix("used_cpu_")?.split_once(':'));
        let main = seconds.filter(|(name, _)| matches!(*name, "sys" | "user"));
        let redis = main.filter_map(|(_, seconds)| seconds.parse::<f64>().ok()).sum();
        Ok(self.host.computed().map(|host| [host, Duration::from_secs_f64(redis)]))
    }

    /// Runs a slice and adds the CPU time of host and Redis to it.
    async fn weigh(&mut self, connections: &mut [Connection], request: &Request, ids: &Ids) -> Result<Sample> {
        let before = self.read()?;
        let mut sample = slice(connections, request, ids, Until::After(SLICE)).await?;
        if let (Some(before), Some(after)) = (before, self.read()?) {
            sample.computed = [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])];
        }
        Ok(sample)
    }
}

/// The CPU time per request. It tells more than the duration when other programs use the processor too.
fn weight(sample: &Sample) -> String {
    if sample.computed[0].is_zero() {
        return String::new();
    }
    let [host, redis] = sample.computed.map(|time| time.as_secs_f64() * 1e6 / sample.times.len() as f64);
    format!("the host computes {host:.0} µs for each, Redis {redis:.0} µs")
}

/// The lowest and the highest ratio of all rounds.
pub(crate) fn spread(ratios: &[f64]) -> String {
    let (low, high) = ratios.iter().fold((f64::MAX, f64::MIN), |(low, high), &r| (low.min(r), high.max(r)));
    format!("the rounds: {low:.2} to {high:.2}")
}

/// Measures floor and single report in turns, on the same connections to the same host, so that a machine that slows
/// down slows both. The workers do not run.
pub(crate) async fn door(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    let host = ground.start(&DOORS, None)?;
    let mut connections = Connection::open_many(host.address, CONNECTIONS).await?;
    let (floor, single, report) = (floor(), single(), post("/v1/reports", &report(), true, 202));
    for request in [&floor, &single] {
        slice(&mut connections, request, ids, Until::After(WARM_UP)).await?;
    }
    let mut scale = Scale::new(&ground, &host)?;
    let (mut lowest, mut acknowledged, mut ratios) = (Sample::default(), Sample::default(), Vec::new());
    for _ in 0..ROUNDS {
        let one = scale.weigh(&mut connections, &floor, ids).await?;
        let other = scale.weigh(&mut connections, &single, ids).await?;
        ratios.push(other.rate() / one.rate());
        lowest.add(one);
        acknowledged.add(other);
    }
    table.figure("floor", times(lowest.rate(), &lowest), &weight(&lowest));
    table.figure("single", times(acknowledged.rate(), &acknowledged), &weight(&acknowledged));
    let ratio = acknowledged.rate() / lowest.rate();
    table.ratio("single ÷ floor", ratio, Goal::AtLeast(0.85), &spread(&ratios));
    let ratio = acknowledged.quantile_ms(0.99) / lowest.quantile_ms(0.99);
    table.ratio("p99 of single ÷ p99 of floor", ratio, Goal::AtMost(1.5), "");

    let batch = batch();
    let mut probe = Connection::open(host.address).await?;
    if let Err(error) = probe.send(&batch, ids).await {
        let answer = error.to_string();
        table.missing("batch ÷ single", Goal::AtLeast(8.0), answer.lines().next().unwrap_or_default());
        return Ok(());
    }
    let (mut ones, mut batches, mut ratios) = (Sample::default(), Sample::default(), Vec::new());
    for _ in 0..ROUNDS / 2 {
        let one = scale.weigh(&mut connections, &report, ids).await?;
        let hundred = scale.weigh(&mut connections, &batch, ids).await?;
        ratios.push(hundred.rate() * BATCH as f64 / one.rate());
        ones.add(one);
        batches.add(hundred);
    }
    let rate = batches.rate() * BATCH as f64;
    table.figure("single report", times(ones.rate(), &ones), &weight(&ones));
    table.figure("reports in batches of 100", times(rate, &batches), &weight(&batches));
    table.ratio("batch ÷ single", rate / ones.rate(), Goal::AtLeast(8.0), &spread(&ratios));

    let (responses, mut batches) = (batch_of(&response_row()), Sample::default());
    for _ in 0..ROUNDS / 2 {
        batches.add(scale.weigh(&mut connections, &responses, ids).await?);
    }
    table.figure("PHQ-9 in batches of 100", times(batches.rate() * BATCH as f64, &batches), &weight(&batches));
    Ok(())
}

const WAITING: u64 = 50_000;

/// The door fills the stream while no worker runs; then one worker runs alone until the stream is empty. Last, both run
/// at once.
pub(crate) async fn drain(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    let mut redis = ground.redis()?;
    let single = single();
    let acknowledged = {
        let host = ground.start(&DOORS, None)?;
        let mut connections = Connection::open_many(host.address, CONNECTIONS).await?;
        let warm_up = slice(&mut connections, &single, ids, Until::After(WARM_UP)).await?;
        let left = WAITING.saturating_sub(warm_up.times.len() as u64).max(1);
        slice(&mut connections, &single, ids, Until::Sent(left)).await?
    };
    let waiting = submissions(&mut redis)?;
    let worker = ground.start(&["score"], None)?;
    let began = Instant::now();
    redis::cmd("PUBLISH").arg(Queue::Score.channel()).arg("").exec(&mut redis)?;
    while submissions(&mut redis)? > 0 {
        ensure!(began.elapsed() < Duration::from_secs(60), "the worker does not come to an end");
        sleep(Duration::from_millis(5)).await;
    }
    let rate = waiting as f64 / began.elapsed().as_secs_f64();
    drop(worker);
    table.figure("acknowledged", times(acknowledged.rate(), &acknowledged), "");
    table.figure("drain by one worker", format!("{rate:.0}/s"), &format!("{waiting} submissions"));
    table.ratio("drain ÷ acknowledged", rate / acknowledged.rate(), Goal::AtLeast(1.3), "");

    let host = ground.start(&[], None)?;
    let mut connections = Connection::open_many(host.address, CONNECTIONS).await?;
    slice(&mut connections, &single, ids, Until::After(WARM_UP)).await?;
    let both = slice(&mut connections, &single, ids, Until::After(2 * SLICE)).await?;
    let waiting = submissions(&mut redis)?;
    table.figure("single while workers run", times(both.rate(), &both), &format!("{waiting} waiting at the end"));
    Ok(())
}

/// The number of waiting submissions: entries, and for a shared entry the submissions beyond its first.
pub(crate) fn submissions(redis: &mut redis::Connection) -> Result<u64> {
    let (entries, more): (u64, Option<u64>) =
        redis::pipe().cmd("XLEN").arg(Queue::Score.stream()).cmd("GET").arg(MORE).query(redis)?;
    Ok(entries + more.unwrap_or_default())
}

const SAMPLES: usize = 300;
/// Longer than a worker looks for more work before it leaves: each report meets an idle application.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends one report at a time, with an answer that must alert a clinician. Measures from before it is sent until the
/// webhook has arrived.
pub(crate) async fn latency(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    let (at, mut heard) = receiver().await?;
    let host = ground.start(&[], Some(at))?;
    let mut connection = Connection::open(host.address).await?;
    let alarming = alarming();
    let mut sample = Sample::default();
    let mut answered = Sample::default();
    let (disk, mut written) = (rusqlite::Connection::open(ground.folder().join("disk.db"))?, Sample::default());
    disk.execute_batch("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB)")?;
    for round in 0..SAMPLES + 10 {
        sleep(PAUSE).await;
        let sent = Instant::now();
        let answer = connection.send(&alarming, ids).await?;
        let heard = timeout(Duration::from_secs(10), heard.recv()).await.context("no webhook came")?;
        let heard = heard.context("the receiver has ended")?;
        if round >= 10 {
            answered.times.push(answer);
            let began = Instant::now();
            disk.execute("INSERT INTO t VALUES (?1, zeroblob(700))", [format!("{round}")])?;
            written.times.push(began.elapsed());
            sample.times.push(heard.duration_since(sent));
        }
    }
    table.figure(
        "submit to 202, idle",
        format!("p50 {:.2} ms, p99 {:.2} ms", answered.quantile_ms(0.5), answered.quantile_ms(0.99)),
        "",
    );
    // One such transaction lies between the report and the webhook: a slow disk shows here.
    let note = format!("one transaction of SQLite on this disk: {:.1} ms", written.quantile_ms(0.5));
    table.milliseconds("submit to webhook, idle, p50", sample.quantile_ms(0.5), Goal::AtMost(10.0), &note);
    table.milliseconds("submit to webhook, idle, p99", sample.quantile_ms(0.99), Goal::AtMost(50.0), "");
    Ok(())
}

/// A receiver that answers 204 and reports the time at which a call had arrived whole.
async fn receiver() -> Result<(SocketAddr, mpsc::UnboundedReceiver<Instant>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            _ = stream.set_nodelay(true);
            let tell = tell.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    if request.into_body().collect().await.is_ok() {
                        _ = tell.send(Instant::now());
                    }
                    let mut answer = hyper::Response::new(Empty::<Bytes>::new());
                    *answer.status_mut() = hyper::StatusCode::NO_CONTENT;
                    Ok::<_, Infallible>(answer)
                }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok((address, heard))
}

const SHALLOW: u64 = 1_000;
const DEEP: u64 = 1_000_000;

/// Appends the missing entries, each with its idempotency record, as the door does.
const FILL: &str = "
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  append('score', 'filler|A|1', 'an entry that waits ' .. i, 500, 1)
  redis.call('HSETNX', '{vigil}:once:' .. string.format('%03x', i % 4096), string.format('%016d', i), ARGV[3])
end";

/// Two Redis servers, each with a host, take reports in turns: one has few entries, the other has many.
pub(crate) async fn depth(table: &mut Table, ids: &Ids) -> Result<()> {
    let grounds = [Ground::new()?, Ground::new()?];
    let [mut shallow, mut deep] = [grounds[0].redis()?, grounds[1].redis()?];
    fill(&mut shallow, SHALLOW)?;
    fill(&mut deep, DEEP)?;
    let hosts = [grounds[0].start(&DOORS, None)?, grounds[1].start(&DOORS, None)?];
    let mut few = Connection::open_many(hosts[0].address, CONNECTIONS).await?;
    let mut many = Connection::open_many(hosts[1].address, CONNECTIONS).await?;
    let single = single();
    for connections in [&mut few, &mut many] {
        slice(connections, &single, ids, Until::After(WARM_UP)).await?;
    }
    let (mut at_few, mut at_many, mut ratios) = (Sample::default(), Sample::default(), Vec::new());
    let (mut claim_few, mut claim_many) = (Sample::default(), Sample::default());
    for _ in 0..ROUNDS / 2 {
        redis::cmd("FLUSHALL").exec(&mut shallow)?;
        fill(&mut shallow, SHALLOW)?;
        let one = slice(&mut few, &single, ids, Until::After(SLICE)).await?;
        let other = slice(&mut many, &single, ids, Until::After(SLICE)).await?;
        ratios.push(one.rate() / other.rate());
        at_few.add(one);
        at_many.add(other);
        for _ in 0..10 {
            claim_few.times.push(claim(&mut shallow)?);
            claim_many.times.push(claim(&mut deep)?);
        }
    }
    let waiting = submissions(&mut deep)?;
    table.ratio(
        "cost of a report at 1,000,000 waiting ÷ at 1,000",
        at_few.rate() / at_many.rate(),
        Goal::AtMost(1.2),
        &format!("{}; {waiting} at the end", spread(&ratios)),
    );
    table.ratio(
        "cost of a claim at 1,000,000 waiting ÷ at 1,000",
        claim_many.quantile_ms(0.5) / claim_few.quantile_ms(0.5),
        Goal::AtMost(1.2),
        "",
    );
    Ok(())
}

fn fill(redis: &mut redis::Connection, count: u64) -> Result<()> {
    const STEP: u64 = 20_000;
    let (fact, script) = ("0".repeat(33), flows::before(FILL));
    for first in (0..count).step_by(STEP as usize) {
        let last = (first + STEP).min(count) - 1;
        redis::cmd("EVAL").arg(&script).arg(0).arg(first).arg(last).arg(&fact).exec(redis)?;
    }
    Ok(())
}

/// Claims like a worker, and returns how long the server took.
fn claim(redis: &mut redis::Connection) -> Result<Duration> {
    let mut command = redis::cmd("EVAL");
    let script = flows::before(include_str!("../../state/src/queue/claim.lua"));
    command.arg(script).arg(2).arg(Queue::Score.bell()).arg(SETTINGS);
    command
        .arg(Queue::Score.name())
        .arg("bench")
        .arg("0")
        .arg(600_000)
        .arg(64)
        .arg(4 << 20)
        .arg(64 << 10)
        .arg("0")
        .arg("0")
        .arg("0");
    let began = Instant::now();
    let claimed: Vec<redis::Value> = command.query(redis)?;
    ensure!(claimed.len() > 1, "nothing was claimed");
    Ok(began.elapsed())
}

/// The size of each built component, bytes.
pub(crate) fn size(table: &mut Table) -> Result<()> {
    for (id, bytes) in app::sizes()? {
        let name = format!("size of {id}");
        table.goal(&name, bytes as f64 / 1e6, " MB", Goal::AtMost(2.0), "");
    }
    Ok(())
}

/// The number of requests after which a fresh instance takes over: the host's number.
const REQUESTS_PER_INSTANCE: usize = 128;

/// Sends one request after another: every 128th meets a fresh instance. Its extra time is the cost of a fresh instance:
/// to create it, to start it, and its first steps. The request is refused before any configuration is read.
pub(crate) async fn instantiation(table: &mut Table, ids: &Ids) -> Result<()> {
    const INSTANCES: usize = 60;
    let ground = Ground::new()?;
    let host = ground.start(&DOORS, None)?;
    let mut connection = Connection::open(host.address).await?;
    let refused = Request::new("GET", "/v1/reports", &[], "", 405);
    for _ in 0..2 * REQUESTS_PER_INSTANCE {
        connection.send(&refused, ids).await?;
    }
    let mut sample = Sample::default();
    for _ in 0..INSTANCES * REQUESTS_PER_INSTANCE {
        sample.times.push(connection.send(&refused, ids).await?);
    }
    let mut of_place = (0..REQUESTS_PER_INSTANCE).map(|place| Sample {
        times: sample.times.iter().skip(place).step_by(REQUESTS_PER_INSTANCE).copied().collect(),
        ..Sample::default()
    });
    let usual = sample.quantile_ms(0.5);
    let (p50, p99) = of_place.by_ref().fold((0.0_f64, 0.0), |(p50, p99), sample| {
        let here = sample.quantile_ms(0.5);
        if here > p50 { (here, sample.quantile_ms(0.99)) } else { (p50, p99) }
    });
    let note = format!("of submit; p99 {:.2} ms", p99 - usual);
    table.milliseconds("instantiation, p50", p50 - usual, Goal::AtMost(1.0), &note);
    Ok(())
}
