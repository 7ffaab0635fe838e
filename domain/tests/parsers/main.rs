//! The parsers under many cases: JSON, documents, rows of a batch, FHIR resources, texts that hold identities.
//!
//! Each property has an oracle beside "no panic": what is sound is accepted and comes out as it went in; what was made
//! faulty is refused with a finding at the very place; of what was planted nothing is left.
//!
//! `PROPTEST_CASES` says how many cases each property gets. A million of each, in a few minutes:
//! `PROPTEST_CASES=1000000 cargo test --release -p domain --test parsers`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod choices;
mod documents;
mod fhir;
mod identities;
mod policies;
mod reading;
mod rows;
mod samples;

use proptest::prelude::ProptestConfig;

/// Cases of each property where nobody says how many.
const CASES: u32 = 1000;

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(CASES), failure_persistence: None, ..ProptestConfig::default() }
}
