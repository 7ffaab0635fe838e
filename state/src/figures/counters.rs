//! Counters of the doors, and lengths of the queues.
//!
//! Guarantee: all figures of one reading are of one moment, read by one script. A reading is bounded, whatever is in
//! Redis: of sites page by page, of all counters by sums. `queue/count.lua` bounds the counters themselves.

use std::collections::BTreeMap;

use domain::ids::{SiteId, StudyId, is_name};
use platform::Error;
use platform::redis::{Redis, integer, string};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};

/// The most counters of a reading of all.
const MOST_COUNTERS: u32 = 10_000;

/// One counter. `*` stands for an unknown part, and for parts that are added up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    /// The study.
    pub study: StudyId,
    /// The site.
    pub site: SiteId,
    /// `response`, or the kind of report.
    pub kind: String,
    /// The counted outcome: `accepted`, `duplicate`, `conflict`, `rejected`, `oversized`, `limited`, `busy`,
    /// `unauthenticated`, `forbidden`.
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// How many calls to one of the users' services ended with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calls {
    /// The service, by its name in the configuration.
    pub service: String,
    /// `ok`, `refused`, `timed-out`, `cancelled`, `unreachable`, `unreadable`.
    pub outcome: String,
    /// How often.
    pub count: u64,
}

/// A queue at the moment of the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Which queue.
    pub queue: Queue,
    /// Submissions, alerts or analyses that are not finished.
    pub entries: u64,
    /// When the oldest of them came in, milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
}

/// A reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Entries that wait for a due time.
    pub due: u64,
    /// Dead letters.
    pub dead: u64,
    /// All queues.
    pub queues: Vec<Backlog>,
    /// All counters, sorted by study, site, kind and outcome.
    pub counters: Vec<Counter>,
    /// Calls to services, sorted by service and outcome.
    pub calls: Vec<Calls>,
}

script! {
    StatsScript<'a> = "queue/stats.lua",
    keys {
        stats: &'static str,
        due: &'static str,
        dead: &'static str,
        more: &'static str,
        streams: [&'static str; Queue::ALL.len()],
    }
    args { scope: (&'a str, &'a str), most: u32 }
    reply Stats, by |reply| stats(&reply)
}

/// Takes a reading. The counters are those of a study and a site, `*` for all; the calls, those of all.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn read(redis: &Redis, scope: (&str, &str)) -> Result<Stats, Error> {
    let (stats, due, dead, more) = (names::STATS, names::DUE, names::DEAD, names::MORE);
    let streams = Queue::ALL.map(Queue::stream);
    StatsScript { stats, due, dead, more, streams, scope, most: MOST_COUNTERS }.run(redis).await
}

/// The end of a page of sites: `<study>~<site>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    study: String,
    site: String,
}

impl Cursor {
    /// Reads what [`Cursor::show`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        let (study, site) = text.split_once('~')?;
        let known = |part: &str| part == "*" || is_name(part);
        (known(study) && known(site)).then(|| Cursor { study: study.to_owned(), site: site.to_owned() })
    }

    /// The cursor as clients see it.
    pub fn show(&self) -> String {
        [&*self.study, "~", &*self.site].concat()
    }
}

/// The counters of a page of sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites {
    /// The sums of all sites, those of other pages among them, by outcome.
    pub sums: BTreeMap<String, u64>,
    /// The counters of the page, sorted by study, site, kind and outcome.
    pub counters: Vec<Counter>,
    /// The cursor of the next page.
    pub next: Option<Cursor>,
}

script! {
    SitesScript<'a> = "figures/sites.lua",
    keys { stats: &'static str }
    args { scope: (&'a str, &'a str), after: String, most: usize }
    reply Sites, by |reply| sites(&reply)
}

/// Reads a page of at most `most` sites after the cursor `after`, of a study and a site, `*` for all.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn page(redis: &Redis, scope: (&str, &str), after: Option<&Cursor>, most: usize) -> Result<Sites, Error> {
    let after = after.map_or_else(String::new, |after| [&*after.study, " ", &*after.site].concat());
    SitesScript { stats: names::STATS, scope, after, most }.run(redis).await
}

fn sites(reply: &[RedisResult]) -> Option<Sites> {
    let (last, rest) = reply.split_first()?;
    let (sums, rest) = rest.split_first()?;
    let (sums, fields) = rest.split_at_checked(2 * usize::try_from(integer(sums)?).ok()?)?;
    let next = string(last)?;
    let next = next.split_once(' ').map(|(study, site)| Cursor { study: study.to_owned(), site: site.to_owned() });
    let mut counters: Vec<Counter> =
        pairs(fields)?.into_iter().filter_map(|(field, count)| counter(&field, count)).collect();
    counters.sort();
    Some(Sites { sums: pairs(sums)?.into_iter().collect(), counters, next })
}

fn pairs(reply: &[RedisResult]) -> Option<Vec<(String, u64)>> {
    let (pairs, rest) = reply.as_chunks::<2>();
    let pair = |[field, count]: &[RedisResult; 2]| Some((string(field)?, u64::try_from(integer(count)?).ok()?));
    pairs.iter().map(pair).collect::<Option<_>>().filter(|_| rest.is_empty())
}

fn stats(reply: &[RedisResult]) -> Option<Stats> {
    let mut values = reply.iter();
    let number = |values: &mut std::slice::Iter<'_, RedisResult>| u64::try_from(integer(values.next()?)?).ok();
    let (due, dead) = (number(&mut values)?, number(&mut values)?);
    let mut queues = Vec::with_capacity(Queue::ALL.len());
    for queue in Queue::ALL {
        let entries = number(&mut values)?;
        let oldest = string(values.next()?)?;
        let oldest_ms = oldest.split('-').next().and_then(|millis| millis.parse().ok());
        queues.push(Backlog { queue, entries, oldest_ms });
    }
    let (mut counters, mut calls) = (Vec::with_capacity(values.len() / 2), Vec::new());
    while let Some(field) = values.next() {
        let (field, count) = (string(field)?, number(&mut values)?);
        // Another version may have written fields of other forms. These are skipped.
        counters.extend(counter(&field, count));
        calls.extend(called(&field, count));
    }
    counters.sort();
    calls.sort();
    Some(Stats { due, dead, queues, counters, calls })
}

fn called(field: &str, count: u64) -> Option<Calls> {
    let (service, outcome) = field.strip_prefix("call|")?.split_once('|')?;
    let own = str::to_owned;
    (!outcome.contains('|')).then(|| Calls { service: own(service), outcome: own(outcome), count })
}

fn counter(field: &str, count: u64) -> Option<Counter> {
    let mut parts = field.split('|').map(str::to_owned);
    let (outcome, study, site, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(Counter { outcome, study: study.into(), site: site.into(), kind, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(text: &str) -> RedisResult {
        RedisResult::Binary(text.into())
    }

    #[test]
    fn a_reading_is_a_flat_list() {
        let number = RedisResult::Int64;
        // Due entries, dead letters, two values for each queue, then the counters.
        let reply = [
            number(3),
            number(1),
            number(2),
            binary("1700000000000-0"),
            number(0),
            binary(""),
            number(0),
            binary(""),
            number(0),
            binary(""),
            binary("rejected|*|*|lab"),
            binary("7"),
            binary("accepted|A|1|response"),
            binary("5"),
            binary("accepted|A|1"),
            binary("9"),
            binary("call|orders|timed-out"),
            binary("2"),
        ];
        let read = stats(&reply).unwrap();
        assert_eq!((read.due, read.dead), (3, 1));
        assert_eq!(read.queues[0].oldest_ms, Some(1_700_000_000_000));
        assert_eq!((read.queues[1].entries, read.queues[1].oldest_ms), (0, None));
        let calls: Vec<(&str, &str, u64)> =
            read.calls.iter().map(|c| (c.service.as_str(), c.outcome.as_str(), c.count)).collect();
        let read: Vec<(&str, u64)> = read.counters.iter().map(|c| (c.outcome.as_str(), c.count)).collect();
        assert_eq!(read, [("rejected", 7), ("accepted", 5)]);
        assert_eq!(calls, [("orders", "timed-out", 2)]);
        assert_eq!(stats(&reply[..3]), None);
        assert_eq!(stats(&reply[..11]), None);
    }

    #[test]
    fn a_page_of_sites_has_the_sums_of_all() {
        let reply: Vec<RedisResult> = "A|1 2 accepted 9 busy 1 accepted|A|1|lab 2".split(' ').map(binary).collect();
        let mut reply = reply;
        reply[0] = binary("A 1");
        let page = sites(&reply).unwrap();
        assert_eq!((page.sums["accepted"], page.sums["busy"], page.counters.len()), (9, 1, 1));
        let cursor = page.next.unwrap();
        assert_eq!((cursor.show(), Cursor::parse(&cursor.show())), ("A~1".to_owned(), Some(cursor)));
        for text in ["", "A", "A~", "~1", "A 1~2", "A~1~2", "A|1"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
        reply[0] = binary("");
        assert_eq!(sites(&reply).unwrap().next, None);
        assert_eq!((sites(&reply[..5]), sites(&reply[..7])), (None, None));
    }
}
