//! `POST /v1/validate`: reports the faults of all rows. It stores nothing; a fault in one row does not hide another's.

use platform::clock;
use platform::http::{Incoming, Reply};
use serde::Serialize;
use state::edge::auth::Action;
use state::edge::problem::{Findings, Problem};

use crate::row::{self, Budget, End, Rows, Unread};

/// The most rows of a request.
const MOST_ROWS: usize = 1000;

/// The findings of all rows.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Validation {
    /// Whether no row has a finding.
    valid: bool,
    rows: Vec<CheckedRow>,
}

/// The findings of a row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct CheckedRow {
    /// The number of the row, from 0.
    index: usize,
    valid: bool,
    errors: Findings,
    /// The number of findings that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

pub(crate) async fn check(incoming: Incoming) -> Result<Reply, Problem> {
    if incoming.method != "POST" {
        return Err(Problem::method_not_allowed("POST"));
    }
    let config = crate::configured().await?;
    let principal = config.keys.admit(&config.redis, &incoming, Action::Submit).await?;
    let mut source = Rows::of(incoming)?;

    let settings = crate::batch::settings(&config, source.deadline()).await?;
    let (now, mut budget, mut all_valid, mut rows) = (clock::now(), Budget::new(), true, Vec::new());
    loop {
        let row = match source.next().await {
            Ok(_) if rows.len() == MOST_ROWS => return Err(End::TooManyRows.problem(MOST_ROWS)),
            Ok(row) => row,
            Err(End::Complete) => break,
            Err(end) => return Err(end.problem(MOST_ROWS)),
        };
        let mut findings = match row::read(&config, &settings, &row, now).await {
            Ok(accepted) => crate::batch::covered(&principal, accepted).err().unwrap_or_default(),
            Err(Unread::Faults(findings)) => findings,
            Err(Unread::Unavailable) => return Err(End::Unavailable.problem(MOST_ROWS)),
        };
        let valid = findings.is_empty();
        all_valid &= valid;
        let more_errors = budget.cut(&mut findings);
        rows.push(CheckedRow { index: rows.len(), valid, errors: Findings(findings), more_errors });
    }
    Ok(Reply::json(200, &Validation { valid: all_valid, rows }))
}
