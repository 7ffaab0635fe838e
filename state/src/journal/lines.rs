//! Reads a journal forwards: as it was written, and as the events of a study.
//!
//! Guarantee: whoever goes on after the last entry that it was given sees every entry once, also while the clock seals.

use platform::Error;

use super::{Entries, Event, Index, Position, Reader, SEGMENT, Segment, broken, events, read};
use crate::names;

impl Reader<'_> {
    /// The next entries after a position: some, and none only at the end of the journal.
    ///
    /// # Errors
    /// When Redis or the store is unavailable.
    pub async fn after(&mut self, mut position: Position) -> Result<Vec<(Position, Event)>, Error> {
        loop {
            let entries = self.lines_after(position).await?;
            let Some((last, _)) = entries.last() else { return Ok(Vec::new()) };
            position = *last;
            let found = events(entries);
            if !found.is_empty() {
                return Ok(found);
            }
            // Another version wrote all of them.
        }
    }

    /// The next lines after a position: some, and none only at the end of the journal.
    ///
    /// # Errors
    /// When Redis or the store is unavailable, or a segment is missing.
    pub async fn lines_after(&mut self, position: Position) -> Result<Entries, Error> {
        loop {
            if let Some(number) = self.index.after(position) {
                let segment: Option<Segment> = self.store.get(&names::journal_segment(self.study, number)).await?;
                let segment = segment.ok_or_else(|| broken("a segment of the journal is missing"))?;
                let read = segment.entries.iter().filter_map(|entry| {
                    let (at, line) = entry.split_once(' ')?;
                    Some((Position::parse(at)?, line.to_owned()))
                });
                let entries: Entries = read.filter(|(at, _)| *at > position).collect();
                return if entries.is_empty() {
                    Err(broken("a segment of the journal is broken"))
                } else {
                    Ok(entries)
                };
            }
            let (sealed, entries) = read(self.redis, self.study, position, SEGMENT).await?;
            if sealed <= self.index.last() {
                return Ok(entries);
            }
            // The clock has sealed meanwhile: what lies between is in the store.
            self.index = Index::stored(self.store, self.study).await?;
            if self.index.last() < sealed {
                return Err(broken("a segment of the journal is missing"));
            }
        }
    }
}
