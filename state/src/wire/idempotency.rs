//! The idempotency record of a submission, which the door keeps: one text of words.
//!
//! `<content hash> <study> <site> <received at> <subject> <what>`. The subject is the first half of its pseudonym;
//! `what` is the instrument or, after a slash, the kind of report. An erased submission keeps only the word `erased`
//! and the three words after it.
//!
//! The scripts `enqueue.lua` and `erasure.lua` read and write the same words.

/// How many digits of a pseudonym identify a subject.
const DIGITS: usize = 16;

/// The contents of an idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The study.
    pub study: String,
    /// The site.
    pub site: String,
    /// When it came in, RFC 3339 in UTC.
    pub received_at: String,
    /// Its content was erased.
    pub erased: bool,
}

impl IdempotencyRecord {
    /// Reads an idempotency record.
    pub fn read(mark: &str) -> Option<Self> {
        let (hash, facts) = mark.split_once(' ')?;
        let mut words = facts.split(' ').map(str::to_owned);
        let (study, site, received_at) = (words.next()?, words.next()?, words.next()?);
        Some(IdempotencyRecord { study, site, received_at, erased: hash == "erased" })
    }
}

/// Writes an idempotency record.
pub fn write(
    hash: &str,
    place: [&str; 2],
    received_at: &str,
    subject: &str,
    kind: &str,
    instrument: Option<&str>,
) -> String {
    let [study, site] = place;
    let (slash, what) = instrument.map_or(("/", kind), |instrument| ("", instrument));
    [hash, " ", study, " ", site, " ", received_at, " ", short(subject), " ", slash, what].concat()
}

/// A subject, as idempotency records name it.
pub fn short(pseudonym: &str) -> &str {
    pseudonym.get(..DIGITS).unwrap_or(pseudonym)
}

/// The time of receipt, from the words after the hash.
pub fn received_at(facts: &str) -> &str {
    facts.split(' ').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark =
            write("00ff", ["A", "1"], "2026-03-01T08:00:00.000Z", "0123456789abcdef0123456789abcdef", "lab", None);
        assert_eq!(mark, "00ff A 1 2026-03-01T08:00:00.000Z 0123456789abcdef /lab");
        let read = IdempotencyRecord::read(&mark).unwrap();
        assert_eq!((&*read.study, &*read.site, read.erased), ("A", "1", false));
        assert_eq!((&*read.received_at, received_at("A 1 then who what")), ("2026-03-01T08:00:00.000Z", "then"));
        assert!(write("00ff", ["A", "1"], "", "x", "response", Some("phq-9")).ends_with(" x phq-9"));
        assert!(
            IdempotencyRecord::read("erased A 1 then").unwrap().erased && IdempotencyRecord::read("00ff A 1").is_none()
        );
    }
}
