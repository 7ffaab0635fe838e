//! Answers for FHIR clients: a [`Problem`] as an `OperationOutcome`, a page of a search as a `Bundle`.

use domain::fhir::outcome::operation_outcome;
use domain::fhir::search::is_format;
use platform::http::{Incoming, Reply};
use platform::percent::encode;
use platform::trace::Trace;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::edge::problem::{Problem, ProblemType};
use crate::edge::query::Query;

/// The content type of FHIR's JSON.
pub const FHIR_JSON: &str = "application/fhir+json";

/// A problem as an `OperationOutcome`. The pointers of its findings point into `resource`, the resource's type.
pub fn outcome(problem: Problem, resource: &str) -> Reply {
    let code = issue_code(problem.kind());
    let trace = Trace::current();
    let trace = trace.as_ref().map(Trace::as_str);
    let document = operation_outcome(resource, code, problem.detail(), problem.findings(), trace);
    let mut reply = Reply::new(problem.status(), FHIR_JSON, document.to_string());
    if let Some((name, value)) = problem.into_header() {
        reply = reply.header(name, value);
    }
    reply
}

/// The most bytes of the resources of a page. One that is longer than that is a page by itself.
const LARGEST_PAGE: usize = 4 * 1024 * 1024;
/// The default and the highest number of resources on a page.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

/// Takes the parameters that every search has: `_count`, which it gives, and `_format`.
pub fn paging(query: &mut Query) -> usize {
    query.take("_format", "json", |text| is_format(text).then_some(()));
    query.number("_count", PAGE, 1..=LONGEST_PAGE)
}

/// A page of a search: a `Bundle` of the type `searchset`.
#[derive(Serialize)]
pub struct Searchset {
    #[serde(rename = "resourceType")]
    resource_type: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Only where the page has everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    link: Vec<Link>,
    // FHIR does not allow empty lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry>,
    /// The address of FHIR's paths.
    #[serde(skip)]
    base: String,
    #[serde(skip)]
    most: usize,
    #[serde(skip)]
    bytes: usize,
}

#[derive(Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

#[derive(Serialize)]
struct Entry {
    #[serde(rename = "fullUrl")]
    full_url: String,
    resource: Box<RawValue>,
    search: Match,
}

#[derive(Serialize)]
struct Match {
    mode: &'static str,
}

impl Searchset {
    /// An empty page for a request that asks for so many resources at most.
    pub fn new(incoming: &Incoming, most: usize) -> Self {
        let origin = incoming.origin().unwrap_or_default();
        let own = [&origin, &incoming.path, "?", &incoming.query].concat();
        Searchset {
            resource_type: "Bundle",
            kind: "searchset",
            total: None,
            link: vec![Link { relation: "self", url: own.trim_end_matches('?').to_owned() }],
            entry: Vec::new(),
            base: origin + "/fhir",
            most,
            bytes: 0,
        }
    }

    /// Whether no other resource fits.
    pub fn is_full(&self) -> bool {
        self.entry.len() >= self.most || self.bytes >= LARGEST_PAGE
    }

    /// Adds a resource, unless it is there.
    pub fn push(&mut self, resource: &Value) {
        let member = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let full_url = [&self.base, "/", member("resourceType"), "/", member("id")].concat();
        if self.entry.iter().any(|entry| entry.full_url == full_url) {
            return;
        }
        if let Ok(resource) = to_raw_value(resource) {
            self.bytes += resource.get().len();
            self.entry.push(Entry { full_url, resource, search: Match { mode: "match" } });
        }
    }

    /// The reply. `next` is the cursor of the next page, if there is one.
    pub fn reply(mut self, next: Option<&str>) -> Reply {
        let own = self.link.first().map(|link| link.url.clone()).unwrap_or_default();
        let (path, query) = own.split_once('?').unwrap_or((&own, ""));
        let is_cursor = |parameter: &&str| parameter.starts_with("cursor=");
        if let Some(cursor) = next {
            let kept = query.split('&').filter(|parameter| !parameter.is_empty() && !is_cursor(parameter));
            let query: Vec<String> = kept.map(str::to_owned).chain([["cursor=", &encode(cursor)].concat()]).collect();
            self.link.push(Link { relation: "next", url: [path, "?", &query.join("&")].concat() });
        } else if !query.split('&').any(|parameter| is_cursor(&parameter)) {
            self.total = Some(self.entry.len());
        }
        Reply::new(200, FHIR_JSON, serde_json::to_vec(&self).unwrap_or_default()).header("cache-control", "no-store")
    }
}

/// The code of an issue, from FHIR's list.
fn issue_code(kind: ProblemType) -> &'static str {
    match kind {
        ProblemType::Malformed => "structure",
        ProblemType::Unauthenticated => "login",
        ProblemType::Forbidden | ProblemType::SignatureRequired | ProblemType::NotTaken => "forbidden",
        ProblemType::NotFound => "not-found",
        ProblemType::MethodNotAllowed | ProblemType::UnsupportedMediaType => "not-supported",
        ProblemType::RequestTimedOut | ProblemType::DeadlinePassed => "timeout",
        ProblemType::Conflict | ProblemType::PreconditionFailed | ProblemType::PreconditionRequired => "conflict",
        ProblemType::Gone => "deleted",
        ProblemType::TooLarge => "too-long",
        ProblemType::Invalid => "invalid",
        ProblemType::TooManyRequests | ProblemType::Busy => "throttled",
        ProblemType::BadGateway | ProblemType::Unavailable => "transient",
    }
}
