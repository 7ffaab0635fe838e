//! Indexes: sorted sets of ids by time, read page by page.
//!
//! Guarantee: a member that stays in the index while all pages are read is on exactly one of them, even if others are
//! added.
//!
//! Not for: truth. An index is derived from records and can be rebuilt.

use domain::ids::is_name;
use platform::Error;
use platform::redis::{Redis, integer, number, string, text, unexpected};
use spin_sdk::redis::RedisResult;

/// The order of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Up,
    /// The newest first.
    Down,
}

/// The position of a page's end: `<milliseconds>.<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) at: i64,
    pub(crate) id: String,
}

impl Cursor {
    /// Reads what [`Cursor::show`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        is_name(id).then_some(Cursor { at: at.parse().ok()?, id: id.to_owned() })
    }

    /// The cursor as clients see it.
    pub fn show(&self) -> String {
        format!("{}.{}", self.at, self.id)
    }
}

/// A page: ids with their times in milliseconds since the epoch, and the cursor of the next page.
pub type Page = (Vec<(i64, String)>, Option<Cursor>);

/// Reads a page of at most `most` members after the cursor `after`.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn page(
    redis: &Redis,
    index: &str,
    order: Order,
    after: Option<&Cursor>,
    most: usize,
) -> Result<Page, Error> {
    let direction = if order == Order::Up { "up" } else { "down" };
    let (at, id) = after.map_or((String::new(), ""), |after| (after.at.to_string(), after.id.as_str()));
    let members = PagesScript { index, direction, at, id, most }.run(redis).await?;
    let next = members.last().filter(|_| members.len() == most);
    let next = next.map(|(at, id)| Cursor { at: *at, id: id.clone() });
    Ok((members, next))
}

script! {
    PagesScript<'a> = "subjects/pages.lua",
    keys { index: &'a str }
    args { direction: &'static str, at: String, id: &'a str, most: usize }
    reply Vec<(i64, String)>, by |reply| members(&reply)
}

fn members(reply: &[RedisResult]) -> Option<Vec<(i64, String)>> {
    let (pairs, rest) = reply.as_chunks::<2>();
    pairs.iter().map(|[id, at]| Some((integer(at)?, string(id)?))).collect::<Option<_>>().filter(|_| rest.is_empty())
}

/// Adds a member to an index, unless it is there. Returns whether it was added.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn add(redis: &Redis, index: &str, at_ms: i64, member: &str) -> Result<bool, Error> {
    let reply = redis.command("ZADD", vec![text(index), text("NX"), number(at_ms), text(member)]).await?;
    Ok(reply.first().and_then(integer).ok_or_else(|| unexpected("ZADD"))? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_shown() {
        let cursor = Cursor { at: 1_772_352_000_000, id: "6f2c1a52-5a52".to_owned() };
        assert_eq!(Cursor::parse(&cursor.show()), Some(cursor));
        for text in ["", "1", ".a", "x.a", "1.", "1.a b", "1.a/b"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
