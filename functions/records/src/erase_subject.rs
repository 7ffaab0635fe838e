//! `DELETE /v1/subjects/{pseudonym}`: removes everything that is known of a subject, for good: its submissions, its
//! analyses, its links and its identity.
//!
//! Guarantee: that of `workers::erase`, when the answer is 200. An answer of 202 says that something is left: a repeated
//! request continues.
//!
//! The pseudonym is a keyed hash, so what the patient sends later makes the same subject anew; it can be erased again.

use std::time::Duration;

use domain::ids::Pseudonym;
use platform::deadline::Deadline;
use platform::http::Reply;
use platform::kv::Store;
use platform::{clock, log};
use serde::Serialize;
use state::edge::problem::Problem;
use state::edge::request::{not_held, unavailable};
use state::edge::serve::{Call, within};
use state::erasure::subject::Begun;
use state::identity::is_pseudonym;
use state::names;
use state::wire::entry::Subject;
use workers::erase::{How, Outcome};

use crate::config::Config;
use crate::erase;

/// When less time than this is left, the request is answered.
const LAST: Duration = Duration::from_millis(700);

/// A subject whose erasure has not ended.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Erasing<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Pseudonym"))]
    pseudonym: &'a Pseudonym,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "erasing")))]
    state: &'static str,
    /// The submissions and analyses that are left, as far as they are known. Ask again.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    left: u64,
}

/// Erases a subject that the key covers, as far as there is time.
pub(crate) async fn erase(call: Call<Config>) -> Result<Reply, Problem> {
    let pseudonym = call.segment(0).to_owned();
    let Call { config, principal, incoming, deadline, .. } = call;
    let answer = async {
        let reason = erase::reason(incoming).await?;
        if !is_pseudonym(&pseudonym) {
            return Err(Problem::not_found());
        }
        let store = Store::open().await.map_err(|error| unavailable(&error))?;
        let key = names::subject(&pseudonym.as_str().into());
        let subject: Option<Subject> = store.get(&key).await.map_err(|error| unavailable(&error))?;
        let subject = subject.filter(|subject| principal.covers(&subject.study_id, &subject.site_id));
        let subject = subject.ok_or_else(Problem::not_found)?;
        let begun = Begun {
            at: clock::now().rfc3339(),
            by: principal.actor.clone(),
            reason,
            meaning: principal.meaning.clone(),
        };
        not_held(&config.redis, &subject.study_id).await?;
        let last = Deadline::after(deadline.left().saturating_sub(LAST));
        let outcome = workers::erase::subject(&config.redis, &store, &subject, begun, How::Alone, last).await;
        match outcome.map_err(|error| unavailable(&error))? {
            Outcome::Erased(certificate) => {
                log::info("subject-erased").key(&principal.id).write();
                Ok(Reply::json(200, &certificate))
            }
            Outcome::Left(left) => {
                let (pseudonym, left) = (&subject.subject, left.max(1));
                Ok(Reply::json(202, &Erasing { pseudonym, state: "erasing", left }))
            }
        }
    };
    within(deadline, &config.redis, answer).await
}
