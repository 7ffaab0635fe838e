//! `GET`, `POST /v1/subjects/{pseudonym}/links` and `DELETE /v1/subjects/{pseudonym}/links/{to}`: links subjects that
//! are one person.
//!
//! Guarantee: only an administrator whose key covers both subjects adds or removes a link. Each change needs a reason
//! and is recorded in the audit chains of both subjects. See [`state::subjects::links`] for the effect of a link.

use domain::ids::SiteId;
#[cfg(feature = "schema")]
use domain::schema::Name;
use domain::{Code, Finding};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::{clock, log};
use serde::Serialize;
use state::edge::auth::Principal;
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{body, unavailable};
use state::erasure::{reason, texts};
use state::identity::is_pseudonym;
use state::names;
use state::subjects::links::{self, Author, Changed, Link, MOST};
use state::wire::entry::Subject;

use crate::config::Config;

/// The longest body, bytes.
const LARGEST: usize = 4096;

/// The links of a subject.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Links<'a> {
    subject: &'a str,
    /// In the order in which they were made.
    links: Vec<Link>,
}

/// A link that was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Linked<'a> {
    subject: &'a str,
    to: &'a str,
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    site_id: &'a SiteId,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "linked")))]
    state: &'static str,
}

/// A link that was removed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Unlinked<'a> {
    subject: &'a str,
    to: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "unlinked")))]
    state: &'static str,
}

/// Lists the links of a subject.
pub(crate) async fn list(principal: &Principal, incoming: &Incoming, pseudonym: &str) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    find(&store, principal, pseudonym).await?.ok_or_else(Problem::not_found)?;
    principal.saw(Whose::default());
    let links = links::of(&store, &pseudonym.into()).await.map_err(|error| unavailable(&error))?;
    Ok(Reply::json(200, &Links { subject: pseudonym, links: links.links }))
}

/// Links a subject to another of the same study.
pub(crate) async fn begin(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    pseudonym: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let subject = find(&store, principal, pseudonym).await?.ok_or_else(Problem::not_found)?;
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
            let document = Linked { subject: pseudonym, to: &to, site_id: &other.site_id, state: "linked" };
            Ok(Reply::json(201, &document).header("location", format!("/v1/subjects/{pseudonym}/links/{to}")))
        }
    }
}

/// Removes a link.
pub(crate) async fn end(
    config: &Config,
    principal: &Principal,
    incoming: Incoming,
    pseudonym: &str,
    to: &str,
) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let reason = reason(&body(incoming, LARGEST).await?)?;
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let subject = find(&store, principal, pseudonym).await?.ok_or_else(Problem::not_found)?;
    let other = find(&store, principal, to).await?.ok_or_else(Problem::not_found)?;
    match change(config, principal, false, [&subject, &other], &reason).await? {
        Changed::Made => Ok(Reply::json(200, &Unlinked { subject: pseudonym, to, state: "unlinked" })),
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
    let said = Author { at: &at, by: &principal.actor, reason };
    match links::change(&config.redis, link, one, other, said).await.map_err(|error| unavailable(&error))? {
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

/// A subject that the key covers and that is not erased.
async fn find(store: &Store, principal: &Principal, pseudonym: &str) -> Result<Option<Subject>, Problem> {
    if !is_pseudonym(pseudonym) {
        return Ok(None);
    }
    principal.asks(Whose::default().subject(pseudonym));
    let subject: Option<Subject> =
        store.get(&names::subject(&pseudonym.into())).await.map_err(|error| unavailable(&error))?;
    if let Some(it) = &subject {
        principal.asks(Whose::at(&it.study_id, &it.site_id));
    }
    let there = |it: &Subject| principal.covers(&it.study_id, &it.site_id) && !it.sealed.is_empty();
    Ok(subject.filter(there))
}
