//! `GET /v1/analytes`: which laboratory results are known, by which codes, in which units, and from where they are graded.

use domain::intake::ReportKind;
use domain::{lab, report_rules};
use platform::auth::Action;
use platform::http::{Incoming, Reply};
use platform::problem::Problem;

use crate::config::Config;
use crate::request::{Query, only};

/// The panel, with the rules that come with Vigil. A study's own rules are in the document `alert-rules`.
pub(crate) fn list(config: &Config, incoming: &Incoming) -> Result<Reply, Problem> {
    only(incoming, &["GET"], "GET")?;
    config.keys.admit(incoming.header("authorization"), Action::Follow)?;
    Query::read(incoming, &[])?;
    let rules = report_rules::written(ReportKind::Lab).map_err(Problem::invalid)?;
    Ok(Reply::json(200, &lab::panel(rules.as_array().map_or(&[], Vec::as_slice))))
}
