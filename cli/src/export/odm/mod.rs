//! Submissions as CDISC ODM 1.3.2: the definitions of instruments as forms, and the data by subject.
//!
//! Guarantee: each subject is there once, with its submissions in the order of the journal. What is erased is not there,
//! because its subject is not known any more. Memory holds a sixty-fourth of the subjects' data.
//!
//! Mechanism: the definitions come first in the file, and which are needed is known last. So the data of each submission
//! go to one of several temporary files, by the beginning of the subject's pseudonym. At the end the definitions are
//! written, and then the temporary files, one after the other, each in the order of its subjects.

mod forms;
mod metadata;
mod xml;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use domain::ids::SiteId;
use state::wire::row::{ListState, Row};

use super::definitions::Known;
use super::folder::{Folder, Part, Scratch};
use super::manifest::Manifest;
use forms::{Form, Values};
use metadata::Metadata;
use xml::{Attributes, Xml};

/// The number of temporary files.
const BUCKETS: usize = 64;

/// The transaction of incremental files: what came, perhaps again after Redis was lost.
const UPSERT: &Attributes<'_> = &[("TransactionType", "Upsert")];

/// Writes a file.
pub(super) struct Writer {
    part: Part,
    buckets: Vec<Scratch>,
    forms: BTreeMap<String, Form>,
    sites: BTreeSet<SiteId>,
    /// The attributes of an entity in a file of its kind.
    transaction: &'static Attributes<'static>,
}

impl Writer {
    /// A file of everything, or of what came since an earlier one.
    pub(super) fn open(part: Part, folder: &Folder, is_whole: bool) -> Result<Self> {
        let buckets = (0..BUCKETS).map(|number| folder.scratch(&format!("odm-{number}"))).collect::<Result<_>>()?;
        let transaction = if is_whole { &[] } else { UPSERT };
        Ok(Writer { part, buckets, forms: BTreeMap::new(), sites: BTreeSet::new(), transaction })
    }

    /// Adds a submission. `known` is what scored it.
    pub(super) fn take(&mut self, row: &Row, known: Option<&Known>) -> Result<()> {
        let (Some(subject), ListState::Scored | ListState::Failed | ListState::Superseded) = (&row.subject, row.state)
        else {
            return Ok(());
        };
        let event = self.event(row, known)?;
        self.sites.insert(row.site_id.clone());
        let first = subject.as_str().get(..2).and_then(|it| usize::from_str_radix(it, 16).ok()).unwrap_or_default();
        let bucket = self.buckets.get_mut(first * BUCKETS / 256).context("no bucket")?;
        bucket.add(&format!("{subject}\t{}\t{event}\n", row.site_id))?;
        self.part.count(1);
        Ok(())
    }

    /// The element of a submission. It has no line end and no tab: both are written as references.
    fn event(&mut self, row: &Row, known: Option<&Known>) -> Result<String> {
        let name = match (known, &row.instrument) {
            (Some(known), _) => format!("{}@{}", known.instrument.id(), known.instrument.version()),
            (None, Some(instrument)) => format!("response.{instrument}"),
            (None, None) => row.kind.clone().unwrap_or_default(),
        };
        let form = self.forms.entry(name.clone());
        let form =
            form.or_insert_with_key(|name| known.map_or_else(|| Form::open(name), |it| Form::of(&it.instrument)));
        let groups = [
            ("submission".to_owned(), metadata::submission(row)),
            (format!("{name}.answers"), row.content.as_ref().map(|it| form.answers(it)).unwrap_or_default()),
            (format!("{name}.scores"), row.scores.as_ref().map(|it| form.scores(it)).unwrap_or_default()),
        ];
        let (mut xml, transaction) = (Xml::new(Vec::new()), self.transaction);
        let id = row.submission_id.as_str();
        let open =
            |xml: &mut Xml<Vec<u8>>, name: &str, own: &Attributes<'_>| xml.open(name, &[own, transaction].concat());
        open(&mut xml, "StudyEventData", &[("StudyEventOID", metadata::EVENT), ("StudyEventRepeatKey", id)])?;
        open(&mut xml, "FormData", &[("FormOID", &format!("F.{name}"))])?;
        for (group, values) in groups.iter().filter(|(_, values)| !values.is_empty()) {
            open(&mut xml, "ItemGroupData", &[("ItemGroupOID", &format!("IG.{group}"))])?;
            items(&mut xml, values)?;
            xml.close("ItemGroupData")?;
        }
        xml.close("FormData")?;
        xml.close("StudyEventData")?;
        Ok(String::from_utf8(xml.into_inner())?)
    }

    /// The whole file.
    pub(super) fn end(self, manifest: &Manifest) -> Result<Part> {
        let Writer { mut part, buckets, forms, sites, transaction } = self;
        part.count(0);
        let mut xml = Xml::new(part);
        let metadata = Metadata { manifest, forms: &forms, sites: &sites, is_whole: transaction.is_empty() };
        metadata.write(&mut xml)?;
        let version = metadata::version(manifest);
        xml.open("ClinicalData", &[("StudyOID", manifest.study.as_str()), ("MetaDataVersionOID", &version)])?;
        xml.line()?;
        for bucket in buckets {
            let text = bucket.read()?;
            let mut events: Vec<&str> = text.lines().collect();
            events.sort_by_key(|event| event.split('\t').next());
            for of_subject in events.chunk_by(|one, other| one.split('\t').next() == other.split('\t').next()) {
                subject(&mut xml, of_subject, transaction)?;
            }
        }
        xml.close("ClinicalData")?;
        xml.close("ODM")?;
        xml.line()?;
        Ok(xml.into_inner())
    }
}

fn items(xml: &mut Xml<Vec<u8>>, values: &Values) -> Result<()> {
    for (oid, value) in values {
        xml.empty("ItemData", &[("ItemOID", oid), ("Value", value)])?;
    }
    Ok(())
}

/// A subject with all its submissions.
fn subject(xml: &mut Xml<Part>, lines: &[&str], transaction: &Attributes<'_>) -> Result<()> {
    let mut parts = lines.first().into_iter().flat_map(|line| line.splitn(3, '\t'));
    let (Some(subject), Some(site)) = (parts.next(), parts.next()) else { return Ok(()) };
    xml.open("SubjectData", &[&[("SubjectKey", subject)], transaction].concat())?;
    xml.empty("SiteRef", &[("LocationOID", &metadata::location(site))])?;
    for event in lines.iter().filter_map(|line| line.splitn(3, '\t').nth(2)) {
        xml.line()?;
        xml.raw(event)?;
    }
    xml.close("SubjectData")?;
    Ok(xml.line()?)
}

#[cfg(test)]
mod tests;
