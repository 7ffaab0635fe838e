//! `GET /v1/stats/sites` and `GET /metrics`: counters of the doors, and waiting work.
//!
//! Guarantee: all figures of one answer are from the same moment. A key sees the counters of its own study and site;
//! only a key that covers everything sees figures that are not of one site: queues, calls, alerts, receivers, dead
//! letters. `*` as a site or kind means that a refused request did not tell it, or that counters are added up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use platform::deadline::Deadline;
use platform::http::{Incoming, Reply};
use platform::{clock, log};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::figures::counters::{self, Backlog, Calls, Counter, Cursor, Stats};

use crate::config::Config;
use crate::figures::Figures;

/// The longest time for one reading.
const PATIENCE: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Waits for figures, but not for long.
async fn within<T>(config: &Config, read: impl Future<Output = T>) -> Result<T, Problem> {
    Deadline::after(PATIENCE).run(read).await.map_err(|timed_out| {
        config.redis.forget();
        log::error("read-failed").cause(&timed_out).write();
        Problem::new(ProblemType::Unavailable, "the counters cannot be read in time")
    })
}

/// Sums by outcome.
#[derive(Default)]
struct Sums<'a>(BTreeMap<&'a str, u64>);

impl<'a> Sums<'a> {
    fn add(&mut self, counter: &'a Counter) {
        *self.0.entry(&counter.outcome).or_default() += counter.count;
    }

    fn counts(&self) -> Counts {
        let sum = |outcome| self.0.get(outcome).copied().unwrap_or(0);
        Counts {
            accepted: sum("accepted"),
            duplicate: sum("duplicate"),
            conflict: sum("conflict"),
            rejected: sum("rejected"),
            oversized: sum("oversized"),
            limited: sum("limited"),
            busy: sum("busy"),
            unauthenticated: sum("unauthenticated"),
            forbidden: sum("forbidden"),
        }
    }
}

/// Submissions and refused requests by outcome; all are shown, even at zero.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Counts {
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    rejected: u64,
    oversized: u64,
    limited: u64,
    busy: u64,
    unauthenticated: u64,
    forbidden: u64,
}

/// A page of the counters of the sites that the key covers.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SiteStats<'a> {
    /// Of all these sites, those of other pages among them.
    total: Counts,
    sites: Vec<SiteCounts<'a>>,
    /// The cursor of the next page; null at the end.
    cursor: Option<String>,
    /// Whether there is another page.
    more: bool,
}

/// The counters of a site, of all kinds together and by kind. `*` stands for what a refused request did not tell,
/// and as a site for those that have no counters of their own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct SiteCounts<'a> {
    study_id: &'a str,
    site_id: &'a str,
    #[serde(flatten)]
    all: Counts,
    kinds: BTreeMap<&'a str, Counts>,
}

/// The sums of one site: over all kinds, and for each kind.
#[derive(Default)]
struct Site<'a> {
    all: Sums<'a>,
    kinds: BTreeMap<&'a str, Sums<'a>>,
}

/// The counters of the sites that the key covers, by kind and in total, page by page.
pub(crate) async fn sites(config: &Config, principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    let mut query = Query::read(&incoming.query, &["limit", "cursor"]);
    let limit = query.limit();
    let cursor = query.cursor(Cursor::parse);
    query.finish()?;
    let page = within(config, counters::page(&config.redis, principal.scope(), cursor.as_ref(), limit)).await?;
    let page = page.map_err(|error| unavailable(&error))?;
    let total = Sums(page.sums.iter().map(|(outcome, sum)| (outcome.as_str(), *sum)).collect());
    let mut sites: BTreeMap<(&str, &str), Site<'_>> = BTreeMap::new();
    for counter in &page.counters {
        let site = sites.entry((counter.study.as_str(), counter.site.as_str())).or_default();
        site.all.add(counter);
        site.kinds.entry(&counter.kind).or_default().add(counter);
    }
    let sites = sites.into_iter().map(|((study_id, site_id), Site { all, kinds })| SiteCounts {
        study_id,
        site_id,
        all: all.counts(),
        kinds: kinds.into_iter().map(|(kind, sums)| (kind, sums.counts())).collect(),
    });
    let (sites, cursor) = (sites.collect(), page.next.as_ref().map(Cursor::show));
    Ok(Reply::json(200, &SiteStats { total: total.counts(), sites, more: cursor.is_some(), cursor }))
}

/// The figures that the key may see, as OpenMetrics text.
pub(crate) async fn metrics(config: &Config, principal: &Principal) -> Result<Reply, Problem> {
    let read = within(config, counters::read(&config.redis, principal.scope())).await?;
    let stats = read.map_err(|error| unavailable(&error))?;
    let mut registry = Registry::with_prefix("vigil");
    registry.register_collector(Box::new(Doors(stats.counters)));
    if principal.covers_all() {
        let Stats { due, dead, queues, calls, .. } = stats;
        registry.register_collector(Box::new(Work { due, dead, queues, calls, now_ms: clock::now().millis() }));
        registry.register_collector(Box::new(within(config, Figures::read(config)).await??));
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| {
        log::error("metrics-unwritable").write();
        Problem::new(ProblemType::Unavailable, "the metrics cannot be written")
    })?;
    Ok(Reply::new(200, OPEN_METRICS, text))
}

/// The counters of the doors, in the form that the encoder needs.
#[derive(Debug)]
struct Doors(Vec<Counter>);

impl Collector for Doors {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Submissions by what became of them at the door, and refused requests";
        let mut family = encoder.encode_descriptor("submissions", help, None, kind)?;
        for counter in &self.0 {
            let labels = [
                ("outcome", counter.outcome.as_str()),
                ("study", counter.study.as_str()),
                ("site", counter.site.as_str()),
                ("kind", &counter.kind),
            ];
            ConstCounter::new(counter.count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The work of all studies, in the form that the encoder needs.
#[derive(Debug)]
struct Work {
    due: u64,
    dead: u64,
    queues: Vec<Backlog>,
    calls: Vec<Calls>,
    now_ms: i64,
}

impl Work {
    /// How long the oldest entry of a queue has waited; 0 when the queue is empty.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of an age are far below 2^52")]
    fn age(&self, oldest_ms: Option<i64>) -> f64 {
        oldest_ms.map_or(0.0, |oldest| (self.now_ms - oldest).max(0) as f64 / 1000.0)
    }
}

impl Collector for Work {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Calls to services that Vigil reads from, by how they ended";
        let mut family = encoder.encode_descriptor("service_calls", help, None, kind)?;
        for calls in &self.calls {
            let labels = [("service", calls.service.as_str()), ("outcome", &calls.outcome)];
            ConstCounter::new(calls.count).encode(family.encode_family(&labels)?)?;
        }

        let gauge = ConstGauge::new(0_i64).metric_type();
        let help = "Entries of a queue that are not finished";
        let mut family = encoder.encode_descriptor("queue_entries", help, None, gauge)?;
        for backlog in &self.queues {
            let labels = [("queue", backlog.queue.name())];
            ConstGauge::new(whole(backlog.entries)).encode(family.encode_family(&labels)?)?;
        }
        let unit = prometheus_client::registry::Unit::Seconds;
        let help = "Age of the oldest entry of a queue, 0 when it is empty";
        let mut family = encoder.encode_descriptor("queue_oldest_age", help, Some(&unit), gauge)?;
        for backlog in &self.queues {
            let labels = [("queue", backlog.queue.name())];
            ConstGauge::new(self.age(backlog.oldest_ms)).encode(family.encode_family(&labels)?)?;
        }
        let due = encoder.encode_descriptor("due_entries", "Entries that wait for their time", None, gauge)?;
        ConstGauge::new(whole(self.due)).encode(due)?;
        let dead = encoder.encode_descriptor("dead_letters", "Entries that were given up", None, gauge)?;
        ConstGauge::new(whole(self.dead)).encode(dead)
    }
}

pub(crate) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
