//! The figures of alerts in `/metrics`.

use std::collections::HashMap;
use std::fmt;

use domain::alert::breaker::Position;
use domain::alert::silence::Silence;
use domain::alert::state::Phase;
use domain::ids::{ReceiverId, SubscriptionId};
use domain::self_check::Seen;
use domain::subscriptions::Subscriptions;
use platform::{Error, clock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use state::alerts::BUCKETS_MS;
use state::alerts::receivers;
use state::alerts::silences;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use state::events;
use state::figures::alerts::{self, AlertStats};
use state::health::self_check;
use state::settings::Settings;

use crate::config::Config;
use crate::stats::whole;

const SEVERITIES: [&str; 4] = ["critical", "high", "moderate", "info"];
const POSITIONS: [Position; 3] = [Position::Closed, Position::Open, Position::HalfOpen];
/// The measured durations, each with the metric's name and help.
const LAGS: [(&str, &str, &str); 3] = [
    ("report-to-alert", "report_to_alert", "From a submission's receipt to its alert"),
    ("alert-to-delivered", "alert_to_delivered", "From an alert to the first receiver that took it"),
    ("delivered-to-acknowledged", "delivered_to_acknowledged", "From the first receiver to somebody's acknowledgement"),
];

/// The figures of the self-check, with their help.
const SELF_CHECK: [(&str, &str); 2] = [
    ("self_check_age", "Since an alert that Vigil sent to itself came through the whole path"),
    ("self_check_round_trip", "How long that alert was on its way"),
];

/// One reading of the figures.
#[derive(Debug)]
pub(crate) struct Figures {
    stats: AlertStats,
    /// The receivers in force, with their circuit breakers.
    breakers: Vec<(ReceiverId, Position)>,
    /// The messages of subscriptions that wait to be sent.
    waiting: Vec<(SubscriptionId, u64)>,
    silences: u64,
    /// The time since the last completed self-check, and how long that one took, milliseconds.
    self_check: [Option<u64>; 2],
}

impl Figures {
    pub(crate) async fn read(config: &Config) -> Result<Self, Problem> {
        let now = clock::now();
        let (stats, (breakers, waiting)) = known(config).await.map_err(|error| unavailable(&error))?;
        let (all, _) = silences::read(&config.redis).await.map_err(|error| unavailable(&error))?;
        let active = |silence: &Silence| silences::state(silence, now) == "active";
        let silences = all.iter().filter(|silence| Silence::read(silence).is_ok_and(|it| active(&it))).count();
        let seen = match config.self_check.is_zero() {
            true => Seen::default(),
            false => self_check::read(&config.redis).await.map_err(|error| unavailable(&error))?,
        };
        let self_check = [seen.age_ms(now), seen.took_ms()];
        Ok(Figures { stats, breakers, waiting, silences: silences as u64, self_check })
    }

    fn watched(&self, what: &str) -> u64 {
        self.stats.watch.get(what).copied().unwrap_or(0)
    }
}

/// The breakers of receivers, and the messages of subscriptions that wait.
type Told = (Vec<(ReceiverId, Position)>, Vec<(SubscriptionId, u64)>);

async fn known(config: &Config) -> Result<(AlertStats, Told), Error> {
    let redis = &config.redis;
    let (stats, routes) = (alerts::read(redis).await?, config.routes().await?);
    let settings = Settings::in_force(redis).await?;
    let subscriptions = settings.document::<Subscriptions>(redis).await?.unwrap_or_default();
    let mut breakers = Vec::new();
    for receiver in routes.receivers().chain(subscriptions.receivers()) {
        let gauge = receivers::gauge(redis, &receiver.id).await?;
        breakers.push((receiver.id.clone(), gauge.position(clock::now())));
    }
    let progress = events::progress(redis, &subscriptions, settings.revision()).await?;
    let ids = subscriptions.all().iter().map(|subscription| subscription.id.clone());
    Ok((stats, (breakers, ids.zip(progress.into_iter().map(|it| it.waiting)).collect())))
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let mut family = encoder.encode_descriptor("alerts", "Alerts by state and severity", None, gauge)?;
        for state in Phase::WORDS {
            for severity in SEVERITIES {
                let count = self.stats.counts.get(&(state.to_owned(), severity.to_owned())).copied().unwrap_or(0);
                let labels = [("state", state), ("severity", severity)];
                ConstGauge::new(whole(count)).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Calls to receivers, by channel and outcome";
        let mut family = encoder.encode_descriptor("delivery_attempts", help, None, counter)?;
        for ((channel, outcome), count) in &self.stats.attempts {
            let labels = [("channel", channel.as_str()), ("outcome", outcome)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        for (what, name, help) in LAGS {
            let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
            for severity in SEVERITIES {
                let lag = self.stats.lags.get(&(what.to_owned(), severity.to_owned())).cloned().unwrap_or_default();
                let bounds = BUCKETS_MS.iter().map(|ms| seconds(*ms)).chain([f64::MAX]);
                let buckets: Vec<(f64, u64)> = bounds.zip(lag.buckets).collect();
                let count = lag.buckets.iter().sum();
                let no_exemplars: Option<&HashMap<usize, _>> = None;
                family.encode_family(&[("severity", severity)])?.encode_histogram::<[(&str, &str); 1]>(
                    seconds(lag.sum_ms),
                    count,
                    &buckets,
                    no_exemplars,
                )?;
            }
        }
        let help = "The breaker of a receiver: 1 for the state it is in";
        let mut family = encoder.encode_descriptor("receiver_breaker", help, None, gauge)?;
        for (receiver, is) in &self.breakers {
            for position in POSITIONS {
                let labels = [("receiver", receiver.as_str()), ("state", position.as_str())];
                ConstGauge::new(i64::from(*is == position)).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Messages of a subscription that wait to be sent";
        let mut family = encoder.encode_descriptor("events_waiting", help, None, gauge)?;
        for (subscription, count) in &self.waiting {
            ConstGauge::new(whole(*count)).encode(family.encode_family(&[("subscription", subscription.as_str())])?)?;
        }
        for ((name, help), ms) in SELF_CHECK.into_iter().zip(self.self_check) {
            if let Some(ms) = ms {
                let family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), gauge)?;
                ConstGauge::new(seconds(ms)).encode(family)?;
            }
        }
        let mut one = |name: &str, help: &str, count: u64| {
            ConstGauge::new(whole(count)).encode(encoder.encode_descriptor(name, help, None, gauge)?)
        };
        one("receivers_disabled", "Receivers that want no message any more", self.stats.disabled.len() as u64)?;
        one("silences_active", "Silences that last", self.silences)?;
        let mut total = |name: &str, help: &str, count: u64| {
            ConstCounter::new(count).encode(encoder.encode_descriptor(name, help, None, counter)?)
        };
        total("alerts_overdue", "How often an alert should have moved and did not", self.watched("overdue"))?;
        total("dead_letters_ever", "Entries that were ever given up", self.stats.dead_total)?;
        total("dead_letters_trimmed", "Dead letters that were too many or too old", self.watched("dead-trimmed"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a lag are far below 2^52")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
