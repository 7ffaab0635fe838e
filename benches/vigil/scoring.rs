//! Splits the time of a worker's batch into scoring and storing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::app::Ground;
use crate::table::{Goal, Table};

/// The number of measured batches; as many run before them to warm up.
const BATCHES: usize = 40;

/// The gauge takes batches of 256 PHQ-9 responses through the parts of a worker's work and returns the time of each
/// part; the median of each part counts. The comparison is between scoring, with reading the answers and the alert
/// rules, and the transaction of the store. Building the records counts to neither, nor does Redis.
pub(crate) fn batch(table: &mut Table) -> Result<()> {
    let ground = Ground::new()?;
    let host = ground.start(&["gauge"], None)?;
    let mut parts: [Vec<u64>; 4] = Default::default();
    for number in 0..2 * BATCHES {
        let mut stream = TcpStream::connect(host.address)?;
        stream.write_all(b"GET /gauge HTTP/1.1\r\nhost: vigil\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let took: Value = serde_json::from_str(body).with_context(|| answer.clone())?;
        for (part, name) in parts.iter_mut().zip(["read", "score", "putTogether", "store"]) {
            let micros = took[name].as_u64().context("a part is not told")?;
            part.extend((number >= BATCHES).then_some(micros));
        }
    }
    let [read, score, together, store] = parts.map(|mut part| {
        part.sort_unstable();
        part[part.len() / 2] as f64
    });
    let note = format!(
        "of 256 PHQ-9: entries read {read:.0} µs, scored {score:.0} µs, records put together {together:.0} µs, stored {store:.0} µs"
    );
    table.ratio("scoring ÷ storing of a batch", score / store, Goal::AtMost(1.0), &note);
    Ok(())
}
