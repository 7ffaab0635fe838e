//! Lists of alerts, the newest first, page by page.

use domain::Severity;
use domain::ids::{AlertId, SiteId, StudyId};
use platform::Error;
use platform::redis::{Redis, integer, string, text};
use spin_sdk::redis::RedisResult;

use crate::names;
use crate::subjects::pages::Cursor;

/// The number of alerts that one call examines. A page may be shorter than asked for, or empty, and not be the last.
const MOST_LOOKS: usize = 5_000;

/// The filter of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those in this state, by its name.
    pub phase: Option<&'static str>,
    /// Those of this severity.
    pub severity: Option<Severity>,
    /// Those of this study.
    pub study: Option<StudyId>,
    /// Those of this site.
    pub site: Option<SiteId>,
    /// Those of submissions that came in then or later, milliseconds since the epoch.
    pub since_ms: Option<i64>,
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
    /// Its state, by its name.
    pub phase: String,
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
    let index = filter.phase.map_or(names::ALERTS.to_owned(), names::alerts_of);
    let (at, id) = after.map_or((String::new(), ""), |after| (after.at.to_string(), after.id.as_str()));
    let most = most.min(2_000);
    let script = ListScript {
        index,
        facts: names::ALERT_FACTS,
        at,
        id,
        most,
        since: filter.since_ms.map_or("-inf".to_owned(), |ms| ms.to_string()),
        most_looks: MOST_LOOKS,
        severity: filter.severity.map_or("", Severity::as_str),
        study: filter.study.as_ref().map_or("", StudyId::as_str),
        site: filter.site.as_ref().map_or("", SiteId::as_str),
    };
    script.run(redis).await
}

script! {
    ListScript<'a> = "alerts/list.lua",
    keys { index: String, facts: &'static str }
    args {
        at: String,
        id: &'a str,
        most: usize,
        since: String,
        most_looks: usize,
        severity: &'static str,
        study: &'a str,
        site: &'a str,
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
    let mut facts = facts.split(' ').map(str::to_owned);
    Some(Listed {
        id: id.as_str().into(),
        at_ms: at.parse().ok()?,
        severity: facts.next()?,
        study: facts.next()?.into(),
        site: facts.next()?.into(),
        phase: facts.next()?,
    })
}

/// Counts alerts: phase, severity, count.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn counts(redis: &Redis) -> Result<Vec<(String, String, i64)>, Error> {
    let reply = redis.command("HGETALL", vec![text(names::ALERT_COUNTS)]).await?;
    let count = |pair: &[spin_sdk::redis::RedisResult]| {
        let field = string(pair.first()?)?;
        let (phase, severity) = field.split_once('|')?;
        Some((phase.to_owned(), severity.to_owned(), integer(pair.get(1)?)?))
    };
    Ok(reply.chunks(2).filter_map(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_listed_with_its_facts() {
        let words = ["a-1", "1772352000000", "high A 01 delivered"].map(str::to_owned);
        let listed = read(&words).unwrap();
        assert_eq!((listed.at_ms, listed.site.as_str(), listed.phase.as_str()), (1_772_352_000_000, "01", "delivered"));
        assert_eq!(read(&words[..2]), None);
        assert_eq!(read(&["a", "x", "high A 01 open"].map(str::to_owned)), None);
    }
}
