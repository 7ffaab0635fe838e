//! What requests to change something have in common.

use domain::{Code, Finding};
use platform::auth::{Action, Principal};
use platform::http::Incoming;
use platform::problem::{Problem, ProblemType};
use platform::query::unknown;
use platform::settings::Changed;

use crate::config::Config;

/// Header that says why something is changed; it goes into the audit chain.
const REASON: &str = "x-change-reason";
/// The longest reason, characters.
const LONGEST_REASON: usize = 500;

/// The holder of a key that may see and change what all studies share.
pub(crate) fn configurer<'a>(config: &'a Config, incoming: &Incoming) -> Result<&'a Principal, Problem> {
    let principal = config.keys.admit(incoming.header("authorization"), Action::Configure)?;
    if principal.covers_all() {
        return Ok(principal);
    }
    Err(Problem::new(ProblemType::Forbidden, "this is shared by all studies, and the key does not cover all"))
}

/// Why something is changed, if that is said.
pub(crate) fn reason(incoming: &Incoming) -> Result<Option<String>, Problem> {
    let Some(reason) = incoming.header(REASON) else { return Ok(None) };
    let reason = reason.trim();
    if (1..=LONGEST_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control) {
        return Ok(Some(reason.to_owned()));
    }
    let rule = "the header x-change-reason must be 1 to 500 characters";
    Err(Problem::invalid(vec![Finding::new("", Code::Format, rule)]))
}

/// What a query says, and nothing that is not known.
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) version: Option<String>,
    pub(crate) dry_run: bool,
}

impl Query {
    /// Reads a query whose parameters are among `known`.
    pub(crate) fn read(incoming: &Incoming, known: &[&str]) -> Result<Self, Problem> {
        let (mut query, mut faults, mut given) = (Query::default(), Vec::new(), Vec::new());
        for parameter in incoming.query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name, value) {
                _ if !known.contains(&name) => faults.push(unknown(name, known)),
                _ if given.contains(&name) => {
                    faults.push(Finding::new("", Code::Conflict, format!("{name} may stand there once")));
                }
                ("version", "") => faults.push(Finding::new("", Code::Format, "version must not be empty")),
                ("version", value) => query.version = Some(value.to_owned()),
                (_, "true" | "") => query.dry_run = true,
                (_, "false") => query.dry_run = false,
                _ => faults.push(Finding::new("", Code::Choice, "dry-run must be true or false")),
            }
            given.push(name);
        }
        if faults.is_empty() { Ok(query) } else { Err(Problem::invalid(faults)) }
    }
}

/// The body of a request that sends JSON, as it is.
pub(crate) async fn body(incoming: Incoming, limit: usize) -> Result<Vec<u8>, Problem> {
    if !incoming.is_json() {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "send application/json"));
    }
    bytes(incoming, limit).await
}

/// A body of any type.
pub(crate) async fn bytes(incoming: Incoming, limit: usize) -> Result<Vec<u8>, Problem> {
    incoming.body(limit).await.map_err(|error| Problem::unread(error, limit))
}

/// The path takes only these methods.
pub(crate) fn only(incoming: &Incoming, methods: &[&str], allowed: &'static str) -> Result<(), Problem> {
    if methods.contains(&incoming.method) {
        return Ok(());
    }
    Err(Problem::method_not_allowed(allowed))
}

/// What became of a change.
pub(crate) fn made<T>(changed: Changed<T, Problem>) -> Result<T, Problem> {
    match changed {
        Changed::Made(made) => Ok(made),
        Changed::Refused(problem) => Err(problem),
        Changed::Busy => Err(Problem::new(ProblemType::Busy, "somebody else is changing the settings, send it again")),
    }
}
