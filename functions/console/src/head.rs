//! `GET /v1/audit/head`: the last signed head of the journals, or an earlier one, to be kept elsewhere.
//!
//! Guarantee: the answer is, byte for byte, the document that was signed. Whoever keeps it can show later that nothing
//! which it covers was changed: `vigilctl verify --head`.

use platform::http::{Incoming, Reply};
use platform::kv::Store;
use state::edge::auth::Principal;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::journal::head::Known;
use state::names;

/// Shows a head to a key that covers everything.
pub(crate) async fn show(principal: &Principal, incoming: &Incoming) -> Result<Reply, Problem> {
    principal.must_cover_all()?;
    let mut query = Query::read(&incoming.query, &["n"]);
    let number = query.take("n", "a number from 1", |text| text.parse().ok().filter(|number: &u64| *number > 0));
    query.finish()?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let document = match number {
        Some(number) => store.bytes(&names::head(number)).await.map_err(|error| unavailable(&error))?,
        None => {
            let last = store.bytes(names::HEAD_STATE).await.map_err(|error| unavailable(&error))?;
            let known = last.and_then(|last| Known::read(&String::from_utf8_lossy(&last)));
            known.map(|known| known.document.into_bytes())
        }
    };
    let document = document.ok_or_else(Problem::not_found)?;
    Ok(Reply::new(200, "application/json", document).header("cache-control", "no-store"))
}
