//! `POST /v1/validate`: reports the faults of all rows. It stores nothing; a fault in one row does not hide another's.

use platform::clock;
use platform::http::{Incoming, Reply};
use serde_json::{Value, json};
use state::edge::auth::Action;
use state::edge::problem::Problem;

use crate::row::{self, Budget, End, Rows, Unread};

/// The most rows of a request.
const MOST_ROWS: usize = 1000;

pub(crate) async fn check(incoming: Incoming) -> Result<Reply, Problem> {
    if incoming.method != "POST" {
        return Err(Problem::method_not_allowed("POST"));
    }
    let config = crate::configured().await?;
    let principal = config.keys.admit(incoming.header("authorization"), Action::Submit)?.clone();
    let mut source = Rows::of(incoming, MOST_ROWS)?;

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
        let more = budget.cut(&mut findings);
        let mut shown = json!({"index": rows.len(), "valid": valid, "errors": row::shown(&findings)});
        if let (1.., Some(members)) = (more, shown.as_object_mut()) {
            members.insert("moreErrors".to_owned(), more.into());
        }
        rows.push(shown);
    }
    Ok(Reply::json(200, &json!({"valid": all_valid, "rows": Value::Array(rows)})))
}
