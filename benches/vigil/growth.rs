//! The bytes of finished submissions, the cost of many of them, and the reading of a whole study.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use state::names::{self, CLOCK, CLOCK_CHANNEL, Queue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::app::{Ground, KEY, Process};
use crate::figures::{self, BATCH};
use crate::load::{Connection, Ids, PATIENTS, Request, Sample, Until, slice};
use crate::table::{Goal, Table};

/// The number of stored submissions at the beginning: 20 of each patient.
const FEW: u64 = 20 * PATIENTS;
const MANY: u64 = 1_000_000;
/// The number that is drained at either of them.
const DRAINED: u64 = 50_000;
/// The number of responses that are read.
const READ: usize = 100_000;
/// The connections of the door's clients beside a reader, and how long each waits before its next report: the door has room.
const BESIDE: usize = 16;
const PAUSE: Duration = Duration::from_millis(10);

/// Fills a study with PHQ-9 responses in batches and lets one worker score them; then reads 100,000 of them while clients
/// send single responses; then goes on to a million.
pub(crate) async fn growth(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    let mut redis = ground.redis()?;
    let empty = bytes(&ground, &mut redis)?;
    fill(&ground, &mut redis, ids, FEW).await?;
    let full = bytes(&ground, &mut redis)?;
    let [in_redis, stored] = [0, 1].map(|at| (full[at] - empty[at]) as f64 / FEW as f64);
    table.goal("Redis for a finished PHQ-9", in_redis, " B", Goal::AtMost(200.0), "20 for each patient");
    table.goal("the store for a finished PHQ-9", stored, " B", Goal::AtMost(1500.0), "");
    read(table, &ground, ids).await?;

    let few = fill(&ground, &mut redis, ids, DRAINED).await?;
    let so_far = FEW + DRAINED;
    fill(&ground, &mut redis, ids, MANY - so_far).await?;
    let many = fill(&ground, &mut redis, ids, DRAINED).await?;
    let note = format!("{few:.0}/s and {many:.0}/s");
    table.ratio("drain at 1,000,000 stored ÷ at 100,000", many / few, Goal::AtLeast(0.8), &note);
    Ok(())
}

/// Memory that Redis uses, and the size of the store, bytes.
fn bytes(ground: &Ground, redis: &mut redis::Connection) -> Result<[u64; 2]> {
    let info: String = redis::cmd("INFO").arg("memory").query(redis)?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse::<u64>().ok());
    let store = ground.folder().join("sqlite_key_value.db");
    let pages = || -> Result<u64> {
        let store = rusqlite::Connection::open(&store)?;
        let one = |pragma: &str| store.query_row(pragma, [], |row| row.get::<_, i64>(0));
        Ok(u64::try_from(one("PRAGMA page_count")? * one("PRAGMA page_size")?)?)
    };
    Ok([used.context("Redis does not tell its memory")?, if store.exists() { pages()? } else { 0 }])
}

/// Takes submissions in while no worker runs, then drains them by one worker. Returns how many it scored in a second.
async fn fill(ground: &Ground, redis: &mut redis::Connection, ids: &Ids, count: u64) -> Result<f64> {
    {
        let host = ground.start(&["submit"], None)?;
        let mut connections = Connection::open_many(host.address, 16).await?;
        let batch = figures::batch_of(&figures::response_row());
        slice(&mut connections, &batch, ids, Until::Sent(count.div_ceil(BATCH as u64))).await?;
    }
    let waiting = figures::submissions(redis)?;
    let worker = ground.start(&["score", "clock"], None)?;
    let began = Instant::now();
    redis::cmd("PUBLISH").arg(Queue::Score.channel()).arg("").exec(redis)?;
    while figures::submissions(redis)? > 0 {
        ensure!(began.elapsed() < Duration::from_secs(300), "the worker does not come to an end");
        sleep(Duration::from_millis(5)).await;
    }
    let rate = waiting as f64 / began.elapsed().as_secs_f64();
    // The clock seals the journal, a part in each tick. Its first tick is announced as an enqueue announces it.
    redis::cmd("SET").arg(&[CLOCK, "next 1"]).exec(redis)?;
    redis::cmd("PUBLISH").arg(&[CLOCK_CHANNEL, "next 1"]).exec(redis)?;
    loop {
        let left: u64 = redis::cmd("XLEN").arg(names::journal(&"TRIAL-7".into())).query(redis)?;
        if left < 2048 {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(600), "the clock does not seal the journal");
        sleep(Duration::from_millis(50)).await;
    }
    drop(worker);
    Ok(rate)
}

/// Reads a study as lines, while clients send single responses and while they do so alone.
async fn read(table: &mut Table, ground: &Ground, ids: &Ids) -> Result<()> {
    let host = ground.start(&["submit", "records"], None)?;
    let mut connections = Connection::open_many(host.address, BESIDE).await?;
    let single = figures::single();
    slice(&mut connections, &single, ids, Until::After(Duration::from_secs(1))).await?;
    let before = memory(&host)?;
    let alone = list(host.address).await?;
    let grown = memory(&host)?.saturating_sub(before) as f64 / f64::from(1 << 20);
    let note = format!("{READ} rows with content and scores, {:.1} MB", alone.bytes as f64 / 1e6);
    table.goal("a study as NDJSON", alone.took.as_secs_f64(), " s", Goal::AtMost(30.0), &note);
    table.goal("memory that the host gained meanwhile", grown, " MiB", Goal::AtMost(64.0), "");

    let quiet = paced(&mut connections, &single, ids, alone.took).await?;
    let beside = paced(&mut connections, &single, ids, alone.took);
    let (_, busy) = futures::future::try_join(list(host.address), beside).await?;
    let rate = busy.rate();
    let [quiet, busy] = [quiet, busy].map(|sample| sample.quantile_ms(0.99));
    let note = format!("{quiet:.1} ms and {busy:.1} ms, {rate:.0} reports/s");
    table.ratio("p99 of single beside a reader ÷ without", busy / quiet, Goal::AtMost(1.2), &note);
    Ok(())
}

/// Sends a request on each connection again and again, with pauses.
async fn paced(connections: &mut [Connection], request: &Request, ids: &Ids, time: Duration) -> Result<Sample> {
    let began = Instant::now();
    let work = connections.iter_mut().map(async |connection| {
        let mut times = Vec::new();
        while began.elapsed() < time {
            sleep(PAUSE).await;
            times.push(connection.send(request, ids).await?);
        }
        anyhow::Ok(times)
    });
    let times = futures::future::try_join_all(work).await?.concat();
    Ok(Sample { times, elapsed: began.elapsed(), ..Sample::default() })
}

struct Listed {
    took: Duration,
    bytes: usize,
}

/// Reads the rows of the study to the line that ends them.
async fn list(address: std::net::SocketAddr) -> Result<Listed> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET /v1/studies/TRIAL-7/submissions?include=content,scores&limit={READ} HTTP/1.1\r\nhost: vigil\r\n\
         authorization: Bearer {KEY}\r\naccept: application/x-ndjson\r\nconnection: close\r\n\r\n"
    );
    let began = Instant::now();
    stream.write_all(request.as_bytes()).await?;
    let (mut piece, mut bytes, mut last) = (vec![0; 1 << 16], 0, Vec::new());
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        bytes += read;
        last.extend_from_slice(&piece[..read]);
        let cut = last.len().saturating_sub(400);
        last.drain(..cut);
    }
    let end = String::from_utf8_lossy(&last).into_owned();
    ensure!(end.contains(&format!("{{\"end\":{{\"rows\":{READ},")), "the list broke off: {end}");
    Ok(Listed { took: began.elapsed(), bytes })
}

/// The memory of the host, bytes.
fn memory(host: &Process) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", host.id()))?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(peak.context("the system does not tell the memory of a process")?.trim().parse::<u64>()? << 10)
}
