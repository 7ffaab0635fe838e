//! `GET /v1/studies/{study}/report?month=YYYY-MM`: one month of a study, from several services and Vigil's own counts,
//! as JSON, CSV or a web page.
//!
//! Guarantee: one deadline, as for a patient's record. The gathered data is cached for a minute and serves every
//! request in any format. The entity tag of an answer changes only when its content changes.

use domain::ids::{StudyId, is_name};
use domain::paper::STYLE;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

#[cfg(feature = "schema")]
use domain::schema::Name;
use domain::{Code, Timestamp};
use futures::FutureExt as _;
use platform::deadline::Deadline;
use platform::digest::{hex, measure};
use platform::http::{Pieces, Reply, accept};
use platform::trace::Trace;
use platform::{Kind, log};
use serde::Serialize;
use serde_json::{Value, json};
use state::cache::{self, Response, Terms};
use state::edge::looks::Whose;
use state::edge::parts::Parts;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::{is_known, unavailable};
use state::edge::serve::Call;
use state::figures::monthly::{self, Month};

use crate::config::Config;
use crate::gather::{Failure, Part, gather};
use crate::page;
use state::edge::services::{OWN, Outcome};

/// The time for which the gathered data is valid.
const TERMS: Terms =
    Terms { fresh: Duration::from_secs(60), stale: Duration::from_secs(60), negative: Duration::from_secs(1) };
/// Gathering ends before the waiting requests give up, so that they learn which part was late.
const GATHERING: Duration = Duration::from_millis(2900);
/// All severities, the worst first.
const SEVERITIES: [&str; 4] = ["critical", "high", "moderate", "info"];

/// A month of a study.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct MonthlyReport<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    study_id: &'a StudyId,
    month: &'a str,
    parts: Parts,
}

/// Vigil's own part: its counts.
#[derive(Serialize)]
struct Own<'a> {
    days: Vec<Day<'a>>,
    sites: Vec<Site<'a>>,
    alerts: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Day<'a> {
    day: &'a str,
    submissions: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Site<'a> {
    site_id: &'a str,
    submissions: u64,
}

/// The format of a report.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Csv,
    Html,
}

/// Shows the report of a month.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let study = call.segment(0);
    let (deadline, principal, config, incoming) = (call.deadline, &call.principal, &call.config, &call.incoming);
    if !is_name(study) || study.bytes().all(|byte| byte == b'.') {
        return Err(Problem::not_found());
    }
    principal.saw(Whose::default().study(study));
    if !principal.covers(&study.into(), &"*".into()) {
        return Err(Problem::not_found());
    }
    let mut query = Query::read(&incoming.query, &["month", "format", "partial"]);
    let month = query.text("month").unwrap_or_default();
    if days(&month).is_empty() {
        let code = if month.is_empty() { Code::Required } else { Code::Format };
        query.fault("month", code, "must be a month such as 2026-03");
    }
    let form = form(&mut query, incoming.header("accept"));
    let partial = query.flag("partial");
    query.finish()?;

    let ask = Ask { config: Rc::clone(config), study: study.into(), month, trace: incoming.trace.clone() };
    let report = if partial {
        // An incomplete report is not shared with other requests.
        ask.gather(deadline, true).await.map_err(Problem::from)?
    } else {
        kept(ask, deadline).await?
    };
    let (content_type, pieces): (&str, Pieces<Value>) = match form {
        Form::Json => ("application/json", |report| Box::new(std::iter::once(report.to_string()))),
        Form::Csv => ("text/csv; charset=utf-8", page::csv),
        Form::Html => ("text/html; charset=utf-8", page::html),
    };
    // The pieces are written twice and never held as a whole: first to compute length and tag, which are sent before
    // them, then to send them.
    let (length, digest) = measure(pieces(&report));
    let tag = format!("\"{}\"", hex(digest.get(..16).unwrap_or_default()));
    let reply = if is_known(incoming, &tag) {
        Reply::empty(304)
    } else {
        Reply::streamed(200, content_type, length, report, pieces)
    };
    let reply = match form {
        Form::Html => reply.page(STYLE),
        Form::Csv | Form::Json => reply.header("x-content-type-options", "nosniff"),
    };
    Ok(reply.header("etag", tag).header("cache-control", "private, no-cache").header("vary", "accept"))
}

/// The requested format: from the query, or else from the header `Accept`.
fn form(query: &mut Query, accept: Option<&str>) -> Form {
    match query.text("format").as_deref() {
        Some("json") => Form::Json,
        Some("csv") => Form::Csv,
        Some("html") => Form::Html,
        Some(_) => {
            query.fault("format", Code::Choice, "must be json, csv or html");
            Form::Json
        }
        None => match accept::media_type(accept, &["application/json", "text/csv", "text/html"]) {
            Some("text/csv") => Form::Csv,
            Some("text/html") => Form::Html,
            _ => Form::Json,
        },
    }
}

/// The days of a month; empty if the text is not a month.
fn days(month: &str) -> Vec<String> {
    let form = |(index, byte): (usize, u8)| if index == 4 { byte == b'-' } else { byte.is_ascii_digit() };
    if month.len() != 7 || !month.bytes().enumerate().all(form) {
        return Vec::new();
    }
    let days = (1..=31).map(|day| format!("{month}-{day:02}"));
    days.filter(|day| Timestamp::parse(&format!("{day}T00:00:00Z")).is_some()).collect()
}

/// The cached report, or a new one.
async fn kept(ask: Ask, deadline: Deadline) -> Result<Value, Problem> {
    let (redis, name) = (ask.config.redis.clone(), format!("report:{}:{}", ask.study, ask.month));
    let late = || Problem::new(ProblemType::DeadlinePassed, "the services behind did not answer in time");
    let gathered = || async move {
        match ask.gather(Deadline::after(GATHERING), false).await {
            Ok(report) => Response::Found(report.to_string()),
            Err(failure) => Response::Failed(platform::kv::json(&failure).unwrap_or_default()),
        }
    };
    let kept = cache::read(&redis, &name, TERMS, deadline, gathered).await.map_err(|error| match error.kind {
        Kind::TimedOut => late(),
        Kind::Unavailable | Kind::Refused => unavailable(&error),
    })?;
    match kept.said {
        Response::Found(report) => Ok(serde_json::from_str(&report).unwrap_or_default()),
        Response::Failed(failure) => {
            Err(serde_json::from_str::<Failure>(&failure).map_or_else(|_| late(), Problem::from))
        }
        Response::Absent => Err(Problem::not_found()),
    }
}

/// The parameters of the request.
struct Ask {
    config: Rc<Config>,
    study: StudyId,
    month: String,
    trace: Trace,
}

impl Ask {
    async fn gather(&self, deadline: Deadline, partial: bool) -> Result<Value, Failure> {
        let values = [("{studyId}", self.study.as_str()), ("{month}", self.month.as_str())];
        let parts = self.config.report_parts.iter().map(|service| {
            let work = if service.name == OWN {
                self.own().boxed_local()
            } else {
                service.call(&values, &self.trace, deadline).boxed_local()
            };
            Part { name: &service.name, required: service.required, work }
        });
        let parts = gather(&self.config.redis, parts.collect(), deadline, partial).await?;
        Ok(json!(MonthlyReport { study_id: &self.study, month: &self.month, parts }))
    }

    /// Vigil's own counts.
    async fn own(&self) -> Outcome {
        match monthly::read(&self.config.redis, &self.study, &self.month).await {
            Ok(month) => Outcome::Ok(json!(own(&days(&self.month), &month))),
            Err(error) => {
                log::error("read-failed").cause(&error).write();
                Outcome::Unreachable
            }
        }
    }
}

fn own<'a>(days: &'a [String], month: &'a Month) -> Own<'a> {
    let on = |number: usize| month.submissions.iter().filter(move |((day, _), _)| usize::from(*day) == number);
    let days = (1..)
        .zip(days)
        .map(|(number, day)| Day { day, submissions: on(number).map(|(_, count)| count).sum() })
        .collect();
    let mut sites = BTreeMap::<&str, u64>::new();
    for ((_, site), count) in &month.submissions {
        *sites.entry(site).or_default() += count;
    }
    let sites = sites.into_iter().map(|(site_id, submissions)| Site { site_id, submissions }).collect();
    let of = |severity: &str| month.alerts.get(severity).copied().unwrap_or(0);
    let alerts = SEVERITIES.into_iter().map(|severity| (severity, of(severity))).collect();
    Own { days, sites, alerts }
}
