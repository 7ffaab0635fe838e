//! The entry encoder: writes a submission as a [`ScoreEntry`](crate::wire::queued::ScoreEntry) in one pass.
//!
//! Guarantee: serde reads from [`Fresh::line`] an entry with the same contents.
//!
//! Writing is a large part of the door's cost per report, and the bytes are a large part of Redis' cost. So an entry is
//! an array: its members without names, in the order of the fields of `Entry` and `Submission`. Names would be the same
//! in every entry. Entries with names can still be read. Nothing is copied before it is written. A text is scanned once
//! as a whole for characters to escape, where serde checks byte after byte.

use std::collections::BTreeMap;

use domain::canonical;
use domain::ids::{InstrumentId, KeyId, Pseudonym, SiteId, StudyId, SubmissionId};
use platform::json;
use serde::Serialize;
use serde_json::{Map, Value};

/// JSON that is built piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces(String);

impl Pieces {
    /// Creates an empty one with room for this many bytes.
    pub fn with_room(bytes: usize) -> Self {
        Pieces(String::with_capacity(bytes))
    }

    /// Adds a piece of JSON.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if json::is_plain(text) {
            self.raw("\"").raw(text).raw("\"")
        } else {
            // serde can write any text.
            self.raw(&serde_json::to_string(text).unwrap_or_default())
        }
    }

    /// Adds the canonical form of a content.
    pub fn canonical(&mut self, content: &Map<String, Value>) -> &mut Self {
        canonical::members(content, &mut self.0);
        self
    }

    /// Adds a whole number.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number))
    }

    /// Adds a text, or `null`.
    pub fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// Adds a list, which is usually empty, and a comma.
    fn list(&mut self, is_empty: bool, empty: &str, list: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        if is_empty { self.raw(empty) } else { self.raw(&serde_json::to_string(list)?) }.raw(",");
        Ok(())
    }

    /// The JSON so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON.
    pub fn finish(self) -> String {
        self.0
    }
}

/// A submission on its way to the queue. Its members are those of [`Entry`](crate::wire::entry::Entry).
#[expect(missing_docs, reason = "see there")]
pub struct Fresh<'a> {
    pub submission_id: &'a SubmissionId,
    pub study_id: &'a StudyId,
    pub site_id: &'a SiteId,
    pub subject: &'a Pseudonym,
    pub kind: &'a str,
    pub instrument: Option<&'a InstrumentId>,
    pub instrument_version: Option<&'a str>,
    pub parameters: &'a BTreeMap<String, String>,
    pub authored_at: &'a str,
    pub received_at: &'a str,
    pub key: &'a KeyId,
    pub hash: &'a str,
    pub amends: Option<&'a SubmissionId>,
    pub amends_reason: Option<&'a str>,
    pub flags: &'a [String],
    pub removed: &'a BTreeMap<String, u32>,
    /// The content as JSON.
    pub content: &'a str,
    pub ordered_at: Option<&'a str>,
    pub sealed: &'a str,
    pub trace: &'a str,
}

impl Fresh<'_> {
    /// The entry: one line of JSON.
    ///
    /// # Errors
    /// When serde refuses one of its parts, which cannot happen.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        let mut line = Pieces::with_room(500 + self.content.len());
        line.raw("{\"submission\":[[")
            .text(self.submission_id.as_str())
            .raw(",")
            .text(self.study_id.as_str())
            .raw(",")
            .text(self.site_id.as_str())
            .raw(",");
        line.text(self.subject.as_str()).raw(",").text(self.kind).raw(",");
        line.maybe(self.instrument.map(InstrumentId::as_str)).raw(",").maybe(self.instrument_version).raw(",");
        line.list(self.parameters.is_empty(), "{}", self.parameters)?;
        line.text(self.authored_at).raw(",").text(self.received_at).raw(",").text(self.key.as_str()).raw(",");
        line.text(self.hash)
            .raw(",")
            .maybe(self.amends.map(SubmissionId::as_str))
            .raw(",")
            .maybe(self.amends_reason)
            .raw(",");
        line.list(self.flags.is_empty(), "[]", self.flags)?;
        line.list(self.removed.is_empty(), "{}", self.removed)?;
        line.raw(self.content);
        if let Some(at) = self.ordered_at {
            line.raw(",").text(at);
        }
        line.raw("],").text(self.sealed).raw(",").text(self.trace).raw("]}");
        Ok(line.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::entry::{Entry, Submission};
    use crate::wire::queued::ScoreEntry;

    fn line_of(entry: &Entry) -> String {
        let Entry { submission, sealed, trace } = entry;
        let fresh = Fresh {
            submission_id: &submission.submission_id,
            study_id: &submission.study_id,
            site_id: &submission.site_id,
            subject: &submission.subject,
            kind: &submission.kind,
            instrument: submission.instrument.as_ref(),
            instrument_version: submission.instrument_version.as_deref(),
            parameters: &submission.parameters,
            authored_at: &submission.authored_at,
            received_at: &submission.received_at,
            key: &submission.key,
            hash: &submission.hash,
            amends: submission.amends.as_ref(),
            amends_reason: submission.amends_reason.as_deref(),
            flags: &submission.flags,
            removed: &submission.removed,
            content: &serde_json::to_string(&submission.content).unwrap(),
            ordered_at: submission.ordered_at.as_deref(),
            sealed,
            trace,
        };
        fresh.line().unwrap()
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let text = |text: &str| text.to_owned();
        let content = json!({"q1": 1, "note": "a \"quoted\" line\nand 漢字"}).as_object().unwrap().clone();
        let least = Entry {
            submission: Submission {
                submission_id: "0f0e".into(),
                study_id: "A \u{7f}\u{1} \\ /".into(),
                site_id: "北京 \t".into(),
                subject: "s".into(),
                kind: text("diary"),
                instrument: None,
                instrument_version: None,
                parameters: BTreeMap::new(),
                authored_at: text("2026-03-01T08:00:00Z"),
                received_at: text(""),
                key: "k".into(),
                hash: text("h"),
                amends: None,
                amends_reason: None,
                flags: Vec::new(),
                removed: BTreeMap::new(),
                content,
                ordered_at: None,
            },
            sealed: text("x"),
            trace: text("00-1-2-01"),
        };
        let mut most = least.clone();
        most.submission.instrument = Some("phq-9".into());
        most.submission.instrument_version = Some(text("1.0.0"));
        most.submission.parameters = [(text("sex"), text("f"))].into();
        most.submission.amends = Some("b".into());
        most.submission.amends_reason = Some(text("a \"reason\""));
        most.submission.flags = vec![text("late"), text("clock-skewed")];
        most.submission.ordered_at = Some(text("2026-03-01T09:00:00Z"));
        most.submission.removed = [(text("phone"), 2), (text("email"), 1)].into();
        for entry in [&least, &most] {
            let with_names = ScoreEntry::Submission(entry).line().unwrap();
            for written in [line_of(entry), with_names] {
                let read: ScoreEntry = serde_json::from_str(&written).unwrap();
                assert_eq!(read, ScoreEntry::Submission(Box::new(entry.clone())), "{written}");
            }
        }
        // The next version must read queued entries: a member keeps its position, and a new member comes last.
        let places = r#"{"submission":[["0f0e","A","1","s","diary","phq-9","1.0.0",{"sex":"f"},"2026-03-01T08:00:00Z","","k","h","b","a \"reason\"",["late","clock-skewed"],{"email":1,"phone":2},{"q1":1},"2026-03-01T09:00:00Z"],"x","00-1-2-01"]}"#;
        let submission = &mut most.submission;
        (submission.study_id, submission.site_id) = ("A".into(), "1".into());
        submission.content.remove("note");
        assert_eq!(line_of(&most), places);
    }

    #[test]
    fn a_text_is_written_as_serde_writes_it() {
        for code in (0..=0x180).chain([0x2028, 0xfeff, 0x1f600]) {
            let Some(one) = char::from_u32(code) else { continue };
            let text = format!("a{one}b");
            let mut written = Pieces::with_room(0);
            written.text(&text).maybe(None).maybe(Some(&text));
            let expected = serde_json::to_string(&text).unwrap();
            assert_eq!(written.finish(), format!("{expected}null{expected}"));
        }
    }
}
