//! Codebooks of the built-in instruments: they say what scoring counts.

#![expect(clippy::unwrap_used, reason = "this is a test, and its helpers fail it")]

use domain::codebook::Codebook;
use domain::{Instrument, library};
use serde_json::{Value, json};

fn of(id: &str) -> (Instrument, Value, String) {
    let instrument = Instrument::from_json(&library::definition(id).unwrap()).unwrap();
    let codebook = Codebook::of(&instrument);
    let (value, csv) = (serde_json::to_value(&codebook).unwrap(), codebook.csv());
    (instrument, value, csv)
}

#[test]
fn the_codebook_of_the_phq_9_has_items_answers_scores_and_bands() {
    let (instrument, codebook, csv) = of("phq-9");
    assert_eq!(codebook["sha256"], instrument.hash());
    let item = &codebook["items"][8];
    assert_eq!((&item["id"], &item["kind"], &item["loinc"]), (&json!("q9"), &json!("integer"), &json!("44260-8")));
    let answers: Vec<(&Value, &Value)> =
        item["options"].as_array().unwrap().iter().map(|answer| (&answer["value"], &answer["weight"])).collect();
    assert_eq!(
        answers,
        [(&json!(0), &json!(0)), (&json!(1), &json!(1)), (&json!(2), &json!(2)), (&json!(3), &json!(3))]
    );
    let total = &codebook["scores"][0];
    assert_eq!((&total["id"], &total["low"], &total["high"]), (&json!("total"), &json!(0), &json!(27)));
    assert_eq!(total["bands"][1], json!({"id": "mild", "label": "Mild", "from": 5, "below": 10}));
    for line in ["answer,q9,Several days,LA6569-3,1,1,,\r\n", "band,total,Mild,mild,,,5,10\r\n"] {
        assert!(csv.contains(line), "{line} {csv}");
    }
}

#[test]
fn every_codebook_has_all_items_and_scores_and_whole_lines() {
    for id in library::ids() {
        let (instrument, codebook, csv) = of(id);
        let ids = |list: &str| -> Vec<String> {
            codebook[list].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids("items"), instrument.item_ids().collect::<Vec<_>>(), "{id}");
        assert_eq!(ids("scores"), instrument.score_ids().collect::<Vec<_>>(), "{id}");
        let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        for (entry, list) in [("item", "items"), ("score", "scores")] {
            let found: Vec<&str> = lines.iter().filter(|line| &line[0] == entry).map(|line| &line[1]).collect();
            assert_eq!(found, ids(list), "{id}");
        }
    }
}
