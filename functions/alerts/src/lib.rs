//! For clinicians: alerts and the actions on them, the links in messages, and silences. For operators: the receivers of
//! messages, and subscriptions to events.
//!
//! Guarantee: a key sees and changes only what its study, site and role cover; everything else looks as if it did not
//! exist.

mod alerts;
mod behind;
mod config;
#[cfg(feature = "schema")]
mod describe;
mod links;
mod list;
mod receivers;
mod silences;
mod subscriptions;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::deadline::{Deadline, HEADER};
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::problem::Problem;
use state::edge::request::misconfigured;
use state::edge::serve::{Call, Component as _, Described, Route, answer, described, refused, within};
use state::edge::signature::Signing;

use alerts::{ACKNOWLEDGE, NOTE, REOPEN, RESOLVE};
use config::Config;

platform::serve!(handle);
state::asked!("alerts", config::read);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("GET", "/v1/alerts", Action::Read, |c| {
        Box::pin(async move { list::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("GET", "/v1/alerts/{alert}", Action::Read, |c| {
        Box::pin(async move { alerts::show(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("POST", "/v1/alerts/{alert}/acknowledge", Action::Attend, |c| Box::pin(attend(c, ACKNOWLEDGE))),
    Route::key("POST", "/v1/alerts/{alert}/resolve", Action::Attend, |c| Box::pin(attend(c, RESOLVE)))
        .signed(Signing::Always),
    Route::key("POST", "/v1/alerts/{alert}/reopen", Action::Attend, |c| Box::pin(attend(c, REOPEN))),
    Route::key("POST", "/v1/alerts/{alert}/notes", Action::Attend, |c| Box::pin(attend(c, NOTE))),
    Route::key("POST", "/v1/alerts/{alert}/assign", Action::Attend, |c| {
        Box::pin(async move {
            let alert = c.segment(0).to_owned();
            alerts::assign(&c.config, &c.principal, c.incoming, &alert).await
        })
    }),
    Route::open("GET", "/v1/acknowledge/{token}", |incoming, token| Box::pin(link(incoming, token))),
    Route::open("POST", "/v1/acknowledge/{token}", |incoming, token| Box::pin(link(incoming, token))),
    Route::key("GET", "/v1/silences", Action::Silence, |c| {
        Box::pin(async move { silences::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("POST", "/v1/silences", Action::Silence, |c| {
        Box::pin(async move { silences::begin(&c.config, &c.principal, c.incoming).await })
    }),
    Route::key("DELETE", "/v1/silences/{silence}", Action::Silence, |c| {
        Box::pin(async move { silences::end(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("GET", "/v1/receivers", Action::Operate, |c| {
        Box::pin(async move { receivers::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("POST", "/v1/receivers/{receiver}/enable", Action::Operate, |c| {
        Box::pin(async move { receivers::enable(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::key("GET", "/v1/subscriptions", Action::Operate, |c| {
        Box::pin(async move { subscriptions::list(&c.config, &c.principal, &c.incoming).await })
    }),
    Route::key("POST", "/v1/subscriptions/{subscription}/replay", Action::Operate, |c| {
        let subscription = c.segment(0).to_owned();
        Box::pin(async move { subscriptions::replay(&c.config, &c.principal, c.incoming, &subscription).await })
    }),
];

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    // A browser that opens a link gets a page, also for a refusal.
    let page = links::page(&incoming);
    match answer::<Config>(incoming).await {
        Ok(reply) => reply,
        Err(problem) => {
            let problem = refused::<Config>(problem).await;
            match page {
                Some(language) => links::failed(language, problem),
                None => Reply::from(problem),
            }
        }
    }
}

async fn attend(call: Call<Config>, act: alerts::Operation) -> Result<Reply, Problem> {
    let alert = call.segment(0).to_owned();
    alerts::attend(&call.config, &call.principal, call.incoming, &alert, act).await
}

/// No API key is needed here: the link's token is the key.
async fn link(incoming: Incoming, token: Vec<String>) -> Result<Reply, Problem> {
    let deadline = Deadline::after_or_sooner(Config::TOTAL, incoming.header(HEADER));
    let config = Config::config().await.map_err(|faults| misconfigured(&faults))?;
    let token = token.first().map_or("", String::as_str);
    within(deadline, &config.redis, links::answer(&config, incoming, token)).await
}
