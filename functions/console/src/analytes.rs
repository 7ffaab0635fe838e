//! `GET /v1/analytes`: the laboratory results that Vigil knows, with their codes, units and grading thresholds.

use domain::intake::ReportKind;
use domain::{lab, report_rules};
use platform::http::{Incoming, Reply};
use state::edge::problem::Problem;
use state::edge::query::Query;

/// The panel, with the rules that come with Vigil. A study's own rules are in the document `alert-rules`.
pub(crate) fn list(incoming: &Incoming) -> Result<Reply, Problem> {
    Query::none(&incoming.query)?;
    let rules = report_rules::written(ReportKind::Lab).map_err(Problem::invalid)?;
    Ok(Reply::json(200, &lab::panel(rules.as_array().map_or(&[], Vec::as_slice))))
}
