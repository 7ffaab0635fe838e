//! `POST /v1/reports/batch`: many reports and responses at once.
//!
//! Guarantee: every row has an outcome of its own, and only `accepted` and `duplicate` mean that the row is on the
//! stream. A batch may be resent at any time: a row is recognised by its client id, or else by its content
//! (idempotency).
//!
//! Mechanism: rows are split off while the body arrives, so that memory holds only one row and one chunk of checked
//! rows. While one script appends a chunk, the next chunk is read and checked. A chunk is appended as a whole or not at
//! all; if an upload breaks off, the chunks before the break stay. The time for the upload grows with its bytes.

use domain::ids::{KeyId, SubmissionId};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use domain::rows::Row;
#[cfg(feature = "schema")]
use domain::schema::{Removed, Time, Uuid};
use domain::{Code, Finding, Timestamp};
use futures::future::join;
use platform::deadline::{Deadline, TimedOut};
use platform::http::{Incoming, Reply};
use platform::trace::Trace;
use platform::{clock, log};
use serde::{Serialize, Serializer};
use state::edge::auth::{Action, Principal};
use state::edge::problem::{FindingShape, Problem, STUDY_ERASING};
use state::edge::refusal_log;
use state::identity;
use state::queue::{self, Enqueued, UNCOMPARED};
use state::settings::Settings;
use state::settings::studies::Own;

use crate::attribution::Attribution;
use crate::config::Config;
use crate::document::{Accepted, Ready};
use crate::row::{self, Budget, End, Rows, Unread};

/// The most rows of a batch that are processed.
const MOST_ROWS: usize = 5000;
/// The most rows that the answer has an outcome for; rows beyond are counted.
const MOST_LISTED: usize = 2 * MOST_ROWS;
/// The most rows of one script.
const CHUNK_ROWS: usize = 256;
/// The most bytes of one script; the last row may exceed it.
const CHUNK_BYTES: usize = 512 * 1024;

/// The outcome of a row.
enum Outcome {
    Accepted { id: SubmissionId, removed: BTreeMap<String, u32> },
    Duplicate { id: SubmissionId },
    Conflict { id: SubmissionId, first: String },
    Rejected { findings: Vec<Finding>, more: usize },
    NotProcessed,
}

/// A row that waits to be appended.
struct Prepared {
    index: usize,
    ready: Ready,
}

struct Batch {
    config: Rc<Config>,
    /// The settings in force when the batch arrived; all its rows are checked by them.
    settings: Settings,
    principal: Principal,
    trace: Trace,
    /// When the batch arrived. What was read of a study before is not believed.
    arrived: Instant,
    now: Timestamp,
    source: Rows,
    outcomes: Vec<Outcome>,
    /// The number of rows after those that are listed.
    unlisted: usize,
    budget: Budget,
    /// Why no more rows are read.
    end: Option<End>,
}

pub(crate) async fn accept(incoming: Incoming) -> Result<Reply, Problem> {
    if incoming.method != "POST" {
        return Err(Problem::method_not_allowed("POST"));
    }
    let arrived = Instant::now();
    let config = crate::configured().await?;
    let principal = config.keys.admit(&config.redis, &incoming, Action::Submit).await?;
    let trace = incoming.trace.clone();
    let minimal = incoming.header("prefer").is_some_and(|prefer| prefer.contains("return=minimal"));
    let source = Rows::of(incoming)?;
    let settings = settings(&config, source.deadline()).await?;
    let (outcomes, budget, now) = (Vec::new(), Budget::new(), clock::now());
    let mut batch =
        Batch { config, settings, principal, trace, arrived, now, source, outcomes, unlisted: 0, budget, end: None };
    let end = batch.run().await;
    batch.reply(end, minimal)
}

/// The settings in force, for many rows.
pub(crate) async fn settings(config: &Config, deadline: Deadline) -> Result<Settings, Problem> {
    deadline.run(crate::in_force(config)).await.unwrap_or_else(|TimedOut| {
        config.redis.forget();
        Err(crate::unavailable())
    })
}

/// A row whose study and site the key covers.
pub(crate) fn covered(principal: &Principal, accepted: Accepted) -> Result<Accepted, Vec<Finding>> {
    if principal.covers(&accepted.envelope.study_id, &accepted.envelope.site_id) {
        return Ok(accepted);
    }
    Err(vec![Finding::new("/studyId", Code::Forbidden, "the key does not cover this study and site")])
}

impl Batch {
    /// Processes rows until the batch ends.
    async fn run(&mut self) -> End {
        let mut chunk = self.collect().await;
        loop {
            if self.end == Some(End::BrokenOff) {
                return End::BrokenOff;
            }
            let (config, principal, deadline) =
                (Rc::clone(&self.config), self.principal.clone(), self.source.deadline());
            let (sent, next) = join(send(&config, &principal.id, deadline, &chunk), self.collect()).await;
            if let Err(end) = self.settle(chunk, sent) {
                self.pass_over(end).await;
                return end;
            }
            match self.end {
                Some(end) if next.is_empty() => {
                    if matches!(end, End::TooManyRows | End::Unavailable) {
                        self.pass_over(end).await;
                    }
                    return end;
                }
                _ => chunk = next,
            }
        }
    }

    /// Reads and checks rows until a chunk is full or no more come.
    async fn collect(&mut self) -> Vec<Prepared> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while self.end.is_none() && chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let index = self.outcomes.len();
            match self.source.next().await {
                Ok(_) if index == MOST_ROWS => {
                    self.outcomes.push(Outcome::NotProcessed);
                    self.end = Some(End::TooManyRows);
                }
                Ok(row) => match self.prepare(&row).await {
                    Ok(ready) => {
                        bytes += ready.payload.len();
                        self.outcomes.push(Outcome::NotProcessed);
                        chunk.push(Prepared { index, ready });
                    }
                    Err(Unread::Unavailable) => {
                        self.outcomes.push(Outcome::NotProcessed);
                        self.end = Some(End::Unavailable);
                    }
                    Err(Unread::Faults(mut findings)) => {
                        Attribution::of_row(&row, &self.principal).count_row(&self.config.redis);
                        let more = self.budget.cut(&mut findings);
                        self.outcomes.push(Outcome::Rejected { findings, more });
                    }
                },
                Err(end) => self.end = Some(end),
            }
        }
        chunk
    }

    async fn prepare(&self, row: &Row) -> Result<Ready, Unread> {
        let read = row::read(&self.config, &self.settings, row, self.now).await?;
        let accepted = covered(&self.principal, read)?;
        let own = Own::since(&self.config.redis, &accepted.envelope.study_id, self.arrived).await;
        let own = own.map_err(|_| Unread::Unavailable)?;
        let policy = crate::policy(&self.config, &self.settings, &own).await.map_err(|_| Unread::Unavailable)?;
        accepted
            .into_submission(&self.config, policy.as_deref(), &self.principal, &self.trace, self.now, None)
            .map_err(|_| vec![Finding::new("", Code::Format, "cannot be put together")].into())
    }

    /// Notes the outcome of a chunk. Returns an error if it ends the batch.
    fn settle(&mut self, chunk: Vec<Prepared>, sent: Result<Vec<Enqueued>, End>) -> Result<(), End> {
        let mut end = Ok(());
        for (prepared, enqueued) in chunk.into_iter().zip(sent?) {
            let Ready { id, removed, scope, kind, .. } = prepared.ready;
            let outcome = match enqueued {
                Enqueued::Queued => Outcome::Accepted { id, removed },
                Enqueued::Duplicate(first) => Outcome::Duplicate { id: identity::received_at(&id, first) },
                Enqueued::Conflict(first) => {
                    Outcome::Conflict { id: identity::received_at(&id, first), first: first.rfc3339() }
                }
                Enqueued::NotTaken(why) => {
                    let mut place = Attribution::default();
                    place.of_scope(&scope, kind);
                    place.count_row(&self.config.redis);
                    let finding = Finding::new(why.pointer(), Code::Forbidden, why.reason());
                    Outcome::Rejected { findings: vec![finding], more: 0 }
                }
                Enqueued::Full => {
                    end = Err(End::Capacity);
                    Outcome::NotProcessed
                }
                Enqueued::Quota => {
                    end = end.and(Err(End::Quota));
                    Outcome::NotProcessed
                }
                Enqueued::Erasing => {
                    let findings = vec![Finding::new("", Code::Conflict, STUDY_ERASING)];
                    Outcome::Rejected { findings, more: 0 }
                }
                Enqueued::Limited(seconds) => {
                    end = end.and(Err(End::Limited(seconds)));
                    Outcome::NotProcessed
                }
                // A row never amends another and is not compared with the settings, so only an erased one gets here.
                Enqueued::Gone
                | Enqueued::AmendsUnknown
                | Enqueued::AmendsOther
                | Enqueued::AmendsGone
                | Enqueued::NotCurrent
                | Enqueued::Stale => {
                    let rule = "was erased and cannot be sent again";
                    Outcome::Rejected { findings: vec![Finding::new("", Code::Conflict, rule)], more: 0 }
                }
            };
            if let Some(place) = self.outcomes.get_mut(prepared.index) {
                *place = outcome;
            }
        }
        end
    }

    /// Reads the rows that are not processed any more, so that the answer has an outcome for each, and a true count.
    async fn pass_over(&mut self, end: End) {
        refusal_log::write(&self.config.redis, "batch-ended", Some(&self.principal.id), end.as_str());
        while self.source.next().await.is_ok() {
            match self.outcomes.len() {
                ..MOST_LISTED => self.outcomes.push(Outcome::NotProcessed),
                _ => self.unlisted += 1,
            }
        }
    }

    fn reply(self, end: End, minimal: bool) -> Result<Reply, Problem> {
        let mut shown = BatchOutcome {
            accepted: 0,
            duplicate: 0,
            conflict: 0,
            rejected: 0,
            not_processed: self.unlisted,
            send_from: None,
            ended: end.as_str(),
            rows: ShownRows { outcomes: &self.outcomes, minimal },
        };
        for (index, outcome) in self.outcomes.iter().enumerate() {
            match outcome.status() {
                Status::Accepted => shown.accepted += 1,
                Status::Duplicate => shown.duplicate += 1,
                Status::Conflict => shown.conflict += 1,
                Status::Rejected => shown.rejected += 1,
                Status::NotProcessed => {
                    shown.not_processed += 1;
                    shown.send_from.get_or_insert(index);
                }
            }
        }
        if end != End::Complete {
            shown.send_from.get_or_insert(self.outcomes.len());
        }
        if end != End::Complete && shown.accepted + shown.duplicate == 0 {
            return Err(end.problem(MOST_ROWS));
        }
        let mut reply = Reply::json(202, &shown);
        if minimal {
            reply = reply.header("preference-applied", "return=minimal");
        }
        Ok(match end {
            End::Limited(seconds) => reply.header("retry-after", seconds.to_string()),
            End::Capacity | End::Quota | End::Unavailable | End::Deadline => reply.header("retry-after", "2"),
            _ => reply,
        })
    }
}

/// The outcome of every row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct BatchOutcome<'a> {
    accepted: usize,
    duplicate: usize,
    conflict: usize,
    rejected: usize,
    not_processed: usize,
    /// The index of the first row that was not processed: send again from there. Absent where every row was.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_from: Option<usize>,
    /// Why no more rows were taken.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = crate::row::ENDS)))]
    ended: &'static str,
    /// With `Prefer: return=minimal`, only those that are neither accepted nor duplicates.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<RowOutcome<'_>>"))]
    rows: ShownRows<'a>,
}

/// The rows of an answer, written one by one, so that memory never holds the answer twice.
struct ShownRows<'a> {
    outcomes: &'a [Outcome],
    minimal: bool,
}

impl Serialize for ShownRows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |status| !self.minimal || !matches!(status, Status::Accepted | Status::Duplicate);
        let rows = self.outcomes.iter().enumerate().filter(|(_, outcome)| shown(outcome.status()));
        serializer.collect_seq(rows.map(|(index, outcome)| outcome.shown(index)))
    }
}

/// The status of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    /// It is on the stream.
    Accepted,
    /// It was received before.
    Duplicate,
    /// Other content was received under its id.
    Conflict,
    /// It breaks rules.
    Rejected,
    /// It may be sent again.
    NotProcessed,
}

/// A row as the answer shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
struct RowOutcome<'a> {
    /// The number of the row, from 0.
    index: usize,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Uuid>"))]
    submission_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Removed>"))]
    removed: Option<&'a BTreeMap<String, u32>>,
    /// The time when the other content under its id arrived, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    first_received_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FindingShape<'a>>>,
    /// The number of findings that are left out: those beyond 100 of a row, and beyond 512 KiB of all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_errors: Option<usize>,
}

impl Outcome {
    fn status(&self) -> Status {
        match self {
            Outcome::Accepted { .. } => Status::Accepted,
            Outcome::Duplicate { .. } => Status::Duplicate,
            Outcome::Conflict { .. } => Status::Conflict,
            Outcome::Rejected { .. } => Status::Rejected,
            Outcome::NotProcessed => Status::NotProcessed,
        }
    }

    /// The row as the answer shows it.
    fn shown(&self, index: usize) -> RowOutcome<'_> {
        let row = RowOutcome {
            index,
            status: self.status(),
            submission_id: None,
            removed: None,
            first_received_at: None,
            errors: None,
            more_errors: None,
        };
        match self {
            Outcome::Accepted { id, removed } => RowOutcome {
                submission_id: Some(id.as_str()),
                removed: Some(removed).filter(|it| !it.is_empty()),
                ..row
            },
            Outcome::Duplicate { id } => RowOutcome { submission_id: Some(id.as_str()), ..row },
            Outcome::Conflict { id, first } => {
                RowOutcome { submission_id: Some(id.as_str()), first_received_at: Some(first), ..row }
            }
            Outcome::Rejected { findings, more } => RowOutcome {
                errors: Some(FindingShape::all(findings)),
                more_errors: Some(*more).filter(|more| *more > 0),
                ..row
            },
            Outcome::NotProcessed => row,
        }
    }
}

/// Appends a chunk by one script.
async fn send(config: &Config, key: &KeyId, deadline: Deadline, chunk: &[Prepared]) -> Result<Vec<Enqueued>, End> {
    let submissions: Vec<queue::Submission<'_>> = chunk
        .iter()
        .map(|Prepared { ready, .. }| queue::Submission {
            id: &ready.id,
            record: &ready.record,
            scope: &ready.scope,
            kind: ready.kind,
            flow: &ready.flow,
            cost: ready.cost,
            payload: &ready.payload,
            written_ms: ready.written_ms,
            own: UNCOMPARED,
            amends: None,
        })
        .collect();
    match deadline.run(config.door.enqueue(&config.redis, key, "", &submissions)).await {
        Ok(Ok(outcomes)) => Ok(outcomes),
        Ok(Err(error)) => {
            log::error("enqueue-failed").cause(&error).write();
            Err(End::Unavailable)
        }
        Err(TimedOut) => {
            config.redis.forget();
            log::error("enqueue-failed").cause(&TimedOut).write();
            Err(End::Deadline)
        }
    }
}
