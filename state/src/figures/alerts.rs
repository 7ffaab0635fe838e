//! Figures about alerts: their number, their durations, the outcomes of calls, the dead letters.
//!
//! Guarantee: all figures of one reading are of one moment, read by one script.

use std::collections::BTreeMap;

use domain::ids::ReceiverId;
use platform::Error;
use platform::redis::{Redis, integer, string};
use spin_sdk::redis::RedisResult;

use crate::alerts::BUCKETS_MS;
use crate::names;

/// A histogram of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// Counts per bucket: within this bound of [`BUCKETS_MS`] but not within the one before. The last count is beyond
    /// all bounds.
    pub buckets: [u64; BUCKETS_MS.len() + 1],
    /// The sum of all, milliseconds.
    pub sum_ms: u64,
}

/// A reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertStats {
    /// How many alerts there are, by state and severity.
    pub counts: BTreeMap<(String, String), u64>,
    /// Durations, by measured stage and severity.
    pub lags: BTreeMap<(String, String), Lag>,
    /// Calls, by channel and outcome.
    pub attempts: BTreeMap<(String, String), u64>,
    /// The findings of the clock.
    pub watch: BTreeMap<String, u64>,
    /// All dead letters so far.
    pub dead_total: u64,
    /// Receivers that asked to get no more messages.
    pub disabled: Vec<ReceiverId>,
}

script! {
    FiguresScript = "figures/alerts.lua",
    keys { dead: &'static str, hashes: [&'static str; 5] }
    args {}
    reply AlertStats, by |reply| stats(&reply)
}

/// Takes a reading.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn read(redis: &Redis) -> Result<AlertStats, Error> {
    let hashes = [names::ALERT_COUNTS, names::LAG, names::ATTEMPTS, names::WATCH, names::DISABLED];
    FiguresScript { dead: names::DEAD, hashes }.run(redis).await
}

fn stats(reply: &[RedisResult]) -> Option<AlertStats> {
    let mut values = reply.iter();
    let mut stats = AlertStats { dead_total: whole(values.next()?)?, ..AlertStats::default() };
    let mut hashes = Vec::new();
    while let Some(length) = values.next() {
        let length = usize::try_from(whole(length)?).ok()?;
        let pairs: Vec<&RedisResult> = values.by_ref().take(length).collect();
        hashes.push(pairs);
    }
    let [counts, lags, attempts, watch, disabled] = hashes.as_slice() else { return None };
    // Another version may have written fields of other forms. These are skipped.
    for (field, value) in fields(counts) {
        if let (Some((phase, severity)), Some(count)) = (field.split_once('|'), whole(value)) {
            stats.counts.insert((phase.to_owned(), severity.to_owned()), count);
        }
    }
    for (field, value) in fields(lags) {
        let mut parts = field.split('|');
        let (Some(what), Some(severity), Some(bucket)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (lag, value) = (stats.lags.entry((what.to_owned(), severity.to_owned())).or_default(), whole(value)?);
        let place = match bucket {
            "sum" => {
                lag.sum_ms = value;
                continue;
            }
            "inf" => Some(BUCKETS_MS.len()),
            bound => BUCKETS_MS.iter().position(|own| own.to_string() == bound),
        };
        if let Some(bucket) = place.and_then(|place| lag.buckets.get_mut(place)) {
            *bucket = value;
        }
    }
    for (field, value) in fields(attempts) {
        if let (Some((channel, outcome)), Some(count)) = (field.split_once('|'), whole(value)) {
            stats.attempts.insert((channel.to_owned(), outcome.to_owned()), count);
        }
    }
    stats.watch = fields(watch).filter_map(|(field, value)| Some((field, whole(value)?))).collect();
    stats.disabled = fields(disabled).map(|(receiver, _)| receiver.into()).collect();
    Some(stats)
}

fn fields<'a>(pairs: &'a [&'a RedisResult]) -> impl Iterator<Item = (String, &'a RedisResult)> {
    pairs.chunks(2).filter_map(|pair| match pair {
        [field, value] => Some((string(field)?, *value)),
        _ => None,
    })
}

/// A race can make a count negative for a moment: then it reads as 0.
fn whole(value: &RedisResult) -> Option<u64> {
    integer(value).map(|count| u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_a_flat_list() {
        let words = "7 2 open|high 3 4 alert-to-delivered|high|25 2 alert-to-delivered|high|sum 40 \
                     2 webhook|delivered 2 2 overdue 1 2 hook 2026-03-01";
        let reply: Vec<RedisResult> = words.split_whitespace().map(|it| RedisResult::Binary(it.into())).collect();
        let read = stats(&reply).unwrap();
        assert_eq!((read.dead_total, read.watch["overdue"], read.disabled.len()), (7, 1, 1));
        assert_eq!(read.counts[&("open".to_owned(), "high".to_owned())], 3);
        let lag = &read.lags[&("alert-to-delivered".to_owned(), "high".to_owned())];
        assert_eq!((lag.buckets[1], lag.buckets.iter().sum::<u64>(), lag.sum_ms), (2, 2, 40));
        assert_eq!(stats(&reply[..3]), None);
    }
}
