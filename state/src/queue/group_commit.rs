//! Group commit of single submissions.
//!
//! Guarantee: each submission has its own outcome, as if it had gone in alone. A sender that is gone delays no other.
//!
//! Mechanism: one enqueue script runs per instance. Requests that arrive meanwhile queue up. When it ends, the oldest
//! waiter becomes leader and sends them all in one script, which costs little more than a script for one. Each waiter
//! reads a stream; dropping the writer wakes it. If a leader is dropped, its waiters wake without an outcome and start
//! over: sending a submission twice does no harm.

use domain::ids::{KeyId, SubmissionId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use platform::Error;
use platform::redis::{Redis, unexpected};
use spin_sdk::wasip3::wit_stream;
use spin_sdk::wit_bindgen::{StreamReader, StreamWriter};

use crate::queue::door::{Door, Enqueued, Submission};

/// The most submissions in one script.
const MOST: usize = 32;

#[derive(Default)]
struct Waiters {
    /// A script is under way.
    led: bool,
    waiting: VecDeque<Waiting>,
}

thread_local! {
    static WAITERS: RefCell<Waiters> = RefCell::default();
}

/// A submission that waits for a leader.
struct Waiting {
    revision: String,
    id: SubmissionId,
    record: Vec<u8>,
    scope: String,
    kind: String,
    flow: String,
    cost: usize,
    payload: String,
    written_ms: i64,
    own: String,
    outcome: Outcome,
    _bell: StreamWriter<u8>,
}

/// The cell in which a waiter finds its notification.
type Outcome = Rc<Cell<Option<Notification>>>;

enum Notification {
    /// The outcome of its submission.
    Ended(Result<Enqueued, Error>),
    /// It leads the next script.
    Lead(Leader),
}

/// The right to run a script. Dropping it makes the oldest waiter the next leader.
struct Leader;

impl Leader {
    /// None while another request leads.
    fn take() -> Option<Self> {
        let taken = WAITERS.with_borrow_mut(|waiters| std::mem::replace(&mut waiters.led, true));
        if taken { None } else { Some(Leader) }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let next = WAITERS.with_borrow_mut(|waiters| {
            let next = waiters.waiting.pop_front();
            waiters.led = next.is_some();
            next
        });
        // A waiter whose sender is gone drops this leader, which wakes the next.
        if let Some(next) = next {
            next.outcome.set(Some(Notification::Lead(Leader)));
        }
    }
}

impl Waiting {
    /// Queues up. Returns where the notification will be, and the stream that wakes.
    fn begin(revision: &str, submission: &Submission<'_>) -> (Outcome, StreamReader<u8>) {
        let (bell, reader) = wit_stream::new();
        let outcome = Outcome::default();
        let waiting = Waiting {
            revision: revision.to_owned(),
            id: submission.id.to_owned(),
            record: submission.record.to_owned(),
            scope: submission.scope.to_owned(),
            kind: submission.kind.to_owned(),
            flow: submission.flow.to_owned(),
            cost: submission.cost,
            payload: submission.payload.to_owned(),
            written_ms: submission.written_ms,
            own: submission.own.to_owned(),
            outcome: Rc::clone(&outcome),
            _bell: bell,
        };
        WAITERS.with_borrow_mut(|waiters| waiters.waiting.push_back(waiting));
        (outcome, reader)
    }

    /// Takes the waiters that were checked by the settings of this revision: they may share a script.
    fn take(revision: &str) -> Vec<Self> {
        WAITERS.with_borrow_mut(|waiters| {
            let fits = waiters.waiting.iter().take(MOST - 1).take_while(|one| one.revision == revision).count();
            let mut taken: Vec<Waiting> = waiters.waiting.drain(..fits).collect();
            taken.retain(|one| Rc::strong_count(&one.outcome) > 1);
            taken
        })
    }

    fn submission(&self) -> Submission<'_> {
        let Waiting { id, record, scope, kind, flow, cost, payload, written_ms, own, .. } = self;
        Submission { id, record, scope, kind, flow, cost: *cost, payload, written_ms: *written_ms, own, amends: None }
    }
}

impl Door {
    /// Enqueues one submission as [`Door::enqueue`] does, in a group with others that arrived while a script was
    /// running. With rate limits each goes in alone, and so does an amendment.
    ///
    /// # Errors
    /// As [`Door::enqueue`].
    pub async fn enqueue_one(
        &self,
        redis: &Redis,
        key: &KeyId,
        revision: &str,
        submission: Submission<'_>,
    ) -> Result<Enqueued, Error> {
        let alone = |mut outcomes: Vec<Enqueued>| outcomes.pop().ok_or_else(|| unexpected("enqueue"));
        if self.is_limited() || submission.amends.is_some() {
            return self.enqueue(redis, key, revision, &[submission]).await.and_then(alone);
        }
        let leader = loop {
            if let Some(leader) = Leader::take() {
                break leader;
            }
            let (outcome, mut reader) = Waiting::begin(revision, &submission);
            let _ = reader.read(Vec::with_capacity(1)).await;
            match outcome.take() {
                Some(Notification::Ended(outcome)) => return outcome,
                Some(Notification::Lead(leader)) => break leader,
                None => {}
            }
        };
        let others = Waiting::take(revision);
        let together: Vec<Submission<'_>> =
            [submission].into_iter().chain(others.iter().map(Waiting::submission)).collect();
        let outcomes = self.enqueue(redis, key, revision, &together).await;
        drop(leader);
        let mut outcomes = outcomes.inspect_err(|error| {
            for one in &others {
                one.outcome.set(Some(Notification::Ended(Err(error.clone()))));
            }
        })?;
        let theirs = outcomes.split_off(1);
        for (one, outcome) in others.iter().zip(theirs) {
            one.outcome.set(Some(Notification::Ended(Ok(outcome))));
        }
        alone(outcomes)
    }
}
