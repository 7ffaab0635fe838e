//! For operators and orchestrators: health, readiness, one round of the workers by hand, and a test message to
//! a receiver.
//!
//! It links all workers, because a round runs their code. So their components need not run.

mod config;
#[cfg(feature = "schema")]
mod describe;
mod drain;
mod health;
mod test_message;

#[cfg(feature = "schema")]
pub use describe::describe;
use platform::http::{Incoming, Reply};
use state::edge::auth::Action;
use state::edge::problem::Problem;
use state::edge::serve::{Component as _, Described, Route, described, serve};

use config::Config;

platform::serve!(handle);
state::asked!("ops", config::check);

/// The paths, and who may call them.
pub(crate) const ROUTES: &[Route<Config>] = &[
    Route::key("POST", "/v1/ops/drain", Action::Operate, |c| {
        Box::pin(async move { drain::answer(&c.principal).await })
    }),
    Route::key("POST", "/v1/receivers/{receiver}/test", Action::Operate, |c| {
        Box::pin(async move { test_message::send(&c.config, &c.principal, &c.incoming, c.segment(0)).await })
    }),
    Route::open("GET", "/healthz", |_, _| Box::pin(async { Ok(Reply::json(200, &health::Health { status: "ok" })) })),
    Route::open("GET", "/readyz", |_, _| Box::pin(ready())),
];

/// The paths of this component, and who may call them.
pub fn routes() -> Vec<Described> {
    described(ROUTES)
}

async fn handle(incoming: Incoming) -> Reply {
    serve::<Config>(incoming).await
}

async fn ready() -> Result<Reply, Problem> {
    Ok(match Config::config().await {
        Ok(config) => health::ready(&config).await,
        Err(faults) => health::unready(faults).await,
    })
}
