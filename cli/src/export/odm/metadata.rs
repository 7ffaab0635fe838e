//! The part of an ODM file before its data: the study, and the meaning of the items.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Result;
use domain::ids::SiteId;
use state::wire::row::Row;

use super::forms::{Form, Item, Kind, List, Values};
use super::xml::Xml;
use crate::export::manifest::Manifest;

/// The event that every submission is.
pub(super) const EVENT: &str = "SE.submission";

/// The items that every submission has: id, type, list.
const SUBMISSION: [(&str, Kind, Option<&str>); 5] = [
    ("submissionId", Kind::Text, None),
    ("authoredAt", Kind::Datetime, None),
    ("receivedAt", Kind::Datetime, None),
    ("state", Kind::Text, Some("CL.state")),
    ("supersededBy", Kind::Text, None),
];
/// The lists that all forms share.
const LISTS: [(&str, &[&str]); 2] =
    [("CL.state", &["scored", "failed", "superseded"]), ("CL.status", &["scored", "prorated", "not-scored"])];
/// The length of a submission's id.
const ID: &str = "36";

/// The values of those items.
pub(super) fn submission(row: &Row) -> Values {
    let values = [
        Some(row.submission_id.to_string()),
        row.authored_at.clone(),
        Some(row.received_at.clone()),
        Some(row.state.as_str().to_owned()),
        row.superseded_by.as_ref().map(ToString::to_string),
    ];
    let of = |((id, ..), value): ((&str, _, _), Option<String>)| Some((format!("I.submission.{id}"), value?));
    SUBMISSION.into_iter().zip(values).filter_map(of).collect()
}

/// The OID of the file's definitions.
pub(super) fn version(manifest: &Manifest) -> String {
    format!("MDV.{}", manifest.number)
}

/// The OID of a site.
pub(super) fn location(site: &str) -> String {
    format!("L.{site}")
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "Yes" } else { "No" }
}

/// The part before the data.
pub(super) struct Metadata<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) forms: &'a BTreeMap<String, Form>,
    pub(super) sites: &'a BTreeSet<SiteId>,
    pub(super) is_whole: bool,
}

impl Metadata<'_> {
    pub(super) fn write(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        xml.declare()?;
        xml.line()?;
        self.root(xml)?;
        let study = self.manifest.study.as_str();
        xml.open("Study", &[("OID", study)])?;
        xml.open("GlobalVariables", &[])?;
        xml.text("StudyName", study)?;
        xml.text("StudyDescription", "What patients and sites reported, with the scores of instruments")?;
        xml.text("ProtocolName", study)?;
        xml.close("GlobalVariables")?;
        xml.line()?;
        xml.open("MetaDataVersion", &[("OID", &version(self.manifest)), ("Name", &self.manifest.title())])?;
        xml.line()?;
        self.forms(xml)?;
        self.items(xml)?;
        self.lists(xml)?;
        xml.close("MetaDataVersion")?;
        xml.close("Study")?;
        xml.line()?;
        self.locations(xml)?;
        Ok(())
    }

    fn root(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        let Manifest { study, made_at, sites, after, cursor, .. } = self.manifest;
        let oid = |cursor: &str| format!("vigil.{study}.{cursor}");
        let (own, prior) = (oid(cursor), after.as_deref().map(oid));
        let mut attributes = vec![
            ("xmlns", "http://www.cdisc.org/ns/odm/v1.3"),
            ("ODMVersion", "1.3.2"),
            ("FileType", if self.is_whole { "Snapshot" } else { "Transactional" }),
            ("FileOID", &own),
            ("CreationDateTime", made_at),
            ("Originator", "Vigil"),
            ("SourceSystem", "Vigil"),
            ("SourceSystemVersion", env!("CARGO_PKG_VERSION")),
        ];
        attributes.extend(prior.as_deref().map(|prior| ("PriorFileOID", prior)));
        match (self.is_whole, sites.len()) {
            (true, 0) => attributes.push(("Granularity", "All")),
            (true, 1) => attributes.push(("Granularity", "SingleSite")),
            _ => {}
        }
        xml.open("ODM", &attributes)?;
        Ok(xml.line()?)
    }

    fn forms(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        xml.open("Protocol", &[])?;
        xml.empty("StudyEventRef", &[("StudyEventOID", EVENT), ("OrderNumber", "1"), ("Mandatory", "No")])?;
        xml.close("Protocol")?;
        xml.line()?;
        let event = [("OID", EVENT), ("Name", "Submission"), ("Repeating", "Yes"), ("Type", "Unscheduled")];
        xml.open("StudyEventDef", &event)?;
        for name in self.forms.keys() {
            xml.empty("FormRef", &[("FormOID", &format!("F.{name}")), ("Mandatory", "No")])?;
        }
        xml.close("StudyEventDef")?;
        xml.line()?;
        for (name, form) in self.forms {
            let shown = if form.title == *name { name.clone() } else { format!("{} ({name})", form.title) };
            xml.open("FormDef", &[("OID", &format!("F.{name}")), ("Name", &shown), ("Repeating", "No")])?;
            let mut refer = |group: &str, mandatory| {
                xml.empty("ItemGroupRef", &[("ItemGroupOID", &format!("IG.{group}")), ("Mandatory", yes(mandatory))])
            };
            refer("submission", true)?;
            for (group, _) in groups(form) {
                refer(&group, false)?;
            }
            xml.close("FormDef")?;
            xml.line()?;
        }
        Ok(())
    }

    fn items(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        let own: Vec<(String, bool)> =
            SUBMISSION.iter().map(|(id, ..)| (format!("I.submission.{id}"), *id != "supersededBy")).collect();
        group(xml, "submission", own.iter().map(|(oid, required)| (oid.as_str(), *required)))?;
        for (name, items) in self.forms.values().flat_map(groups) {
            group(xml, &name, items.iter().map(|item| (item.oid.as_str(), item.required)))?;
        }
        for ((id, kind, list), (oid, _)) in SUBMISSION.iter().zip(&own) {
            let mut attributes = vec![("OID", oid.as_str()), ("Name", id), ("DataType", kind.as_str())];
            attributes.extend((*kind == Kind::Text).then_some(("Length", ID)));
            xml.open("ItemDef", &attributes)?;
            if let Some(list) = list {
                xml.empty("CodeListRef", &[("CodeListOID", list)])?;
            }
            xml.close("ItemDef")?;
            xml.line()?;
        }
        for form in self.forms.values() {
            for item in form.answers.iter().chain(&form.scores) {
                define(xml, form, item)?;
            }
        }
        Ok(())
    }

    fn lists(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        for (oid, words) in LISTS {
            list(xml, oid, Kind::Text, words.iter().map(|word| (*word, *word, None)))?;
        }
        for List { oid, kind, choices } in self.forms.values().flat_map(|form| &form.lists) {
            let choices = choices.iter().map(|it| (it.coded.as_str(), it.decode.as_str(), it.figure));
            list(xml, oid, *kind, choices)?;
        }
        Ok(())
    }

    fn locations(&self, xml: &mut Xml<impl Write>) -> Result<()> {
        if self.sites.is_empty() {
            return Ok(());
        }
        let study = self.manifest.study.as_str();
        let (version, day) = (version(self.manifest), self.manifest.made_at.split('T').next().unwrap_or_default());
        xml.open("AdminData", &[("StudyOID", study)])?;
        for site in self.sites {
            let oid = location(site.as_str());
            xml.open("Location", &[("OID", &oid), ("Name", site.as_str()), ("LocationType", "Site")])?;
            let version = [("StudyOID", study), ("MetaDataVersionOID", &version), ("EffectiveDate", day)];
            xml.empty("MetaDataVersionRef", &version)?;
            xml.close("Location")?;
        }
        xml.close("AdminData")?;
        Ok(xml.line()?)
    }
}

/// The groups of a form that have items, with their names.
fn groups(form: &Form) -> impl Iterator<Item = (String, &[Item])> {
    let all = [("answers", form.answers.as_slice()), ("scores", &form.scores)];
    all.into_iter().filter(|(_, items)| !items.is_empty()).map(|(what, items)| (format!("{}.{what}", form.name), items))
}

fn group<'a>(xml: &mut Xml<impl Write>, name: &str, items: impl Iterator<Item = (&'a str, bool)>) -> Result<()> {
    xml.open("ItemGroupDef", &[("OID", &format!("IG.{name}")), ("Name", name), ("Repeating", "No")])?;
    for (place, (oid, required)) in items.enumerate() {
        let number = (place + 1).to_string();
        xml.empty("ItemRef", &[("ItemOID", oid), ("OrderNumber", &number), ("Mandatory", yes(required))])?;
    }
    xml.close("ItemGroupDef")?;
    Ok(xml.line()?)
}

fn define(xml: &mut Xml<impl Write>, form: &Form, item: &Item) -> Result<()> {
    let list = item.list.and_then(|list| form.lists.get(list));
    let coded = list.iter().flat_map(|list| &list.choices).map(|choice| choice.coded.chars().count());
    let length = coded.max().unwrap_or_default().max(item.longest).to_string();
    let mut attributes = vec![("OID", item.oid.as_str()), ("Name", &item.name), ("DataType", item.kind.as_str())];
    attributes.extend(matches!(item.kind, Kind::Text | Kind::Unknown).then_some(("Length", length.as_str())));
    xml.open("ItemDef", &attributes)?;
    if let Some(question) = &item.question {
        xml.open("Question", &[])?;
        xml.text("TranslatedText", question)?;
        xml.close("Question")?;
    }
    let status = item.oid.starts_with(&format!("I.{}.status.", form.name)).then_some("CL.status");
    if let Some(list) = list.map(|list| list.oid.as_str()).or(status) {
        xml.empty("CodeListRef", &[("CodeListOID", list)])?;
    }
    if let Some(loinc) = &item.loinc {
        xml.empty("Alias", &[("Context", "LOINC"), ("Name", loinc)])?;
    }
    xml.close("ItemDef")?;
    Ok(xml.line()?)
}

fn list<'a>(
    xml: &mut Xml<impl Write>,
    oid: &str,
    kind: Kind,
    choices: impl Iterator<Item = (&'a str, &'a str, Option<f64>)>,
) -> Result<()> {
    xml.open("CodeList", &[("OID", oid), ("Name", oid), ("DataType", kind.as_str())])?;
    for (coded, decode, figure) in choices {
        let rank = figure.map(|figure| figure.to_string());
        let mut attributes = vec![("CodedValue", coded)];
        attributes.extend(rank.as_deref().map(|rank| ("Rank", rank)));
        xml.open("CodeListItem", &attributes)?;
        xml.open("Decode", &[])?;
        xml.text("TranslatedText", decode)?;
        xml.close("Decode")?;
        xml.close("CodeListItem")?;
    }
    xml.close("CodeList")?;
    Ok(xml.line()?)
}
