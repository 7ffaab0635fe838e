//! What is awaited of subjects, made again: what came in of them, and when to look at what did not.

use anyhow::{Context as _, Result};
use domain::Timestamp;
use domain::overdue::judge;
use domain::settings::Document;
use domain::study_rules::{self, StudyRules};
use rusqlite::Connection;
use state::names::{self, Queue};
use state::settings::Index;
use state::subjects::expected::{self, Look};
use state::wire::entry::{Record, State};

use super::read;

/// The rules in force on what does not come.
pub(super) struct Awaited(Option<StudyRules>);

impl Awaited {
    /// Reads the rules in force.
    pub(super) fn read(store: &Connection) -> Result<Self> {
        let index =
            read(store, names::SETTINGS_INDEX)?.map(|bytes| serde_json::from_slice::<Index>(&bytes)).transpose()?;
        let name = Document::AlertRules.as_str();
        let Some(version) = index.and_then(|index| index.documents.get(name).map(|known| known.version)) else {
            return Ok(Awaited(None));
        };
        let document =
            read(store, &names::config(name, version))?.context("the document alert-rules is not in the store")?;
        let rules = study_rules::read(&serde_json::from_slice(&document)?);
        Ok(Awaited(Some(rules.ok().context("the document alert-rules cannot be read")?)))
    }

    /// Remembers that a submission came in, and when to look. A look that is due later stays.
    pub(super) fn submission(&self, redis: &mut redis::Connection, record: &Record) -> Result<bool> {
        let submission = &record.submission;
        let rules = self.0.as_ref().and_then(|rules| rules.study(&submission.study_id));
        let (Some(rules), Some(what), Some(received)) =
            (rules, expected::what(submission), Timestamp::parse(&submission.received_at))
        else {
            return Ok(false);
        };
        let Some(after) = judge(rules.overdue(what), what, 0).look_after_ms.filter(|_| record.state != State::Erased)
        else {
            return Ok(false);
        };
        let look = Look::after(submission, what);
        let member = names::due(Queue::Score, &look.flow(), &look.payload()?);
        let mut pipe = redis::pipe();
        pipe.cmd("ZADD").arg(look.received()).arg(received.millis()).arg(&submission.submission_id);
        pipe.cmd("ZADD").arg(names::DUE).arg("GT").arg(received.plus_ms(after).millis()).arg(member).ignore();
        let (added,): (u64,) = pipe.query(redis)?;
        Ok(added > 0)
    }
}
