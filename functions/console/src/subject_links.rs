//! `GET`, `POST /v1/subjects/{pseudonym}/links` and `DELETE /v1/subjects/{pseudonym}/links/{to}`: which subjects are one
//! person.
//!
//! Guarantee: only an administrator whose key covers both subjects links them or takes a link back, with a reason, and
//! both subjects' audit chains say so. See [`platform::linked`] for what follows from a link.

use domain::{Code, Finding};
use platform::auth::{Action, Principal};
use platform::entry::Subject;
use platform::erasure::{reason, texts};
use platform::http::{Incoming, Reply};
use platform::identity::is_pseudonym;
use platform::kv::Store;
use platform::linked::{self, Changed, MOST, Said};
use platform::problem::{Problem, ProblemType};
use platform::{clock, log, names};
use serde_json::json;

use crate::away;
use crate::config::Config;
use crate::request::{Query, body, only};

/// The longest body, bytes.
const LARGEST: usize = 4096;

/// The links of a subject, or a new one.
pub(crate) async fn answer(config: &Config, incoming: Incoming, pseudonym: &str) -> Result<Reply, Problem> {
    only(&incoming, &["GET", "POST"], "GET, POST")?;
    let action = if incoming.method == "GET" { Action::Read } else { Action::Link };
    let principal = config.keys.admit(incoming.header("authorization"), action)?;
    Query::read(&incoming, &[])?;
    let store = Store::open().await.map_err(|error| away(&error))?;
    let subject = find(&store, principal, pseudonym).await?.ok_or_else(Problem::not_found)?;
    if action == Action::Read {
        let links = linked::of(&store, pseudonym).await.map_err(|error| away(&error))?;
        return Ok(Reply::json(200, &json!({"subject": pseudonym, "links": links.links})));
    }
    let [to, reason] = texts(&body(incoming, LARGEST).await?, ["to", "reason"])?;
    let invalid = |code, rule: String| Problem::invalid(vec![Finding::new("/to", code, rule)]);
    let other = find(&store, principal, &to).await?.filter(|other| other.study_id == subject.study_id);
    let Some(other) = other else {
        return Err(invalid(Code::Choice, "must be a subject of the same study that the key covers".to_owned()));
    };
    if other.subject == subject.subject {
        return Err(invalid(Code::Conflict, "must be another subject".to_owned()));
    }
    match change(config, principal, true, [&subject, &other], &reason).await? {
        Changed::Already => Err(invalid(Code::Conflict, "is linked already, perhaps by way of others".to_owned())),
        Changed::TooMany => Err(invalid(Code::Range, format!("would give the person more than {MOST} subjects"))),
        Changed::Made | Changed::Busy => {
            let document = json!({"subject": pseudonym, "to": to, "siteId": other.site_id, "state": "linked"});
            Ok(Reply::json(201, &document).header("location", format!("/v1/subjects/{pseudonym}/links/{to}")))
        }
    }
}

/// Takes a link back.
pub(crate) async fn end(config: &Config, incoming: Incoming, pseudonym: &str, to: &str) -> Result<Reply, Problem> {
    only(&incoming, &["DELETE"], "DELETE")?;
    let principal = config.keys.admit(incoming.header("authorization"), Action::Link)?;
    Query::read(&incoming, &[])?;
    let reason = reason(&body(incoming, LARGEST).await?)?;
    let store = Store::open().await.map_err(|error| away(&error))?;
    let subject = find(&store, principal, pseudonym).await?.ok_or_else(Problem::not_found)?;
    let other = find(&store, principal, to).await?.ok_or_else(Problem::not_found)?;
    match change(config, principal, false, [&subject, &other], &reason).await? {
        Changed::Made => Ok(Reply::json(200, &json!({"subject": pseudonym, "to": to, "state": "unlinked"}))),
        Changed::Already | Changed::TooMany | Changed::Busy => Err(Problem::not_found()),
    }
}

async fn change(
    config: &Config,
    principal: &Principal,
    link: bool,
    [one, other]: [&Subject; 2],
    reason: &str,
) -> Result<Changed, Problem> {
    let at = clock::now().rfc3339();
    let said = Said { at: &at, by: &principal.id, reason };
    match linked::change(&config.redis, link, one, other, said).await.map_err(|error| away(&error))? {
        Changed::Busy => Err(Problem::new(ProblemType::Busy, "somebody else is linking subjects, send it again")),
        changed => {
            if changed == Changed::Made {
                let outcome = if link { "linked" } else { "unlinked" };
                log::info("subjects-linked").key(&principal.id).outcome(outcome).write();
            }
            Ok(changed)
        }
    }
}

/// A subject that the key covers.
async fn find(store: &Store, principal: &Principal, pseudonym: &str) -> Result<Option<Subject>, Problem> {
    if !is_pseudonym(pseudonym) {
        return Ok(None);
    }
    let subject: Option<Subject> = store.get(&names::subject(pseudonym)).await.map_err(|error| away(&error))?;
    Ok(subject.filter(|subject| principal.covers(&subject.study_id, &subject.site_id)))
}
