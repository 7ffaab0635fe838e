//! Images: DICOM files read as they stream in, analyses by scarce services.
//!
//! Guarantee: an image's file is never held as a whole; what is shown of it tells nobody's identity.

mod ai;
mod analyses;
mod asked;
mod call;
mod config;
mod dicom;
mod erase;
mod services;
mod subject;
mod tell;
mod worker;

use platform::http::{Incoming, Reply};
use platform::problem::{Problem, ProblemType};
use platform::{log, tally};

platform::serve!(handle);

async fn handle(incoming: Incoming) -> Reply {
    let config = match config::get().await {
        Ok(config) => config,
        Err(error) => {
            log::error("misconfigured").cause(&error).write();
            return Problem::new(ProblemType::Unavailable, "the service is not configured").into();
        }
    };
    let answer = match incoming.path.as_str() {
        "/v1/dicom/analyze" => dicom::analyze(&config, incoming).await,
        "/v1/ai/analyze" => ai::analyze(&config, incoming).await,
        path if path.starts_with("/v1/imaging/analyses") || path.starts_with("/v1/subjects/") => {
            analyses::answer(&config, incoming).await
        }
        _ => Err(Problem::not_found()),
    };
    answer.unwrap_or_else(|problem| {
        tally::refused(&config.redis, &problem, tally::UNKNOWN, tally::UNKNOWN, tally::UNKNOWN);
        Reply::from(problem)
    })
}
