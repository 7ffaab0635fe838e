//! Whether a study takes a document in: its state and its sites, and when the document was written.
//!
//! Guarantee: the script that takes a submission in decides by what is in force at that moment, without a call of its own. A
//! resend of what was taken in before stays one, whatever has become of the study.

use platform::Error;
use platform::redis::{Composed, Redis, flat, string};
use spin_sdk::redis::RedisResult;

use crate::names;

/// Stands for a revision of a study's own settings that is not compared with the one in force.
pub const UNCOMPARED: &str = "*";

/// Why a study does not take a submission in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The installation refuses studies without a document.
    UnknownStudy,
    /// The study is being prepared.
    Draft,
    /// It was written after the study was closed.
    Closed,
    /// The study has no such site.
    UnknownSite,
    /// It was written after the site was closed.
    ClosedSite,
}

impl NotTaken {
    /// The reason of this name in the scripts.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "study-unknown" => NotTaken::UnknownStudy,
            "study-draft" => NotTaken::Draft,
            "study-closed" => NotTaken::Closed,
            "site-unknown" => NotTaken::UnknownSite,
            "site-closed" => NotTaken::ClosedSite,
            _ => return None,
        })
    }

    /// The reason, for the sender.
    pub fn reason(self) -> &'static str {
        match self {
            NotTaken::UnknownStudy => "there is no study of this id",
            NotTaken::Draft => "the study is not live yet",
            NotTaken::Closed => "the study was closed before this was written",
            NotTaken::UnknownSite => "the study has no site of this id",
            NotTaken::ClosedSite => "the site was closed before this was written",
        }
    }

    /// The member of a document that names what does not take it in.
    pub fn pointer(self) -> &'static str {
        match self {
            NotTaken::UnknownStudy | NotTaken::Draft | NotTaken::Closed => "/studyId",
            NotTaken::UnknownSite | NotTaken::ClosedSite => "/siteId",
        }
    }
}

/// Asks whether studies take documents in.
pub struct Studies(Composed);

impl Studies {
    /// `known_only` refuses documents for studies that have no document of their own.
    pub fn new(known_only: bool) -> Self {
        let fixed =
            ["local STUDY, REFUSES_UNKNOWN, APART = '", names::STUDY, "', ", word(known_only), ", false\n"].concat();
        Studies(Composed::new([&*fixed, lua!("queue/taken.lua"), lua!("queue/would_take.lua")].concat()))
    }

    /// For documents of these scopes, `study|site`, and of when they were written, milliseconds: for each why it is not taken
    /// in, or nothing.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn not_taken(&self, redis: &Redis, documents: &[(String, i64)]) -> Result<Vec<Option<NotTaken>>, Error> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let one = |(scope, at): &(String, i64)| (["|", scope, "|"].concat(), written(*at, UNCOMPARED));
        let script = WouldTakeScript { documents: documents.iter().map(one).collect() };
        let reply = script.run(redis, &self.0).await?;
        let words = reply.iter().map(|word| NotTaken::parse(&string(word).unwrap_or_default()));
        Ok(words.collect())
    }
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

script! {
    WouldTakeScript = composed "queue/would_take.lua",
    keys {}
    args { documents: Vec<(String, String)> }
    reply Vec<RedisResult>, by flat
}

/// When a submission was written, and the revision of its study's own settings, as scripts take them.
pub(super) fn written(at_ms: i64, own: &str) -> String {
    [&*at_ms.to_string(), " ", own].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_script_is_known() {
        let file = include_str!("taken.lua");
        let words: Vec<&str> = file.split('\'').filter(|word| word.contains('-') && !word.contains(' ')).collect();
        assert!(words.len() >= 5, "{words:?}");
        for word in ["study-unknown", "study-draft", "study-closed", "site-unknown", "site-closed"] {
            assert!(words.contains(&word), "{word}");
            assert!(NotTaken::parse(word).is_some(), "{word}");
        }
        assert_eq!(NotTaken::parse("stale"), None);
        assert_eq!(written(-5, UNCOMPARED), "-5 *");
    }
}
