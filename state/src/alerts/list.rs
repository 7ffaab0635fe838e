//! Lists of alerts, page by page: the newest first, or those that wait for a person or are acknowledged, the most urgent
//! first. Their counts, and the revision by which a client knows that nothing changed.
//!
//! Guarantee: counts, revision and the list of urgent alerts are exact for each study, site, and both, because the script
//! that changes an alert changes them too. A revision that was once given never stands for other contents.

use domain::Severity;
use domain::ids::{AlertId, SiteId, StudyId};
use platform::Error;
use platform::percent;
use platform::redis::{Redis, integer, string, text};
use spin_sdk::redis::RedisResult;

use crate::names::{self, AlertScope};
use crate::subjects::pages::Cursor;

/// The number of alerts that one call examines. A page may be shorter than asked for, or empty, and not be the last.
const MOST_LOOKS: usize = 5_000;
/// The width of a severity in the scores of a list of urgent alerts: their ranks are multiples of it, see `step.lua`.
const SPAN: i64 = 10_000_000_000_000;
/// The first rank of the acknowledged alerts there: they come after the four severities of the others.
const ACKNOWLEDGED: i64 = 4;

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// All alerts, the newest first.
    #[default]
    Newest,
    /// By severity, then the oldest first: those that nobody has acknowledged, or, if the filter asks for them, those that
    /// are acknowledged.
    Urgency,
}

/// The filter of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The order.
    pub order: Order,
    /// Those in this state, by its name.
    pub phase: Option<&'static str>,
    /// Those of this severity.
    pub severity: Option<Severity>,
    /// Those of this study.
    pub study: Option<StudyId>,
    /// Those of this site.
    pub site: Option<SiteId>,
    /// Those assigned to this person or team.
    pub assignee: Option<String>,
    /// Those of submissions that came in then or later, milliseconds since the epoch.
    pub since_ms: Option<i64>,
}

impl Filter {
    /// The study and site that it is about.
    pub fn scope(&self) -> AlertScope<'_> {
        AlertScope { study: self.study.as_ref(), site: self.site.as_ref() }
    }

    /// The command that reads the index in this order, the index, and the scores where it begins and ends.
    fn range(&self) -> (&'static str, String, [String; 2]) {
        match self.order {
            Order::Newest => {
                let index = self.phase.map_or(names::ALERTS.to_owned(), names::alerts_of);
                let to = self.since_ms.map_or("-inf".to_owned(), |ms| ms.to_string());
                ("ZREVRANGEBYSCORE", index, ["+inf".to_owned(), to])
            }
            Order::Urgency => {
                let rank = |severity: Severity| Severity::ALL.iter().rev().position(|own| *own == severity);
                let rank = self.severity.and_then(rank).and_then(|rank| i64::try_from(rank).ok());
                let first = if self.phase == Some("acknowledged") { ACKNOWLEDGED } else { 0 };
                let (from, to) = rank.map_or((first, first + 4), |rank| (first + rank, first + rank + 1));
                let bounds = [(from * SPAN).to_string(), format!("({}", to * SPAN)];
                ("ZRANGEBYSCORE", names::urgent_alerts(self.scope()), bounds)
            }
        }
    }
}

/// An alert as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: AlertId,
    /// The arrival of its submission, milliseconds since the epoch.
    pub at_ms: i64,
    /// Its severity.
    pub severity: String,
    /// The study.
    pub study: StudyId,
    /// The site.
    pub site: SiteId,
    /// The person or team that looks after it.
    pub assignee: Option<String>,
    /// Its state, by its name.
    pub phase: String,
}

/// The word for an assignee in an alert's facts: one that has no blank.
pub(super) fn assignee(name: Option<&str>) -> String {
    name.map_or("-".to_owned(), |name| ["@", &percent::encode(name)].concat())
}

/// Reads a page of at most `most` alerts after the cursor `after`, with the cursor of the next page.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn list(
    redis: &Redis,
    filter: &Filter,
    after: Option<&Cursor>,
    most: usize,
) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
    let (command, index, bounds) = filter.range();
    let (score, id) = after.map_or((String::new(), ""), |after| (after.at.to_string(), after.id.as_str()));
    let script = ListScript {
        index,
        facts: names::ALERT_FACTS,
        command,
        bounds,
        score,
        id,
        most: most.min(2_000),
        most_looks: MOST_LOOKS,
        since: filter.since_ms.map_or(String::new(), |ms| ms.to_string()),
        severity: filter.severity.map_or("", Severity::as_str),
        study: filter.study.as_ref().map_or("", StudyId::as_str),
        site: filter.site.as_ref().map_or("", SiteId::as_str),
        assignee: filter.assignee.as_deref().map_or(String::new(), |name| assignee(Some(name))),
        phase: filter.phase.unwrap_or_default(),
    };
    script.run(redis).await
}

script! {
    ListScript<'a> = "alerts/list.lua",
    keys { index: String, facts: &'static str }
    args {
        command: &'static str,
        bounds: [String; 2],
        score: String,
        id: &'a str,
        most: usize,
        most_looks: usize,
        since: String,
        severity: &'static str,
        study: &'a str,
        site: &'a str,
        assignee: String,
        phase: &'static str,
    }
    reply (Vec<Listed>, Option<Cursor>), by |reply| page(&reply)
}

fn page(reply: &[RedisResult]) -> Option<(Vec<Listed>, Option<Cursor>)> {
    let words: Vec<String> = reply.iter().map(string).collect::<Option<_>>()?;
    let [more, at, id, listed @ ..] = words.as_slice() else { return None };
    let listed: Vec<Listed> = listed.chunks(3).map(read).collect::<Option<_>>()?;
    let next = at.parse().ok().filter(|_| more == "1").map(|at| Cursor { at, id: id.clone() });
    Some((listed, next))
}

fn read(words: &[String]) -> Option<Listed> {
    let [id, at, facts] = words else { return None };
    let mut facts = facts.split(' ');
    let mut fact = || facts.next().map(str::to_owned);
    Some(Listed {
        id: id.as_str().into(),
        at_ms: at.parse().ok()?,
        severity: fact()?,
        study: fact()?.into(),
        site: fact()?.into(),
        assignee: fact()?.strip_prefix('@').and_then(percent::decode),
        phase: fact()?,
    })
}

/// Finds severity, study and site of alerts, in their order; none for an alert that no list has.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn places(redis: &Redis, ids: &[AlertId]) -> Result<Vec<Option<(Severity, StudyId, SiteId)>>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let words = [text(names::ALERT_FACTS)].into_iter().chain(ids.iter().map(|id| text(id.as_str()))).collect();
    let reply = redis.command("HMGET", words).await?;
    let place = |facts: &RedisResult| {
        let facts = string(facts)?;
        let mut facts = facts.split(' ');
        Some((Severity::parse(facts.next()?)?, facts.next()?.into(), facts.next()?.into()))
    };
    Ok(reply.iter().map(place).collect())
}

/// Counts the alerts of a scope: phase, severity, count.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn counts(redis: &Redis, scope: AlertScope<'_>) -> Result<Vec<(String, String, u64)>, Error> {
    let reply = redis.command("HGETALL", vec![text(names::alert_counts(scope))]).await?;
    let count = |pair: &[RedisResult]| {
        let field = string(pair.first()?)?;
        let (phase, severity) = field.split_once('|')?;
        let count = integer(pair.get(1)?).and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0)?;
        Some((phase.to_owned(), severity.to_owned(), count))
    };
    Ok(reply.chunks(2).filter_map(count).collect())
}

/// The revision of a scope: another one after every change of one of its alerts.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn revision(redis: &Redis, scope: AlertScope<'_>) -> Result<String, Error> {
    let reply = redis.command("HGET", vec![text(names::ALERT_REVISIONS), text(scope.to_string())]).await?;
    Ok(reply.first().and_then(string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_listed_with_its_facts() {
        let team = assignee(Some("Dr. Weber / 夜班"));
        let words = ["a-1".to_owned(), "1772352000000".to_owned(), format!("high A 01 {team} delivered")];
        let listed = read(&words).unwrap();
        assert_eq!((listed.at_ms, listed.site.as_str(), listed.phase.as_str()), (1_772_352_000_000, "01", "delivered"));
        assert_eq!(listed.assignee.as_deref(), Some("Dr. Weber / 夜班"));
        assert_eq!(read(&["a", "1", "high A 01 - open"].map(str::to_owned)).unwrap().assignee, None);
        assert_eq!(read(&words[..2]), None);
        assert_eq!(read(&["a", "x", "high A 01 - open"].map(str::to_owned)), None);
    }

    #[test]
    fn urgent_alerts_of_a_severity_are_a_range_of_scores() {
        let of = |severity| Filter { order: Order::Urgency, severity, ..Filter::default() }.range().2;
        assert_eq!(of(Some(Severity::Critical)), ["0", "(10000000000000"]);
        assert_eq!(of(Some(Severity::Info)), ["30000000000000", "(40000000000000"]);
        assert_eq!(of(None), ["0", "(40000000000000"]);
        let taken = |severity| {
            Filter { order: Order::Urgency, severity, phase: Some("acknowledged"), ..Filter::default() }.range().2
        };
        assert_eq!(taken(Some(Severity::High)), ["50000000000000", "(60000000000000"]);
        assert_eq!(taken(None), ["40000000000000", "(80000000000000"]);
    }
}
