//! Keys and persons: creates, lists and withdraws keys; signs persons and clients in and out; tells who asks, and who looked at whose data.
//!
//! Guarantee: nobody gives away more than the own key covers, and every change has its record in an audit chain.

mod changes;
mod client;
mod config;
#[cfg(feature = "schema")]
mod describe;
mod exchange;
mod keys;
mod looks;
mod providers;
mod published;
mod sessions;
mod token;
mod whoami;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::serve::{Described, Route, described, serve};

use config::Config;

platform::serve!(handle);
state::asked!("access", config::read);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("GET", "/v1/whoami", Action::Follow, |c| {
        Box::pin(async move { whoami::show(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("GET", "/v1/keys", Action::Audit, |c| {
        Box::pin(async move { keys::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("POST", "/v1/keys", Action::Grant, |c| {
        Box::pin(async move { keys::create(&c.config, &c.principal, c.incoming).await })
    }),
    Route::key("DELETE", "/v1/keys/{key}", Action::Grant, |c| {
        Box::pin(async move { keys::withdraw(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::open("GET", "/v1/identity-providers", |incoming, _| Box::pin(sessions::providers(incoming))),
    Route::open("POST", "/v1/sessions", |incoming, _| Box::pin(sessions::begin(incoming))),
    Route::key("GET", "/v1/sessions", Action::Audit, |c| {
        Box::pin(async move { sessions::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("DELETE", "/v1/sessions", Action::Grant, |c| {
        Box::pin(async move { sessions::sign_out(&c.config, &c.principal, c.incoming).await })
    }),
    Route::key("DELETE", "/v1/sessions/{session}", Action::Follow, |c| {
        Box::pin(async move { sessions::end(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("GET", "/v1/access", Action::Audit, |c| {
        Box::pin(async move { looks::list(&c.config, &c.principal, &c.incoming).await })
    }),
];

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    serve::<Config>(incoming).await
}
