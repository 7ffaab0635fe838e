//! `GET /openapi.json`: the API description. It names no study and no site, and needs no key.

use miniz_oxide::inflate::decompress_to_vec;
use platform::http::Reply;
use platform::log;
use state::edge::problem::{Problem, ProblemType};

/// The API description, from which clients can be generated. `build.rs` compresses it.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.z"));

/// Returns the API description.
pub(crate) fn document() -> Result<Reply, Problem> {
    let document = decompress_to_vec(PACKED).map_err(|_| {
        log::error("description-unreadable").write();
        Problem::new(ProblemType::Unavailable, "the description cannot be unpacked")
    })?;
    Ok(Reply::new(200, "application/json", document))
}
