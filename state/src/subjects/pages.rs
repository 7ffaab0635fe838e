//! Indexes: sorted sets of ids by time.
//!
//! Not for: truth. An index is derived from records and can be rebuilt.

use domain::ids::is_name;
use platform::Error;
use platform::redis::{Redis, integer, number, text, unexpected};

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
