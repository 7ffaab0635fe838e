//! `GET /openapi.json`: what every path takes and answers. It names no study and no site, and needs no key.

use platform::http::Reply;

/// The description, as a client may generate code from it.
const DOCUMENT: &str = include_str!("openapi.json");

/// The description.
pub(crate) fn document() -> Reply {
    Reply::new(200, "application/json", DOCUMENT)
}
