//! Submissions that come one by one and go in together.
//!
//! Guarantee: each has its own outcome, as if it had gone in alone; one whose sender is gone holds up no other.
//!
//! Mechanism: an instance has one script for single submissions under way at a time. What comes meanwhile waits for its
//! end and goes in together, for a script for many costs little more than a script for one. Whoever ran the script hands
//! its turn to the one that has waited longest, which takes the others along. Each listens to a stream whose other end
//! lies with what is to be sent; to drop it is to wake. Who is woken and told nothing, because the one that took it along
//! was dropped, starts over: to send a submission twice does no harm.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use spin_sdk::wasip3::wit_stream;
use spin_sdk::wit_bindgen::{StreamReader, StreamWriter};

use super::door::{Door, Enqueued, Submission};
use super::nonsense;
use crate::error::Error;
use crate::redis::Redis;

/// The most that go in together.
const MOST: usize = 32;

#[derive(Default)]
struct Row {
    /// Somebody has the turn.
    taken: bool,
    waiting: VecDeque<Waiting>,
}

thread_local! {
    static ROW: RefCell<Row> = RefCell::default();
}

/// A submission that waits to be taken along.
struct Waiting {
    revision: String,
    id: String,
    mark: String,
    scope: String,
    kind: String,
    flow: String,
    cost: usize,
    payload: String,
    told: Told,
    _bell: StreamWriter<u8>,
}

/// What its sender is told.
type Told = Rc<Cell<Option<News>>>;

enum News {
    /// What became of it.
    Ended(Result<Enqueued, Error>),
    /// It is its turn to run a script.
    Turn(Turn),
}

/// The right to have a script under way. It goes to whoever has waited longest when it is dropped.
struct Turn;

impl Turn {
    /// None if somebody has it.
    fn take() -> Option<Self> {
        let taken = ROW.with_borrow_mut(|row| std::mem::replace(&mut row.taken, true));
        if taken { None } else { Some(Turn) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = ROW.with_borrow_mut(|row| {
            let next = row.waiting.pop_front();
            row.taken = next.is_some();
            next
        });
        // If its sender is gone, this turn is dropped with it, and goes to the next.
        if let Some(next) = next {
            next.told.set(Some(News::Turn(Turn)));
        }
    }
}

impl Waiting {
    /// Waits in the row. Gives where the news will lie, and what to listen to.
    fn begin(revision: &str, submission: &Submission<'_>) -> (Told, StreamReader<u8>) {
        let (bell, reader) = wit_stream::new();
        let told = Told::default();
        let waiting = Waiting {
            revision: revision.to_owned(),
            id: submission.id.to_owned(),
            mark: submission.mark.to_owned(),
            scope: submission.scope.to_owned(),
            kind: submission.kind.to_owned(),
            flow: submission.flow.to_owned(),
            cost: submission.cost,
            payload: submission.payload.to_owned(),
            told: Rc::clone(&told),
            _bell: bell,
        };
        ROW.with_borrow_mut(|row| row.waiting.push_back(waiting));
        (told, reader)
    }

    /// Those that wait and may go in with a submission checked by the settings of this revision.
    fn take(revision: &str) -> Vec<Self> {
        ROW.with_borrow_mut(|row| {
            let fits = row.waiting.iter().take(MOST - 1).take_while(|one| one.revision == revision).count();
            let mut taken: Vec<Waiting> = row.waiting.drain(..fits).collect();
            taken.retain(|one| Rc::strong_count(&one.told) > 1);
            taken
        })
    }

    fn submission(&self) -> Submission<'_> {
        let Waiting { id, mark, scope, kind, flow, cost, payload, .. } = self;
        Submission { id, mark, scope, kind, flow, cost: *cost, payload, amends: None }
    }
}

impl Door {
    /// Takes one submission in, as [`Door::enqueue`] does, together with others that came while a script was under way. With
    /// limits each goes in alone, and so does an amendment.
    ///
    /// # Errors
    /// As [`Door::enqueue`].
    pub async fn enqueue_one(
        &self,
        redis: &Redis,
        key: &str,
        revision: &str,
        submission: Submission<'_>,
    ) -> Result<Enqueued, Error> {
        let alone = |mut outcomes: Vec<Enqueued>| outcomes.pop().ok_or_else(|| nonsense("enqueue"));
        if self.is_limited() || submission.amends.is_some() {
            return self.enqueue(redis, key, revision, &[submission]).await.and_then(alone);
        }
        let turn = loop {
            if let Some(turn) = Turn::take() {
                break turn;
            }
            let (told, mut reader) = Waiting::begin(revision, &submission);
            let _ = reader.read(Vec::with_capacity(1)).await;
            match told.take() {
                Some(News::Ended(outcome)) => return outcome,
                Some(News::Turn(turn)) => break turn,
                None => {}
            }
        };
        let others = Waiting::take(revision);
        let together: Vec<Submission<'_>> =
            [submission].into_iter().chain(others.iter().map(Waiting::submission)).collect();
        let outcomes = self.enqueue(redis, key, revision, &together).await;
        drop(turn);
        let mut outcomes = outcomes.inspect_err(|error| {
            for one in &others {
                one.told.set(Some(News::Ended(Err(error.clone()))));
            }
        })?;
        let theirs = outcomes.split_off(1);
        for (one, outcome) in others.iter().zip(theirs) {
            one.told.set(Some(News::Ended(Ok(outcome))));
        }
        alone(outcomes)
    }
}
