//! Property tests of the parsers: JSON, documents, rows of a batch, FHIR resources, texts with identities.
//!
//! Each property has an oracle besides "no panic". Valid input is accepted and comes out unchanged. Input with a
//! planted fault is refused with a finding at exactly that place. No planted identity survives.
//!
//! `PROPTEST_CASES` sets the number of cases of each property. A million cases each take a few minutes:
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

/// The default number of cases of each property.
const CASES: u32 = 1000;

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(CASES), failure_persistence: None, ..ProptestConfig::default() }
}
