//! A submission as the door writes it: the JSON of an [`Entry`](crate::entry::Entry), put together in one go.
//!
//! Guarantee: [`Fresh::line`] gives, byte for byte, what serde gives of the same entry.
//!
//! Writing is a good part of what a report costs the door. Here nothing is copied before it is written, and a text is
//! looked through in one go for what must be escaped, where serde looks at byte after byte.

use std::collections::BTreeMap;

use crate::json;

/// JSON that is put together piece by piece.
pub struct Pieces(String);

impl Pieces {
    /// Nothing yet, and room for so many bytes.
    pub fn with_room(bytes: usize) -> Self {
        Pieces(String::with_capacity(bytes))
    }

    /// Adds what is JSON.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if json::is_plain(text) {
            self.raw("\"").raw(text).raw("\"")
        } else {
            // serde writes every text.
            self.raw(&serde_json::to_string(text).unwrap_or_default())
        }
    }

    /// Adds a text, or `null`.
    pub fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    /// The JSON.
    pub fn finish(self) -> String {
        self.0
    }
}

/// A submission on its way to the queue. Its members are those of [`Entry`](crate::entry::Entry).
#[expect(missing_docs, reason = "see there")]
pub struct Fresh<'a> {
    pub submission_id: &'a str,
    pub study_id: &'a str,
    pub site_id: &'a str,
    pub subject: &'a str,
    pub kind: &'a str,
    pub instrument: Option<&'a str>,
    pub instrument_version: Option<&'a str>,
    pub parameters: &'a BTreeMap<String, String>,
    pub authored_at: &'a str,
    pub received_at: &'a str,
    pub key: &'a str,
    pub hash: &'a str,
    pub amends: Option<&'a str>,
    pub amends_reason: Option<&'a str>,
    pub flags: &'a [String],
    pub removed: &'a BTreeMap<String, u32>,
    /// The content as JSON.
    pub content: &'a str,
    pub sealed: &'a str,
    pub trace: &'a str,
}

impl Fresh<'_> {
    /// The entry: one line of JSON.
    ///
    /// # Errors
    /// When serde refuses one of its parts, which it has no reason to.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        let mut line = Pieces::with_room(640 + self.content.len());
        line.raw(r#"{"submission":{"submissionId":"#).text(self.submission_id);
        line.raw(r#","studyId":"#).text(self.study_id).raw(r#","siteId":"#).text(self.site_id);
        line.raw(r#","subject":"#).text(self.subject).raw(r#","kind":"#).text(self.kind);
        if let Some(instrument) = self.instrument {
            line.raw(r#","instrument":"#).text(instrument);
        }
        if let Some(version) = self.instrument_version {
            line.raw(r#","instrumentVersion":"#).text(version);
        }
        if !self.parameters.is_empty() {
            line.raw(r#","parameters":"#).raw(&serde_json::to_string(self.parameters)?);
        }
        line.raw(r#","authoredAt":"#).text(self.authored_at).raw(r#","receivedAt":"#).text(self.received_at);
        line.raw(r#","key":"#).text(self.key).raw(r#","hash":"#).text(self.hash);
        if let Some(amends) = self.amends {
            line.raw(r#","amends":"#).text(amends);
        }
        if let Some(reason) = self.amends_reason {
            line.raw(r#","amendsReason":"#).text(reason);
        }
        if !self.flags.is_empty() {
            line.raw(r#","flags":"#).raw(&serde_json::to_string(self.flags)?);
        }
        if !self.removed.is_empty() {
            line.raw(r#","removed":"#).raw(&serde_json::to_string(self.removed)?);
        }
        line.raw(r#","content":"#).raw(self.content);
        line.raw(r#"},"sealed":"#).text(self.sealed).raw(r#","trace":"#).text(self.trace).raw("}");
        Ok(line.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entry::{Entry, Submission};

    fn line_of(entry: &Entry) -> String {
        let Entry { submission, sealed, trace } = entry;
        let fresh = Fresh {
            submission_id: &submission.submission_id,
            study_id: &submission.study_id,
            site_id: &submission.site_id,
            subject: &submission.subject,
            kind: &submission.kind,
            instrument: submission.instrument.as_deref(),
            instrument_version: submission.instrument_version.as_deref(),
            parameters: &submission.parameters,
            authored_at: &submission.authored_at,
            received_at: &submission.received_at,
            key: &submission.key,
            hash: &submission.hash,
            amends: submission.amends.as_deref(),
            amends_reason: submission.amends_reason.as_deref(),
            flags: &submission.flags,
            removed: &submission.removed,
            content: &serde_json::to_string(&submission.content).unwrap(),
            sealed,
            trace,
        };
        fresh.line().unwrap()
    }

    #[test]
    fn an_entry_is_written_as_serde_writes_it() {
        let text = |text: &str| text.to_owned();
        let content = json!({"q1": 1, "note": "a \"quoted\" line\nand 漢字"}).as_object().unwrap().clone();
        let least = Entry {
            submission: Submission {
                submission_id: text("0f0e"),
                study_id: text("A \u{7f}\u{1} \\ /"),
                site_id: text("北京 \t"),
                subject: text("s"),
                kind: text("diary"),
                instrument: None,
                instrument_version: None,
                parameters: BTreeMap::new(),
                authored_at: text("2026-03-01T08:00:00Z"),
                received_at: text(""),
                key: text("k"),
                hash: text("h"),
                amends: None,
                amends_reason: None,
                flags: Vec::new(),
                removed: BTreeMap::new(),
                content,
            },
            sealed: text("x"),
            trace: text("00-1-2-01"),
        };
        let mut most = least.clone();
        most.submission.instrument = Some(text("phq-9"));
        most.submission.instrument_version = Some(text("1.0.0"));
        most.submission.parameters = [(text("sex"), text("f"))].into();
        most.submission.amends = Some(text("b"));
        most.submission.amends_reason = Some(text("a \"reason\""));
        most.submission.flags = vec![text("late"), text("clock-skewed")];
        most.submission.removed = [(text("phone"), 2), (text("email"), 1)].into();
        for entry in [least, most] {
            assert_eq!(line_of(&entry), serde_json::to_string(&entry).unwrap());
        }
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
