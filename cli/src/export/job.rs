//! The order of an export, read from the command line with all faults at once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use domain::ids::{NAME_RULE, SiteId, StudyId};
use state::journal::Position;

use super::folder::Folder;
use super::manifest::Format;

/// The arguments of the command line.
#[derive(Debug, Default)]
pub struct Asked {
    /// The study.
    pub study: String,
    /// The folder.
    pub out: PathBuf,
    /// Names of formats with commas between them; none for the usual ones.
    pub format: Option<String>,
    /// The cursor to begin after.
    pub after: Option<String>,
    /// Whether the exports of the folder are continued.
    pub incremental: bool,
    /// Only these sites.
    pub sites: Vec<String>,
    /// Whether tables begin with a byte order mark.
    pub bom: bool,
}

/// The order of an export.
#[derive(Debug)]
pub struct Job {
    /// The study.
    pub study: StudyId,
    /// The forms.
    pub formats: BTreeSet<Format>,
    /// The position after which it begins; none for the beginning of the study.
    pub after: Option<Position>,
    /// Its number among the exports of the folder.
    pub number: u32,
    /// Only these sites; all, if there are none.
    pub sites: BTreeSet<SiteId>,
    /// Whether tables begin with a byte order mark.
    pub bom: bool,
    /// The folder.
    pub folder: Folder,
}

impl Asked {
    /// Reads it all, and looks at the folder.
    ///
    /// # Errors
    /// Every fault, in words.
    pub fn read(self) -> Result<Job, Vec<String>> {
        let mut faults = Vec::new();
        let study = StudyId::parse(&self.study);
        if study.is_none() {
            faults.push(format!("--study {NAME_RULE}"));
        }
        let formats = self.format.map(|format| formats(&format, &mut faults));
        let mut sites = BTreeSet::new();
        for site in &self.sites {
            match SiteId::parse(site) {
                Some(site) => drop(sites.insert(site)),
                None => faults.push(format!("--site {NAME_RULE}")),
            }
        }
        let after = self.after.as_deref().map(Position::parse);
        if after == Some(None) {
            faults.push("--after must be a cursor, such as 1772352000000-7".to_owned());
        }
        if self.after.is_some() && self.incremental {
            faults.push("--after and --incremental exclude each other: the folder says where it goes on".to_owned());
        }
        let folder = study.as_ref().map(|study| Folder::look(&self.out, study)).transpose();
        let folder = folder.map_err(|fault| faults.push(format!("--out: {fault}"))).ok().flatten();
        let (Some(study), Some(folder), []) = (study, folder, faults.as_slice()) else { return Err(faults) };
        let usual = || BTreeSet::from([Format::Ndjson]);
        let mut job = Job { study, formats: usual(), after: after.flatten(), number: 1, sites, bom: self.bom, folder };
        let earlier = job.folder.earlier.last().filter(|_| self.incremental);
        if let Some(earlier) = earlier {
            if earlier.sites != job.sites {
                faults.push(format!("--site must be as in {}, which this continues", earlier.title()));
            }
            if formats.as_ref().is_some_and(|formats| *formats != earlier.formats) {
                faults.push(format!("--format must be as in {}, which this continues", earlier.title()));
            }
            job.number = earlier.number + 1;
            job.after = Position::parse(&earlier.cursor);
            job.formats = earlier.formats.clone();
            job.bom |= earlier.bom;
        } else {
            job.formats = formats.unwrap_or_else(usual);
        }
        if faults.is_empty() { Ok(job) } else { Err(faults) }
    }
}

fn formats(text: &str, faults: &mut Vec<String>) -> BTreeSet<Format> {
    let mut formats = BTreeSet::new();
    for name in text.split(',') {
        match Format::parse(name) {
            Some(format) => drop(formats.insert(format)),
            None => {
                let all: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
                faults.push(format!("--format {name:?} is none of {}", all.join(", ")));
            }
        }
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let asked = Asked {
            study: "a b".to_owned(),
            format: Some("ndjson,xls,".to_owned()),
            after: Some("yesterday".to_owned()),
            incremental: true,
            sites: vec!["1".to_owned(), "ü".to_owned()],
            ..Asked::default()
        };
        let faults = asked.read().unwrap_err();
        let begins = ["--study ", "--format \"xls\"", "--format \"\"", "--site ", "--after must", "--after and"];
        assert_eq!(faults.len(), begins.len(), "{faults:?}");
        assert!(faults.iter().zip(begins).all(|(fault, begin)| fault.starts_with(begin)), "{faults:?}");
    }

    #[test]
    fn a_folder_with_anything_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let asked = || Asked { study: "A".to_owned(), out: dir.path().to_owned(), ..Asked::default() };
        assert!(asked().read().is_ok());
        std::fs::write(dir.path().join("submissions.ndjson"), "left behind").unwrap();
        assert!(asked().read().is_ok());
        std::fs::write(dir.path().join("letter.txt"), "mine").unwrap();
        assert!(asked().read().unwrap_err()[0].ends_with("is not empty and has no export"));
        std::fs::write(dir.path().join("manifest.json"), "{}").unwrap();
        assert!(asked().read().unwrap_err()[0].contains("manifest.json"));
    }
}
