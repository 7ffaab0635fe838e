//! `POST /v1/validate`: reports the faults of all rows. It stores nothing; a fault in one row does not hide another's.
//!
//! Of a row without faults it also tells whether its study would take it in.

use domain::{Code, Finding};
use platform::clock;
use platform::http::{Incoming, Reply};
use serde::Serialize;
use state::edge::auth::Action;
use state::edge::problem::{Findings, Problem};

use crate::document::Accepted;
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
    let (now, mut budget, mut rows) = (clock::now(), Budget::new(), Vec::new());
    let (mut sound, mut documents) = (Vec::new(), Vec::new());
    loop {
        let row = match source.next().await {
            Ok(_) if rows.len() == MOST_ROWS => return Err(End::TooManyRows.problem(MOST_ROWS)),
            Ok(row) => row,
            Err(End::Complete) => break,
            Err(end) => return Err(end.problem(MOST_ROWS)),
        };
        let mut findings = match row::read(&config, &settings, &row, now).await {
            Ok(accepted) => match crate::batch::covered(&principal, accepted) {
                Ok(Accepted { envelope, .. }) => {
                    sound.push(rows.len());
                    let scope = [envelope.study_id.as_str(), "|", envelope.site_id.as_str()].concat();
                    documents.push((scope, envelope.authored_at.millis()));
                    Vec::new()
                }
                Err(findings) => findings,
            },
            Err(Unread::Faults(findings)) => findings,
            Err(Unread::Unavailable) => return Err(End::Unavailable.problem(MOST_ROWS)),
        };
        let valid = findings.is_empty();
        let more_errors = budget.cut(&mut findings);
        rows.push(CheckedRow { index: rows.len(), valid, errors: Findings(findings), more_errors });
    }
    let refused = source.deadline().run(config.door.studies.not_taken(&config.redis, &documents)).await;
    let Ok(Ok(refused)) = refused else { return Err(End::Unavailable.problem(MOST_ROWS)) };
    for (index, why) in sound.into_iter().zip(refused) {
        if let (Some(row), Some(why)) = (rows.get_mut(index), why) {
            let finding = Finding::new(why.pointer(), Code::Forbidden, why.reason());
            *row = CheckedRow { index, valid: false, errors: Findings(vec![finding]), more_errors: 0 };
        }
    }
    let valid = rows.iter().all(|row| row.valid);
    Ok(Reply::json(200, &Validation { valid, rows }))
}
