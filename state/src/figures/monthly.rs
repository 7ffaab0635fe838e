//! Counters of a study's month, updated as submissions are finished.
//!
//! Guarantee: a submission is counted once, by the script that finishes it. Erasing it does not change the counters:
//! they are figures, and name nobody.

use domain::ids::{SiteId, StudyId};
use std::collections::BTreeMap;

use platform::Error;
use platform::redis::{Redis, integer, string, text, unexpected, whole};

use crate::names;

/// The counters of a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Month {
    /// Submissions by day of the month and site.
    pub submissions: BTreeMap<(u8, String), u64>,
    /// Alerts by severity.
    pub alerts: BTreeMap<String, u64>,
}

/// The counter of a submission with this time of receipt, RFC 3339 in UTC: its month and its field.
pub fn submission<'a>(received_at: &'a str, site: &SiteId) -> Option<(&'a str, String)> {
    Some((received_at.get(..7)?, ["day|", received_at.get(8..10)?, "|", site.as_str()].concat()))
}

/// The counter of an alert.
pub fn alert(severity: &str) -> String {
    ["alert|", severity].concat()
}

/// The counters of a month, given as `2026-03`.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn read(redis: &Redis, study: &StudyId, month: &str) -> Result<Month, Error> {
    let reply = redis.command("HGETALL", vec![text(names::month(study, month))]).await?;
    let mut read = Month::default();
    let (pairs, rest) = reply.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(unexpected("HGETALL"));
    }
    for [field, count] in pairs {
        let (Some(field), Some(count)) = (string(field), integer(count)) else { continue };
        let count = u64::try_from(count).unwrap_or(0);
        let mut parts = field.split('|');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("day"), Some(day), Some(site)) => {
                let Ok(day) = day.parse() else { continue };
                read.submissions.insert((day, site.to_owned()), count);
            }
            (Some("alert"), Some(severity), None) => drop(read.alerts.insert(severity.to_owned(), count)),
            // Another version may have written fields of other forms. These are skipped.
            _ => {}
        }
    }
    Ok(read)
}

script! {
    RaiseScript<'a> = after flows "figures/raise.lua",
    keys { month: String }
    args { counters: &'a BTreeMap<String, u64> }
    reply u64, by whole
}

/// Raises the counters of a month, given as `2026-03`, that are lower than these. Never lowers a counter. Returns how
/// many were raised.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn raise(
    redis: &Redis,
    study: &StudyId,
    month: &str,
    counters: &BTreeMap<String, u64>,
) -> Result<u64, Error> {
    RaiseScript { month: names::month(study, month), counters }.run(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_counts_for_the_day_it_came_in() {
        assert_eq!(submission("2026-03-01T08:00:00.000Z", &"S1".into()), Some(("2026-03", "day|01|S1".to_owned())));
        assert_eq!(submission("2026", &"S1".into()), None);
    }
}
