//! Lists of alerts, the newest first, page by page.

use domain::Severity;
use platform::Error;
use platform::redis::{Redis, integer, string, text, unexpected};

use crate::names;
use crate::subjects::pages::Cursor;

/// How many alerts one call examines. A page may be shorter than asked for, or empty, and still not be the last.
const MOST_LOOKS: usize = 5_000;

/// The filter of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those in this state, by its name.
    pub phase: Option<&'static str>,
    /// Those of this severity.
    pub severity: Option<Severity>,
    /// Those of this study.
    pub study: Option<String>,
    /// Those of this site.
    pub site: Option<String>,
    /// Those of submissions that came in then or later, milliseconds since the epoch.
    pub since_ms: Option<i64>,
}

/// An alert as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// When its submission came in, milliseconds since the epoch.
    pub at_ms: i64,
    /// Its severity.
    pub severity: String,
    /// The study.
    pub study: String,
    /// The site.
    pub site: String,
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
    let arguments = vec![
        text(at),
        text(id),
        text(most.to_string()),
        text(filter.since_ms.map_or("-inf".to_owned(), |ms| ms.to_string())),
        text(MOST_LOOKS.to_string()),
        text(filter.severity.map_or("", Severity::as_str)),
        text(filter.study.clone().unwrap_or_default()),
        text(filter.site.clone().unwrap_or_default()),
    ];
    let reply = redis.eval(lua!("alerts/list.lua"), &[&index, names::ALERT_FACTS], arguments).await?;
    let words: Option<Vec<String>> = reply.iter().map(string).collect();
    let [more, at, id, listed @ ..] = words.as_deref().unwrap_or_default() else { return Err(unexpected("list")) };
    let listed: Option<Vec<Listed>> = listed.chunks(3).map(read).collect();
    let listed = listed.ok_or_else(|| unexpected("list"))?;
    let next = at.parse().ok().filter(|_| more == "1").map(|at| Cursor { at, id: id.clone() });
    Ok((listed, next))
}

fn read(words: &[String]) -> Option<Listed> {
    let [id, at, facts] = words else { return None };
    let mut facts = facts.split(' ').map(str::to_owned);
    Some(Listed {
        id: id.clone(),
        at_ms: at.parse().ok()?,
        severity: facts.next()?,
        study: facts.next()?,
        site: facts.next()?,
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
