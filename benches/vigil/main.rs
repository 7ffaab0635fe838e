//! `cargo bench`: how fast Vigil is, as ratios to a floor measured in the same run.
//!
//! The floor is a component on the same host that does the least a door must do: one script appends the body to a
//! stream, and the answer has no body. Absolute figures of one machine say little about another; ratios do. The
//! function of each part of the table says how it measures; `cargo bench -- door latency` runs only those parts.
//!
//! It measures and reports; it does not judge. Its exit status is always 0.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the table goes to standard output, and a wrong index ends nothing but a measurement"
)]

mod app;
mod dicom;
mod figures;
mod growth;
mod inboxes;
mod load;
mod peer;
mod reads;
mod scoring;
mod table;

use std::time::Instant;

use load::Ids;
use table::Table;

/// The parts of the table, in the order they run.
const PARTS: [&str; 12] = [
    "door",
    "inboxes",
    "peer",
    "drain",
    "scoring",
    "latency",
    "depth",
    "growth",
    "record",
    "dicom",
    "size",
    "instantiation",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == app::HOST) {
        if let Err(error) = app::serve() {
            eprintln!("the host: {error:#}");
            std::process::exit(1);
        }
        return;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("this runs by `cargo bench`");
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |part: &str| wanted.is_empty() || wanted.iter().any(|name| part.contains(name.as_str()));
    if let Err(error) = app::build() {
        println!("nothing was measured: {error:#}");
        return;
    }
    let began = Instant::now();
    let mut table = Table::default();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(measure(&mut table, chosen)),
        Err(error) => table.failed("runtime", &error.into()),
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("\n{}\n", table.text());
    println!(
        "{cores} cores, shared by the load, the host and Redis (appendfsync always); 64 connections; {:.0} s",
        began.elapsed().as_secs_f64()
    );
}

async fn measure(table: &mut Table, chosen: impl Fn(&str) -> bool) {
    let ids = Ids::default();
    for part in PARTS.into_iter().filter(|part| chosen(part)) {
        eprintln!("measuring: {part}");
        let measured = match part {
            "door" => figures::door(table, &ids).await,
            "inboxes" => inboxes::inboxes(table, &ids).await,
            "peer" => peer::peer(table, &ids).await,
            "drain" => figures::drain(table, &ids).await,
            "scoring" => scoring::batch(table),
            "latency" => figures::latency(table, &ids).await,
            "depth" => figures::depth(table, &ids).await,
            "growth" => growth::growth(table, &ids).await,
            "record" => reads::reads(table, &ids).await,
            "dicom" => dicom::dicom(table, &ids).await,
            "size" => figures::size(table),
            _ => figures::instantiation(table, &ids).await,
        };
        if let Err(error) = measured {
            table.failed(part, &error);
        }
    }
}
