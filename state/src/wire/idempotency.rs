//! The idempotency record of a submission, which the door keeps: one text of words.
//!
//! `<content hash> <study> <site> <received at> <subject> <topic>`. The subject is the first half of its pseudonym; the
//! topic is the instrument or, after a slash, the kind of report. The record of an erased submission has the word
//! `erased` in place of the hash, and nothing after the time.
//!
//! Only this module writes records. The script `enqueue.lua` reads them by `idempotency.lua`; a test compares the two
//! readers.

/// The number of a pseudonym's digits that identify a subject.
const DIGITS: usize = 16;
/// The word in place of the hash of erased content.
const ERASED: &str = "erased";

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord<T = String> {
    /// The study.
    pub study: T,
    /// The site.
    pub site: T,
    /// The time of arrival, RFC 3339 in UTC.
    pub received_at: T,
    /// Its content; none if it was erased.
    pub content: Option<Content<T>>,
}

/// The content that an idempotency record remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content<T = String> {
    /// The keyed hash of the content. A resend has the same hash; other content has another one.
    pub hash: T,
    /// The subject, as [`short`] writes it.
    pub subject: T,
    /// The instrument or the kind of report.
    pub topic: Topic<T>,
}

/// The topic of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic<T = String> {
    /// The instrument of a response.
    Instrument(T),
    /// The kind of a report.
    Kind(T),
}

impl<'a> IdempotencyRecord<&'a str> {
    /// Reads a record.
    pub fn read(record: &'a str) -> Option<Self> {
        let mut words = record.split(' ');
        let mut word = || words.next();
        let (hash, study, site, received_at) = (word()?, word()?, word()?, word()?);
        let content = if hash == ERASED {
            None
        } else {
            let (subject, topic) = (word()?, word()?);
            let topic = topic.strip_prefix('/').map_or(Topic::Instrument(topic), Topic::Kind);
            Some(Content { hash, subject, topic })
        };
        words.next().is_none().then_some(IdempotencyRecord { study, site, received_at, content })
    }

    /// An owned copy.
    pub fn owned(self) -> IdempotencyRecord {
        let own = str::to_owned;
        let content = self.content.map(|Content { hash, subject, topic }| Content {
            hash: own(hash),
            subject: own(subject),
            topic: match topic {
                Topic::Instrument(id) => Topic::Instrument(own(id)),
                Topic::Kind(kind) => Topic::Kind(own(kind)),
            },
        });
        let (study, site, received_at) = (own(self.study), own(self.site), own(self.received_at));
        IdempotencyRecord { study, site, received_at, content }
    }
}

impl<T: AsRef<str>> IdempotencyRecord<T> {
    /// The record as text.
    pub fn line(&self) -> String {
        let IdempotencyRecord { study, site, received_at, content } = self;
        let [study, site, received_at] = [study, site, received_at].map(AsRef::as_ref);
        match content {
            None => [ERASED, " ", study, " ", site, " ", received_at].concat(),
            Some(Content { hash, subject, topic }) => {
                let (slash, topic) = match topic {
                    Topic::Instrument(id) => ("", id.as_ref()),
                    Topic::Kind(kind) => ("/", kind.as_ref()),
                };
                let (hash, subject) = (hash.as_ref(), subject.as_ref());
                [hash, " ", study, " ", site, " ", received_at, " ", subject, " ", slash, topic].concat()
            }
        }
    }
}

/// A subject, as idempotency records name it.
pub fn short(pseudonym: &str) -> &str {
    pseudonym.get(..DIGITS).unwrap_or(pseudonym)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let subject = short("0123456789abcdef0123456789abcdef");
        let mut record = IdempotencyRecord {
            study: "A",
            site: "1",
            received_at: "2026-03-01T08:00:00.000Z",
            content: Some(Content { hash: "00ff", subject, topic: Topic::Kind("lab") }),
        };
        let check = |record: &IdempotencyRecord<&str>, line: &str| {
            assert_eq!(record.line(), line);
            assert_eq!(IdempotencyRecord::read(line).as_ref(), Some(record));
        };
        check(&record, "00ff A 1 2026-03-01T08:00:00.000Z 0123456789abcdef /lab");
        record.content = Some(Content { hash: "00ff", subject, topic: Topic::Instrument("phq-9") });
        check(&record, "00ff A 1 2026-03-01T08:00:00.000Z 0123456789abcdef phq-9");
        record.content = None;
        check(&record, "erased A 1 2026-03-01T08:00:00.000Z");
        for other in ["", "00ff A 1", "00ff A 1 then", "00ff A 1 then who", "erased A 1", "erased A 1 then who"] {
            assert_eq!(IdempotencyRecord::read(other), None, "{other}");
        }
    }
}
