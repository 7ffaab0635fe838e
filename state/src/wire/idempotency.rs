//! The idempotency records of submissions, which the door keeps.
//!
//! Guarantee: a record stays for `once_days` after its submission came in, and longer while older submissions wait; that
//! of an erased submission stays for ever.
//!
//! Mechanism: the records lie in 4,096 hashes by three digits of the submission's id ([`names::once`]), which are those of its
//! site: the records of a batch lie in few hashes, and one command looks for all of a hash. A record takes about 100 bytes;
//! Redis keeps a hash of up to 128 as one block, where it takes about 56. An id is the time of arrival, 6 bytes, and 10
//! bytes that are the same for every resend (`identity.rs`); these are the field. The value is the content hash (16 bytes;
//! zeros once it is erased), the time of arrival in milliseconds (6), the subject (8), and the number of its scope. A scope
//! is `<study> <site> <topic>`, where the topic is the instrument or, after a slash, the kind of report;
//! [`names::SCOPES`] numbers them. Only this module writes records, and the scripts add the number. The clock looks through
//! some of them in each tick and removes what is old.

use std::time::Duration;

use domain::Timestamp;
use domain::ids::SubmissionId;
use platform::Error;
use platform::digest::digest;
use platform::redis::{Composed, Redis, whole};
use spin_sdk::redis::RedisResult;

use crate::names::{self, Queue};

const HASH: usize = 16;
const TIME: usize = 6;
const SUBJECT: usize = 8;
/// In place of the hash of erased content.
const ERASED: [u8; HASH] = [0; HASH];

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord<T = String> {
    /// The study.
    pub study: T,
    /// The site.
    pub site: T,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// Its content; none if it was erased.
    pub content: Option<Content<T>>,
}

/// The content that an idempotency record remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content<T = String> {
    /// The keyed hash of the content, hex; the first 32 digits count. A resend has the same hash; other content has
    /// another one.
    pub hash: T,
    /// The subject's pseudonym; the first 16 digits count.
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

impl<T: AsRef<str>> IdempotencyRecord<T> {
    /// The record as scripts take it after its field: the value without the number, then the scope.
    pub fn bytes(&self) -> Vec<u8> {
        let (study, site) = (self.study.as_ref(), self.site.as_ref());
        let (hash, subject, slash, topic) = match &self.content {
            None => (ERASED, [0; SUBJECT], "", ""),
            Some(Content { hash, subject, topic }) => {
                let (slash, topic) = match topic {
                    Topic::Instrument(id) => ("", id.as_ref()),
                    Topic::Kind(kind) => ("/", kind.as_ref()),
                };
                (raw(hash.as_ref()), subject_bytes(subject.as_ref()), slash, topic)
            }
        };
        let time = u64::try_from(self.received_at.millis()).unwrap_or_default().to_be_bytes();
        let [_, _, time @ ..] = time;
        let scope = [study, " ", site, " ", slash, topic];
        let mut bytes = Vec::with_capacity(HASH + TIME + SUBJECT + scope.iter().map(|it| it.len()).sum::<usize>());
        bytes.extend(hash);
        bytes.extend(time);
        bytes.extend(subject);
        scope.iter().for_each(|part| bytes.extend(part.as_bytes()));
        bytes
    }
}

/// A subject, as idempotency records name it.
pub fn subject_bytes(pseudonym: &str) -> [u8; SUBJECT] {
    raw(pseudonym)
}

/// A submission's id as bytes: the time, then the field of its record.
pub(crate) fn id_bytes(id: &SubmissionId) -> [u8; 16] {
    raw(id.as_str())
}

/// A record with its field before it, as scripts take it.
pub(crate) fn given(id: &SubmissionId, record: &[u8]) -> Vec<u8> {
    let [_, _, _, _, _, _, field @ ..] = id_bytes(id);
    [&field, record].concat()
}

/// The bytes that the first hexadecimal digits of a text say; hyphens are left out. Of a text with other characters among
/// them, or with fewer digits, the first bytes of its SHA-256.
fn raw<const N: usize>(text: &str) -> [u8; N] {
    let mut digits = text.bytes().filter(|byte| *byte != b'-').map(|byte| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    });
    let mut bytes = [0; N];
    for byte in &mut bytes {
        let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
            let hash = digest(text.as_bytes());
            return std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default());
        };
        *byte = high << 4 | low;
    }
    bytes
}

/// The time of arrival that a stored record names.
pub(crate) fn received_at(value: &[u8]) -> Option<Timestamp> {
    let time = value.get(HASH..HASH + TIME)?;
    let ms = time.iter().fold(0_i64, |ms, byte| ms << 8 | i64::from(*byte));
    Some(Timestamp::from_millis(ms))
}

/// The door's memory of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The study.
    pub study: String,
    /// The site.
    pub site: String,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// Whether it was erased.
    pub erased: bool,
}

/// The part of a script that knows the form of records. Vigil's own submissions stand apart: they are not remembered.
pub(crate) fn lua(apart: bool) -> String {
    let scopes = names::SCOPES;
    format!("local SCOPES, APART = '{scopes}', {apart}\n{}", lua!("wire/idempotency.lua"))
}

script! {
    ReadScript = "wire/idempotency/read.lua",
    keys { records: String, scopes: &'static str }
    args { id: [u8; 16] }
    reply Option<Remembered>, by |reply| remembered(&reply)
}

fn remembered(reply: &[RedisResult]) -> Option<Option<Remembered>> {
    let [RedisResult::Binary(value), RedisResult::Binary(scope)] = reply else {
        return reply.is_empty().then_some(None);
    };
    let scope = std::str::from_utf8(scope).ok()?;
    let (study, rest) = scope.split_once(' ')?;
    let (site, _) = rest.split_once(' ')?;
    let erased = value.get(..HASH)? == ERASED;
    let received_at = received_at(value)?;
    Some(Some(Remembered { study: study.to_owned(), site: site.to_owned(), received_at, erased }))
}

/// Reads the door's memory of a submission.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn read(redis: &Redis, id: &SubmissionId) -> Result<Option<Remembered>, Error> {
    ReadScript { records: names::once(id), scopes: names::SCOPES, id: id_bytes(id) }.run(redis).await
}

script! {
    PutBackScript<'a> = composed "wire/idempotency/put_back.lua",
    keys { hashes: Vec<String> }
    args { given: &'a [Vec<u8>] }
    reply usize, by whole
}

/// Remembers submissions that are stored, unless they are remembered already. Returns how many were not.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable); doing it again is safe.
pub async fn put_back(redis: &Redis, all: &[(SubmissionId, IdempotencyRecord)]) -> Result<usize, Error> {
    let script = Composed::new([&*lua(false), lua!("wire/idempotency/put_back.lua")].concat());
    let given: Vec<Vec<u8>> = all.iter().map(|(id, record)| given(id, &record.bytes())).collect();
    PutBackScript { hashes: all.iter().map(|(id, _)| names::once(id)).collect(), given: &given }
        .run(redis, &script)
        .await
}

script! {
    SweepScript = "wire/idempotency/sweep.lua",
    keys { stream: &'static str, watch: &'static str }
    args { prefix: &'static str, now_ms: i64, kept: Duration }
    reply usize, by whole
}

/// Looks at some records and removes the old ones; the next call goes on. Returns how many were removed.
///
/// # Errors
/// [`Kind::Unavailable`](platform::Kind::Unavailable).
pub async fn sweep(redis: &Redis, now_ms: i64, kept: Duration) -> Result<usize, Error> {
    let (stream, watch) = (Queue::Score.stream(), names::WATCH);
    SweepScript { stream, watch, prefix: names::ONCE, now_ms, kept }.run(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_other_texts_have_bytes_of_their_own() {
        let id = SubmissionId::from("00112233-4455-8677-8899-aabbccddeeff");
        assert_eq!(
            id_bytes(&id),
            [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x86, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]
        );
        assert_eq!(subject_bytes("0123456789abcdef0123"), [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        let others = ["", "0123", "who", "0123456789ABCDEF"];
        let mut bytes: Vec<[u8; 8]> = others.map(subject_bytes).to_vec();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), others.len());
    }

    #[test]
    fn a_record_has_the_form_that_the_scripts_read() {
        let received_at = Timestamp::from_millis(0x0102_0304_0506);
        let content = Content { hash: "ab".repeat(32), subject: "0".repeat(32), topic: Topic::Kind("lab".to_owned()) };
        let (study, site) = ("A".to_owned(), "1".to_owned());
        let mut record = IdempotencyRecord { study, site, received_at, content: Some(content) };
        let expected = [&[0xab; 16][..], &[1, 2, 3, 4, 5, 6], &[0; 8], b"A 1 /lab"].concat();
        assert_eq!(record.bytes(), expected);
        assert_eq!(super::received_at(&expected), Some(received_at));
        record.content = None;
        assert_eq!(record.bytes(), [&[0; 16][..], &[1, 2, 3, 4, 5, 6], &[0; 8], b"A 1 "].concat());
        let reply = [record.bytes(), b"A 1 ".to_vec()].map(RedisResult::Binary);
        let erased = Remembered { study: "A".into(), site: "1".into(), received_at, erased: true };
        assert_eq!(remembered(&reply), Some(Some(erased)));
        assert_eq!((remembered(&[]), remembered(&reply[..1])), (Some(None), None));
    }
}
