//! The door beside clinicians who have the inbox open.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::{try_join, try_join_all};
use serde_json::Value;
use tokio::time::sleep;

use crate::app::{CLINICIAN, Ground};
use crate::figures::{self, CONNECTIONS, WARM_UP, spread, times};
use crate::load::{Connection, Ids, Request, Sample, Until, slice};
use crate::table::{Goal, Table};

/// The number of open inboxes.
const INBOXES: usize = 200;
/// The time in which each asks once; a slice takes as long. The screens ask every 10 seconds.
const INTERVAL: Duration = Duration::from_secs(5);
const ROUNDS: usize = 4;
/// The number of open alerts: more than a page.
const ALERTS: usize = 250;
/// The page that the screen asks for.
const PAGE: &str = "/v1/alerts?order=urgency&include=reason%2Cdeliveries%2Ccounts&limit=200";

/// An inbox: it knows a page by its tag.
struct Inbox {
    connection: Connection,
    tag: String,
}

/// All connections of the door are busy, in turns: alone; beside 200 inboxes in which nothing happens; beside as many
/// while one alert changes in each slice, so that each of them reads a whole page. The workers do not run.
pub(crate) async fn inboxes(table: &mut Table, ids: &Ids) -> Result<()> {
    let ground = Ground::new()?;
    raise(&ground, ids).await?;
    let host = ground.start(&["submit", "alerts"], None)?;
    let mut door = Connection::open_many(host.address, CONNECTIONS).await?;
    let open = Connection::open_many(host.address, INBOXES + 1).await?;
    let mut inboxes: Vec<_> = open.into_iter().map(|connection| Inbox { connection, tag: String::new() }).collect();
    let mut clinician = inboxes.pop().context("no inbox is open")?;
    clinician.look().await?;
    let note = note_on(clinician.connection.body())?;
    let single = figures::single();
    slice(&mut door, &single, ids, Until::After(WARM_UP)).await?;
    watch(&mut inboxes).await?;

    let [mut alone, mut beside, mut changing] = [(); 3].map(|()| Sample::default());
    let [mut quiet, mut busy] = [(); 2].map(|()| Seen::default());
    let (mut ratios, mut changed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = slice(&mut door, &single, ids, Until::After(INTERVAL)).await?;
        let (two, seen) = try_join(slice(&mut door, &single, ids, Until::After(INTERVAL)), watch(&mut inboxes)).await?;
        quiet.add(seen);
        clinician.connection.send(&note, ids).await?;
        let (three, seen) =
            try_join(slice(&mut door, &single, ids, Until::After(INTERVAL)), watch(&mut inboxes)).await?;
        busy.add(seen);
        ratios.push(two.rate() / one.rate());
        changed.push(three.rate() / one.rate());
        alone.add(one);
        beside.add(two);
        changing.add(three);
    }
    table.figure("the door alone", times(alone.rate(), &alone), "");
    table.figure(&format!("beside {INBOXES} inboxes"), times(beside.rate(), &beside), &quiet.text());
    table.ratio("its rate ÷ alone", beside.rate() / alone.rate(), Goal::AtLeast(0.95), &spread(&ratios));
    let ratio = beside.quantile_ms(0.99) / alone.quantile_ms(0.99);
    table.ratio("its p99 ÷ alone", ratio, Goal::AtMost(1.2), "");
    table.figure("while an alert changes every 5 s", times(changing.rate(), &changing), &busy.text());
    table.ratio("its rate ÷ alone", changing.rate() / alone.rate(), Goal::AtLeast(0.9), &spread(&changed));
    let ratio = changing.quantile_ms(0.99) / alone.quantile_ms(0.99);
    table.ratio("its p99 ÷ alone", ratio, Goal::AtMost(1.5), "");
    Ok(())
}

/// Raises alerts, and waits until all of them are listed.
async fn raise(ground: &Ground, ids: &Ids) -> Result<()> {
    let host = ground.start(&[], None)?;
    let mut connections = Connection::open_many(host.address, 8).await?;
    slice(&mut connections, &figures::alarming(), ids, Until::Sent(ALERTS as u64)).await?;
    let bearer = format!("Bearer {CLINICIAN}");
    let page = Request::new("GET", PAGE, &[("authorization", &bearer)], "", 200).says("\"more\":true");
    let (began, mut connection) = (Instant::now(), Connection::open(host.address).await?);
    while connection.send(&page, ids).await.is_err() {
        ensure!(began.elapsed() < Duration::from_secs(60), "the alerts are not listed");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A note on the first alert of a page. It changes the revision of all pages that show it.
fn note_on(page: &[u8]) -> Result<Request> {
    let page: Value = serde_json::from_slice(page)?;
    let alert = page["alerts"][0]["alertId"].as_str().context("the inbox is empty")?;
    let bearer = format!("Bearer {CLINICIAN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let path = format!("/v1/alerts/{alert}/notes");
    Ok(Request::new("POST", &path, &headers, r#"{"note":"Called, no answer"}"#, 200))
}

/// The times of the unchanged and of the whole pages that inboxes saw.
#[derive(Default)]
struct Seen {
    unchanged: Sample,
    whole: Sample,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.unchanged.add(other.unchanged);
        self.whole.add(other.whole);
    }

    fn text(&self) -> String {
        let kinds = [("304", &self.unchanged), ("whole pages", &self.whole)];
        let some = kinds.into_iter().filter(|(_, sample)| !sample.times.is_empty());
        let text = |(name, sample): (&str, &Sample)| {
            let (count, p50, p99) = (sample.times.len(), sample.quantile_ms(0.5), sample.quantile_ms(0.99));
            format!("{count} {name}, p50 {p50:.1} ms, p99 {p99:.1} ms")
        };
        some.map(text).collect::<Vec<_>>().join("; ")
    }
}

/// Each inbox asks once, one after the other over the whole interval.
async fn watch(inboxes: &mut [Inbox]) -> Result<Seen> {
    let step = INTERVAL / INBOXES as u32;
    let looks = inboxes.iter_mut().zip(0..).map(async |(inbox, n)| {
        sleep(step * n).await;
        inbox.look().await
    });
    let mut seen = Seen::default();
    for (status, took) in try_join_all(looks).await? {
        let kind = if status == 304 { &mut seen.unchanged } else { &mut seen.whole };
        kind.times.push(took);
    }
    Ok(seen)
}

impl Inbox {
    /// Asks whether there is something new, as the screen does.
    async fn look(&mut self) -> Result<(u16, Duration)> {
        let bearer = format!("Bearer {CLINICIAN}");
        let headers = [("authorization", bearer.as_str()), ("if-none-match", self.tag.as_str())];
        let (status, took) = self.connection.read(PAGE, &headers).await?;
        ensure!(matches!(status, 200 | 304), "the inbox was answered by {status}");
        if status == 200 {
            self.tag = self.connection.header("etag").context("a page without a tag")?.to_owned();
        }
        Ok((status, took))
    }
}
