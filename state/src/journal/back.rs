//! Reads a journal backwards: the latest entries first, as they were written.
//!
//! Guarantee: whoever goes on before the last entry that it was given sees every entry once, also while the clock seals.

use platform::Error;

use super::{Entries, Index, Position, Reader, SEGMENT, Segment, broken, tail};
use crate::names;

script! {
    BackScript<'a> = "journal/back.lua",
    keys { journals: &'static str, journal: String }
    args { study: &'a str, before: String, after: String, most: usize }
    reply (Position, Entries), by |reply| tail(&reply)
}

impl Reader<'_> {
    /// The lines before a position, the latest first, as many as a segment has at most: some, and none only at the
    /// beginning of the journal.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub async fn lines_before(&mut self, before: Position) -> Result<Entries, Error> {
        while before > self.index.last() {
            let (sealed, entries) = self.unsealed_before(before).await?;
            if sealed <= self.index.last() {
                if entries.is_empty() {
                    break;
                }
                return Ok(entries);
            }
            // The clock has sealed meanwhile: what lies between is in the store.
            self.index = Index::stored(self.store, self.study).await?;
            if self.index.last() < sealed {
                return Err(broken("a segment of the journal is missing"));
            }
        }
        // The first segment that does not end before the position may begin before it; the one ahead of it does.
        let first = self.index.first(|last| last < before).unwrap_or_else(|| self.index.next());
        for number in [first, first - 1] {
            let is_there = (1..self.index.next()).contains(&number);
            let entries = if is_there { self.sealed_before(number, before).await? } else { Entries::new() };
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Entries::new())
    }

    /// The lines that only Redis has, before a position, with the last position that Redis knows to be sealed.
    async fn unsealed_before(&self, before: Position) -> Result<(Position, Entries), Error> {
        let script = BackScript {
            journals: names::JOURNALS,
            journal: names::journal(self.study),
            study: self.study.as_str(),
            before: before.to_string(),
            after: self.index.last().to_string(),
            most: SEGMENT,
        };
        script.run(self.redis).await
    }

    /// The lines of a segment before a position.
    async fn sealed_before(&self, number: u64, before: Position) -> Result<Entries, Error> {
        let segment: Option<Segment> = self.store.get(&names::journal_segment(self.study, number)).await?;
        let segment = segment.ok_or_else(|| broken("a segment of the journal is missing"))?;
        let read = segment.entries.iter().rev().filter_map(|entry| {
            let (at, line) = entry.split_once(' ')?;
            Some((Position::parse(at)?, line.to_owned()))
        });
        Ok(read.filter(|(at, _)| *at < before).collect())
    }
}
