//! The manifest of an export: which files it has, with rows, bytes and hashes, and which part of the study's journal they
//! are. It is written last, so files without one are an export that broke off.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use domain::ids::{SiteId, StudyId};
use serde::{Deserialize, Serialize};

/// A form in which submissions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON lines, as the API lists them.
    Ndjson,
    /// A table for each instrument.
    CsvWide,
    /// One table of answers, data and scores.
    CsvLong,
    /// The same table as Parquet.
    Parquet,
    /// CDISC ODM 1.3.2, with the definitions.
    Odm,
}

impl Format {
    /// All of them, with their names.
    pub const ALL: [(&str, Format); 5] = [
        ("ndjson", Format::Ndjson),
        ("csv-wide", Format::CsvWide),
        ("csv-long", Format::CsvLong),
        ("parquet", Format::Parquet),
        ("odm", Format::Odm),
    ];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, format)| format)
    }
}

/// The content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum Holds {
    /// Submissions.
    Submissions(Format),
    /// Something beside them.
    Beside(Beside),
}

/// A content beside the submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Submissions that were superseded or erased.
    Changes,
    /// The definition of an instrument.
    Definition,
    /// The codebook of an instrument.
    Codebook,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its path from the manifest.
    pub name: String,
    /// Its content.
    pub holds: Holds,
    /// The number of rows, where it has rows: lines of submissions, lines of a table without its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

impl Written {
    /// Whether its path stays below the manifest's folder.
    pub fn is_below(&self) -> bool {
        !self.name.is_empty() && Path::new(&self.name).components().all(|part| matches!(part, Component::Normal(_)))
    }
}

/// A definition by which rows were scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The instrument.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the definition, hex.
    pub sha256: String,
    /// Its file; none if the installation does not have this definition any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The study.
    pub study: StudyId,
    /// Its number among the exports of its folder, which continue each other.
    pub number: u32,
    /// When it was finished, RFC 3339 in UTC.
    pub made_at: String,
    /// The program that made it.
    pub made_by: String,
    /// The forms of the submissions.
    pub formats: BTreeSet<Format>,
    /// Whether tables begin with a byte order mark.
    #[serde(default)]
    pub bom: bool,
    /// Only these sites; all, if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sites: BTreeSet<SiteId>,
    /// The cursor after which it begins; none if it begins with the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The cursor after its last row: where the next export goes on.
    pub cursor: String,
    /// The number of submissions.
    pub rows: u64,
    /// The files.
    pub files: Vec<Written>,
    /// The definitions that scored the rows.
    pub definitions: Vec<Definition>,
}

impl Manifest {
    /// The name of the manifest of a number.
    pub fn name(number: u32) -> String {
        format!("{}.json", numbered("manifest", number))
    }

    /// Its own name.
    pub fn title(&self) -> String {
        Manifest::name(self.number)
    }

    /// Whether a file of this name is a manifest.
    pub fn is_name(name: &str) -> bool {
        let middle = name.strip_prefix("manifest").and_then(|rest| rest.strip_suffix(".json"));
        middle
            .is_some_and(|it| it.is_empty() || it.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok()))
    }
}

/// A name with the number of an export, from the second one on.
pub fn numbered(name: &str, number: u32) -> String {
    if number > 1 { format!("{name}-{number:04}") } else { name.to_owned() }
}

/// Tells whether an export gives a file this name, a path from the manifest: its submissions, changes, definitions, codebooks.
pub fn is_given(path: &str) -> bool {
    if let Some((_, name)) = path.split_once('/') {
        return name.contains('@') && [".json", ".csv"].iter().any(|end| name.ends_with(end));
    }
    let (rest, rows) = match (path.strip_prefix("submissions"), path.strip_prefix("changes")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        _ => return false,
    };
    // The number of a part has four digits or more.
    let digits = rest.strip_prefix('-').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let rest = if digits >= 4 { rest.get(1 + digits..).unwrap_or_default() } else { rest };
    let table = rest.strip_prefix("-wide-").is_some_and(|rest| rest.ends_with(".csv"));
    rest == ".ndjson" || rows && (table || ["-long.csv", ".parquet", ".odm.xml"].contains(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_an_export_gives_are_told_from_others() {
        for given in [
            "submissions.ndjson",
            "submissions-0002.ndjson",
            "submissions-12345-long.csv",
            "submissions-wide-phq-9.csv",
            "submissions-0002-wide-2024.csv",
            "submissions.parquet",
            "submissions.odm.xml",
            "changes.ndjson",
            "changes-0002.ndjson",
            "definitions/phq-9@1.0.0.json",
            "codebooks/phq-9@1.0.0.csv",
        ] {
            assert!(is_given(given), "{given}");
        }
        for other in [
            "manifest.json",
            "submissions.ndjson.vigil-part",
            "submissions.ndjson.bak",
            "submissions-of-may.csv",
            "submissions-002.ndjson",
            "changes-long.csv",
            "letter.txt",
            "definitions/readme.txt",
        ] {
            assert!(!is_given(other), "{other}");
        }
    }
}
