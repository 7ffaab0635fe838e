//! Measures how many responses one core scores per second.
//!
//! `cargo bench -p domain --bench scoring` prints three figures for each instrument: scoring alone; reading the
//! answers, scoring and deciding alerts; and the time to read a definition.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints what it measured"
)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use domain::{Instrument, library};
use serde_json::{Map, Value};

/// Runs `work` in five periods of a tenth of a second and returns the rounds per second of the best period.
fn rate(mut work: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut rounds = 0u64;
            while start.elapsed() < Duration::from_millis(100) {
                (0..16).for_each(|_| work());
                rounds += 16;
            }
            rounds as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

fn main() {
    println!("{:<20} {:>6} {:>14} {:>18} {:>12}", "instrument", "answer", "scored/s", "read to alerts/s", "load, µs");
    for (id, answer) in [
        ("phq-9", 0),
        // Every item 1: an alert is raised.
        ("phq-9", 1),
        ("gad-7", 1),
        ("rand-36", 1),
        ("eortc-qlq-c30", 1),
        ("koos", 1),
        ("pro-ctcae-composite", 1),
        ("eq-5d-5l", 1),
        ("eq-5d-3l", 1),
        ("eq-5d-5l-nice-dsu-map-to-3l-uk", 1),
    ] {
        let definition = library::definition(id).unwrap();
        let instrument = Instrument::from_json(&definition).unwrap();
        let answers: Map<String, Value> = instrument.item_ids().map(|id| (id.into(), Value::from(answer))).collect();
        let parameters = instrument.parameters(&BTreeMap::new()).unwrap();
        let read = instrument.read(&answers).unwrap();
        let score = rate(|| {
            black_box(instrument.score(black_box(&read), &parameters));
        });
        let whole = rate(|| {
            let read = instrument.read(black_box(&answers)).unwrap();
            let scores = instrument.score(&read, &parameters);
            black_box(instrument.alerts(&read, &scores, None));
        });
        let load = rate(|| {
            black_box(Instrument::from_json(black_box(&definition)).unwrap());
        });
        println!("{id:<20} {answer:>6} {score:>14.0} {whole:>18.0} {:>12.1}", 1e6 / load);
    }
}
