//! The files of an export, one after the other row.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::rc::Rc;

use anyhow::Result;
use platform::digest::{Hasher, hex};
use platform::redis::Redis;
use state::wire::row::{Row, StreamEnd};
use state::wire::table::Table;

use super::columns;
use super::definitions::Definitions;
use super::folder::{Folder, Part};
use super::manifest::{Beside, Format, Holds, Manifest, numbered};
use super::odm;
use super::rows::Told;

/// Lines as the API streams them, with the line that counts and hashes them at the end.
struct Lines {
    part: Part,
    hash: Hasher,
}

/// A table.
struct Sheet {
    table: Table,
    part: Part,
}

impl Sheet {
    fn open(mut part: Part, table: Table) -> Result<Self> {
        part.write_all(table.head().as_bytes())?;
        part.count(0);
        Ok(Sheet { table, part })
    }

    fn take(&mut self, row: &Row) -> Result<()> {
        self.part.count(self.table.count(row));
        Ok(self.part.write_all(self.table.lines(row).as_bytes())?)
    }
}

/// The files that are being written.
pub(super) struct Writers<'a> {
    folder: Folder,
    definitions: Definitions<'a>,
    /// The beginning of the files' names.
    stem: String,
    number: u32,
    bom: bool,
    /// The number of submissions.
    pub(super) rows: u64,
    changes: Part,
    lines: Option<Lines>,
    long: Option<Sheet>,
    columns: Option<columns::Writer>,
    odm: Option<odm::Writer>,
    /// By instrument; none for one that is not known.
    wide: Option<BTreeMap<String, Option<Sheet>>>,
}

impl<'a> Writers<'a> {
    pub(super) async fn open(
        redis: &'a Redis,
        folder: Folder,
        formats: &BTreeSet<Format>,
        bom: bool,
        (number, is_whole): (u32, bool),
    ) -> Result<Self> {
        let stem = numbered("submissions", number);
        let named = |format: Format, end: &str| {
            let wanted = formats.contains(&format);
            wanted.then(|| folder.create(&format!("{stem}{end}"), Holds::Submissions(format))).transpose()
        };
        let mut changes =
            folder.create(&format!("{}.ndjson", numbered("changes", number)), Holds::Beside(Beside::Changes))?;
        changes.count(0);
        let mut lines = named(Format::Ndjson, ".ndjson")?.map(|part| Lines { part, hash: Hasher::default() });
        lines.iter_mut().for_each(|lines| lines.part.count(0));
        let long = named(Format::CsvLong, "-long.csv")?.map(|part| Sheet::open(part, Table::new(None, bom)));
        let columns = named(Format::Parquet, ".parquet")?.map(columns::Writer::open);
        let odm = named(Format::Odm, ".odm.xml")?.map(|part| odm::Writer::open(part, &folder, is_whole));
        Ok(Writers {
            odm: odm.transpose()?,
            columns: columns.transpose()?,
            definitions: Definitions::open(redis).await?,
            long: long.transpose()?,
            wide: formats.contains(&Format::CsvWide).then(BTreeMap::new),
            folder,
            stem,
            number,
            bom,
            rows: 0,
            changes,
            lines,
        })
    }

    /// Writes what an entry of the journal tells.
    pub(super) async fn take(&mut self, told: &Told) -> Result<()> {
        match told {
            Told::Row(row) => self.row(row).await,
            Told::Change(change) => {
                let mut line = serde_json::to_vec(change)?;
                line.push(b'\n');
                self.changes.count(1);
                Ok(self.changes.write_all(&line)?)
            }
        }
    }

    async fn row(&mut self, row: &Row) -> Result<()> {
        self.rows += 1;
        let known = match &row.scored_with {
            Some(with) => self.definitions.scored(with).await?,
            None => None,
        };
        if let Some(Lines { part, hash }) = &mut self.lines {
            let mut line = serde_json::to_vec(row)?;
            line.push(b'\n');
            hash.update(&line);
            part.count(1);
            part.write_all(&line)?;
        }
        if let Some(sheet) = &mut self.long {
            sheet.take(row)?;
        }
        if let Some(columns) = &mut self.columns {
            columns.take(row)?;
        }
        if let Some(odm) = &mut self.odm {
            odm.take(row, known.as_deref())?;
        }
        if let Some(instrument) = &row.instrument {
            self.wide(instrument.as_str(), row).await?;
        }
        Ok(())
    }

    async fn wide(&mut self, id: &str, row: &Row) -> Result<()> {
        let Some(wide) = &mut self.wide else { return Ok(()) };
        if !wide.contains_key(id) {
            let sheet = match self.definitions.in_force(id).await? {
                Some(known) => {
                    let name = format!("{}-wide-{id}.csv", self.stem);
                    let part = self.folder.create(&name, Holds::Submissions(Format::CsvWide))?;
                    Some(Sheet::open(part, Table::new(Some(Rc::new(known.instrument.clone())), self.bom))?)
                }
                None => None,
            };
            wide.insert(id.to_owned(), sheet);
        }
        let sheet = wide.get_mut(id).and_then(Option::as_mut);
        sheet.map_or(Ok(()), |sheet| sheet.take(row))
    }

    /// Ends the files, and publishes them with their manifest.
    pub(super) fn publish(self, mut manifest: Manifest) -> Result<Manifest> {
        let Writers { mut folder, definitions, rows, changes, lines, long, columns, odm, wide, .. } = self;
        if let Some(Lines { mut part, hash }) = lines {
            let end = StreamEnd::of(rows, hex(&hash.finish()), manifest.cursor.clone());
            serde_json::to_writer(&mut part, &end)?;
            part.write_all(b"\n")?;
            folder.keep(part)?;
        }
        let sheets = long.into_iter().chain(wide.into_iter().flat_map(BTreeMap::into_values).flatten());
        for sheet in sheets {
            folder.keep(sheet.part)?;
        }
        if let Some(columns) = columns {
            folder.keep(columns.end()?)?;
        }
        if let Some(odm) = odm {
            folder.keep(odm.end(&manifest)?)?;
        }
        folder.keep(changes)?;
        let replaces = self.number == 1;
        manifest.definitions = definitions.write(&mut folder, replaces)?;
        folder.publish(manifest, replaces)
    }
}
