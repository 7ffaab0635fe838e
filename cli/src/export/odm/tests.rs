use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::export::run;
use crate::export::tests::{asked, fill, phq9, ring, seed, store};
use crate::tests::on_both_stores;

/// An element: its name and its attributes.
type Element = (String, BTreeMap<String, String>);

/// All elements of a file, in their order.
fn elements(path: &Path) -> Vec<Element> {
    let element = |start: &BytesStart<'_>| {
        let value = |it: quick_xml::events::attributes::Attribute<'_>| {
            let value = quick_xml::escape::unescape(&it.value).unwrap().into_owned();
            (it.key.0.to_owned(), value)
        };
        (start.name().0.to_owned(), start.attributes().map(|it| value(it.unwrap())).collect())
    };
    let (mut reader, mut piece, mut all) = (Reader::from_file(path).unwrap(), Vec::new(), Vec::new());
    loop {
        match reader.read_event_into(&mut piece).unwrap() {
            Event::Start(start) | Event::Empty(start) => all.push(element(&start)),
            Event::Eof => return all,
            _ => {}
        }
        piece.clear();
    }
}

/// The values of an attribute in all elements of a name.
fn values<'a>(all: &'a [Element], name: &str, attribute: &str) -> Vec<&'a str> {
    let own = all.iter().filter(|(own, _)| own == name);
    own.filter_map(|(_, attributes)| attributes.get(attribute).map(String::as_str)).collect()
}

fn is_unique(values: &[&str]) -> bool {
    values.iter().collect::<BTreeSet<_>>().len() == values.len()
}

#[test]
fn a_file_defines_what_it_uses_and_has_each_subject_once() {
    on_both_stores(|location, queues| {
        seed(queues, fill);
        let out = tempfile::tempdir().unwrap();
        let first = run(asked(out.path()).read().unwrap(), location, queues, &ring()).unwrap();
        let all = elements(&out.path().join("submissions.odm.xml"));
        for (definition, uses) in [
            ("StudyEventDef", &[("StudyEventRef", "StudyEventOID"), ("StudyEventData", "StudyEventOID")][..]),
            ("FormDef", &[("FormRef", "FormOID"), ("FormData", "FormOID")]),
            ("ItemGroupDef", &[("ItemGroupRef", "ItemGroupOID"), ("ItemGroupData", "ItemGroupOID")]),
            ("ItemDef", &[("ItemRef", "ItemOID"), ("ItemData", "ItemOID")]),
            ("CodeList", &[("CodeListRef", "CodeListOID")]),
            ("Location", &[("SiteRef", "LocationOID")]),
        ] {
            let defined = values(&all, definition, "OID");
            assert!(!defined.is_empty() && is_unique(&defined) && is_unique(&values(&all, definition, "Name")));
            for (element, attribute) in uses {
                for used in values(&all, element, attribute) {
                    assert!(defined.contains(&used), "{element} {used}");
                }
            }
        }
        let texts = all.iter().filter(|(name, attributes)| name == "ItemDef" && attributes["DataType"] == "text");
        assert!(texts.clone().count() > 5);
        assert!(texts.into_iter().all(|(_, attributes)| attributes.contains_key("Length")));
        let subjects = values(&all, "SubjectData", "SubjectKey");
        assert!(is_unique(&subjects) && subjects.len() == 3, "{subjects:?}");
        // Eight less the two that were erased.
        assert_eq!((values(&all, "StudyEventData", "StudyEventRepeatKey").len(), first.rows), (6, 8));
        let value = |oid: &str| {
            let of = all.iter().filter(|(name, attributes)| name == "ItemData" && attributes["ItemOID"] == oid);
            of.map(|(_, attributes)| attributes["Value"].as_str()).collect::<Vec<_>>()
        };
        assert_eq!(value("I.phq-9@1.0.0.q9"), ["LA6569-3", "LA6571-9"]);
        assert_eq!(value("I.phq-9@1.0.0.score.total"), ["9", "27"]);
        assert_eq!(value("I.phq-9@1.0.0.band.total"), ["mild", "severe"]);
        assert_eq!(value("I.diary.note"), ["=1+1, \"好\"\n\tend"]);
        assert_eq!(value("I.response.unknown.q1"), ["\u{fffd}<&>"]);
        assert_eq!((values(&all, "ODM", "FileType"), values(&all, "ODM", "PriorFileOID")), (vec!["Snapshot"], vec![]));

        seed(queues, async |redis, kv| store(redis, kv, &[phq9(9, 1)]).await);
        let next = crate::export::job::Asked { format: None, incremental: true, ..asked(out.path()) };
        run(next.read().unwrap(), location, queues, &ring()).unwrap();
        let next = elements(&out.path().join("submissions-0002.odm.xml"));
        assert_eq!(values(&next, "ODM", "FileType"), ["Transactional"]);
        assert_eq!(values(&next, "ODM", "PriorFileOID"), values(&all, "ODM", "FileOID"));
        assert_eq!(values(&next, "SubjectData", "TransactionType"), ["Upsert"]);
    });
}
