//! The context of a submission: its subject's earlier submissions, a risk service's answer, and any earlier evaluation.
//!
//! Guarantee: a submission that needs no context costs no call. The first evaluation stands, whether it was stored
//! already or only pinned in Redis (`queue::pin`). Rules change and services answer differently, so a submission that
//! is handed out again is not evaluated again if the outcome could differ. The earlier submissions and the risk service
//! are queried in parallel, each under its own deadline, and neither delays the rest of the batch for longer.

use domain::ids::SubmissionId;
use std::time::Duration;

use domain::History;
use domain::lab::Baseline;
use futures::future::{join, join_all};
use platform::Error;
use platform::digest::{digest, hex};
use platform::kv::{self, Store};
use platform::redis::Redis;
use state::erasure;
use state::queue::holder::Holder;
use state::queue::subject_keys::HeldKeys;
use state::wire::entry::{Entry, Score, State};
use state::wire::evaluation::{HistoryUsed, Risk};
use state::wire::sealed::{Content, StoredRecord};
use state::{names, queue};

use crate::score::decide::Decided;
use crate::score::history;
use crate::score::record::{Scorer, Work};
use crate::score::risk;

/// The most records that are read at the same time.
pub(crate) const READS: usize = 32;

/// The facts about one submission before it is scored.
#[derive(Default)]
pub(crate) enum Known {
    /// None: its outcome is the same at any time.
    #[default]
    Nothing,
    /// It was evaluated and stored before.
    Stored {
        /// Its alerts, as they are stored.
        alerts: Vec<String>,
        /// SHA-256 of its record, hex.
        hash: String,
    },
    /// Its decision, pinned in Redis until it is stored.
    Decided(Decided),
}

/// The context on which a submission is evaluated, beside its own content.
#[derive(Default)]
pub(crate) struct Context {
    /// Its subject's earlier submissions, if a rule asks for them.
    pub(crate) past: Option<Past>,
    /// The subject's first laboratory results, if its study needs them.
    pub(crate) baselines: Vec<Baseline>,
    /// The answer of the risk service, if it is called.
    pub(crate) risk: Option<Risk>,
}

/// A subject's earlier submissions.
pub(crate) enum Past {
    Had(History, HistoryUsed),
    /// They could not be read.
    Unavailable,
}

/// The needs of an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// To know of an earlier evaluation: it is handed out again, or its study has rules of its own.
    pub(crate) maybe_decided: bool,
    /// Its subject's earlier submissions.
    pub(crate) history: bool,
    /// The risk service.
    pub(crate) risk: bool,
}

/// An entry that needs context.
pub(crate) struct Wanting<'a> {
    /// Its position in the batch.
    place: usize,
    pub(crate) entry: &'a Entry,
    pub(crate) needs: Needs,
    /// Its scores, as they will be stored.
    pub(crate) scores: Vec<Score>,
}

/// The entries of a batch that need context, with their positions.
pub(crate) fn wanted<'a>(
    scorer: &mut Scorer,
    risk: &risk::Config,
    work: &'a [Work<'_>],
) -> Vec<(usize, &'a Entry, Needs)> {
    let mut wanted = Vec::new();
    for (place, work) in work.iter().enumerate() {
        let Work::Score(claimed, entry) = work else { continue };
        let mut needs = scorer.needs(entry, risk);
        needs.maybe_decided |= claimed.attempt > 1;
        if needs.maybe_decided || needs.history || needs.risk {
            wanted.push((place, &**entry, needs));
        }
    }
    wanted
}

/// Loads the context of a batch's entries, decides on it, and pins the decisions. `budget` is how long the risk service
/// may delay the batch. The context of erased submissions is not loaded.
///
/// # Errors
/// When Redis or the store is unavailable, or the worker was declared dead.
pub(crate) async fn gather(
    (redis, holder): (&Redis, &Holder),
    scorer: &mut Scorer,
    risk: &risk::Config,
    count: usize,
    mut wanting: Vec<(usize, &Entry, Needs)>,
    budget: Duration,
) -> Result<Vec<Known>, Error> {
    let ids: Vec<&SubmissionId> = wanting.iter().map(|(_, entry, _)| &entry.submission.submission_id).collect();
    let mut erased = erasure::known(redis, &ids).await?.into_iter();
    wanting.retain(|_| !erased.next().unwrap_or_default());
    let store = Store::open().await?;
    let mut found: Vec<Known> = std::iter::repeat_with(Known::default).take(count).collect();
    let mut open = Vec::with_capacity(wanting.len());
    for some in wanting.chunks(READS) {
        let kept = join_all(some.iter().map(|(_, entry, _)| kept(&store, &scorer.keys, entry))).await;
        for (&(place, entry, needs), kept) in some.iter().zip(kept) {
            match kept? {
                Some(stored) => {
                    if let Some(found) = found.get_mut(place) {
                        *found = stored;
                    }
                }
                // A submission that cannot be scored needs nothing more.
                None => open.extend(scorer.scores(entry).map(|scores| Wanting { place, entry, needs, scores })),
            }
        }
    }
    let (pasts, risks) =
        join(history::read(redis, &store, scorer.keys.ring(), &open), risk::ask(risk, &open, budget)).await;
    let contexts = pasts.into_iter().zip(risks).map(|((past, baselines), risk)| Context { past, baselines, risk });
    for (place, decided) in decide((redis, holder), scorer, open.iter().zip(contexts)).await? {
        if let Some(found) = found.get_mut(place) {
            *found = Known::Decided(decided);
        }
    }
    Ok(found)
}

/// Decides on submissions in their contexts, and pins the decisions. Returns the decisions that stand: an earlier
/// worker may have decided otherwise.
async fn decide<'a>(
    (redis, holder): (&Redis, &Holder),
    scorer: &mut Scorer,
    open: impl Iterator<Item = (&'a Wanting<'a>, Context)>,
) -> Result<Vec<(usize, Decided)>, Error> {
    let (mut decided, mut pins) = (Vec::new(), Vec::new());
    for (Wanting { place, entry, .. }, context) in open {
        let instrument = scorer.instrument(&entry.submission);
        if let Ok(outcome) = scorer.score(entry, instrument.as_deref(), &context) {
            pins.push((entry.submission.submission_id.to_string(), kv::json(&outcome.decided)?));
            decided.push((*place, outcome.decided));
        }
    }
    let standing = queue::pin(redis, holder, &pins).await?;
    for ((_, decided), (standing, (_, own))) in decided.iter_mut().zip(standing.into_iter().zip(pins)) {
        // Every worker reads back the pinned decision, so that all write the same figures.
        if let Ok(read) = serde_json::from_str(&standing.unwrap_or(own)) {
            *decided = read;
        }
    }
    Ok(decided)
}

/// Reads the stored outcome of an entry, if it was evaluated before, and its content is sealed with keys that exist.
async fn kept(store: &Store, keys: &HeldKeys, entry: &Entry) -> Result<Option<Known>, Error> {
    let own = &entry.submission;
    let Some(bytes) = store.bytes(&names::submission(&own.submission_id)).await? else { return Ok(None) };
    let record: StoredRecord = kv::read(&bytes)?;
    let same = |record: &StoredRecord| {
        let stored = &record.submission;
        let opens = match &stored.content {
            Content::Open(_) => true,
            Content::Sealed(sealed) => {
                keys.get(&own.subject).is_some_and(|keys| keys.open_content(&own.submission_id, sealed).is_some())
            }
        };
        record.state == State::Scored && stored.hash == own.hash && stored.received_at == own.received_at && opens
    };
    if !same(&record) {
        return Ok(None);
    }
    let mut alerts = Vec::with_capacity(record.alerts.len());
    for id in &record.alerts {
        match store.bytes(&names::alert(id)).await?.map(String::from_utf8) {
            Some(Ok(alert)) => alerts.push(alert),
            Some(Err(_)) | None => return Ok(None),
        }
    }
    Ok(Some(Known::Stored { alerts, hash: hex(&digest(&bytes)) }))
}
