//! For administrators and operators: change configuration documents and instruments while Vigil runs; manage dead letters
//! and links between subjects; read audit chains, counters and metrics.
//!
//! Guarantee: a change is checked as a whole before it is stored, has its record in an audit chain, and is in force for
//! everything that arrives after the answer. A version never changes; earlier versions stay readable.

mod analytes;
mod audit;
mod config;
mod dead_letters;
#[cfg(feature = "schema")]
mod describe;
mod documents;
mod erasure;
mod examples;
mod figures;
mod head;
mod hidden;
mod instruments;
mod rescore;
mod scope;
mod stats;
mod subject_links;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::query::Query;
use state::edge::serve::{Described, Route, described, serve};
use state::edge::signature::Signing;

use config::Config;

platform::serve!(handle);
state::asked!("console", config::read);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("GET", "/v1/config", Action::Configure, |c| {
        Box::pin(async move { documents::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("GET", "/v1/config/{document}", Action::Configure, |c| {
        Box::pin(async move { documents::show(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("PUT", "/v1/config/{document}", Action::Configure, |c| {
        let document = c.segment(0).to_owned();
        Box::pin(async move { documents::replace(&c.config, &c.principal, c.incoming, &document).await })
    })
    .signed(Signing::When(stores)),
    Route::key("GET", "/v1/analytes", Action::Follow, |c| Box::pin(async move { analytes::list(&c.incoming) })),
    Route::key("GET", "/v1/instruments", Action::Follow, |c| {
        Box::pin(async move { instruments::list(&c.config, &c.incoming).await })
    }),
    Route::key("GET", "/v1/instruments/{instrument}", Action::Follow, |c| {
        Box::pin(async move { instruments::show(&c.config, &c.incoming, c.segment(0)).await })
    }),
    Route::key("GET", "/v1/instruments/{instrument}/codebook", Action::Follow, |c| {
        Box::pin(async move { instruments::codebook(&c.config, &c.incoming, c.segment(0)).await })
    }),
    Route::key("PUT", "/v1/instruments/{instrument}", Action::Configure, |c| {
        let instrument = c.segment(0).to_owned();
        Box::pin(async move { instruments::store(&c.config, &c.principal, c.incoming, &instrument).await })
    })
    .signed(Signing::When(stores)),
    Route::key("POST", "/v1/instruments/{instrument}/rescore", Action::Configure, |c| {
        let instrument = c.segment(0).to_owned();
        Box::pin(async move { rescore::answer(&c.config, &c.principal, c.incoming, &instrument).await })
    }),
    Route::key("GET", "/v1/audit/head", Action::Audit, |c| {
        Box::pin(async move { head::show(&c.principal, &c.incoming).await })
    }),
    Route::key("GET", "/v1/audit/{kind}/{id}", Action::Audit, |c| {
        Box::pin(async move { audit::show(&c.config, &c.principal, c.segment(0), c.segment(1)).await })
    }),
    Route::key("GET", "/v1/studies/{study}/erasure", Action::Audit, |c| {
        Box::pin(async move { erasure::show(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("GET", "/v1/stats/sites", Action::Read, |c| {
        Box::pin(async move { stats::sites(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("GET", "/metrics", Action::Measure, |c| {
        Box::pin(async move { stats::metrics(&c.config, &c.principal).await })
    }),
    Route::key("GET", "/v1/subjects/{pseudonym}/links", Action::Read, |c| {
        Box::pin(async move { subject_links::list(&c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("POST", "/v1/subjects/{pseudonym}/links", Action::Link, |c| {
        let subject = c.segment(0).to_owned();
        Box::pin(async move { subject_links::begin(&c.config, &c.principal, c.incoming, &subject).await })
    }),
    Route::key("DELETE", "/v1/subjects/{pseudonym}/links/{to}", Action::Link, |c| {
        let (subject, to) = (c.segment(0).to_owned(), c.segment(1).to_owned());
        Box::pin(async move { subject_links::end(&c.config, &c.principal, c.incoming, &subject, &to).await })
    }),
    Route::key("GET", "/v1/dead-letters", Action::Operate, |c| {
        Box::pin(async move { dead_letters::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("POST", "/v1/dead-letters/replay", Action::Operate, |c| {
        Box::pin(async move { dead_letters::replay(&c.config, &c.principal, c.incoming).await })
    }),
];

/// Whether a request stores what it sends: a dry run does not.
fn stores(incoming: &Incoming) -> bool {
    !Query::read(&incoming.query, &["dry-run"]).flag("dry-run")
}

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    serve::<Config>(incoming).await
}
