//! Replies of other services, kept in Redis for all instances of all hosts.
//!
//! Guarantee: of all concurrent callers that ask for the same thing, one calls the service (request coalescing), and
//! nobody calls it again while the answer is fresh. A stale answer is served while one caller refreshes it, as long as
//! its terms allow. All kept answers are dropped when the settings change.
//!
//! Mechanism: a hash and a lock, read by one script. The caller that gets the lock calls the service in a task of its
//! own, which continues even if the caller gives up. The others check again until the answer is there. A lock that is
//! not given back expires. If a refresh fails, the old answer and the lock both stay, so a failing service is not
//! called more often; the lock ends with the answer at the latest, because then nobody has anything.
//!
//! Not for: patients' data. All readers of a study may see what is kept here.

use std::time::Duration;

use platform::deadline::Deadline;
use platform::redis::{Redis, flat, integer, nothing, string, unexpected};
use platform::{Error, Kind, clock, log};
use spin_sdk::redis::RedisResult;
use spin_sdk::wasip3;

use crate::names;

/// A fetch that takes longer has failed: another caller may try.
const LOCK: Duration = Duration::from_secs(5);
/// The pause between two checks of a waiting caller.
const LOOK: Duration = Duration::from_millis(10);

/// The time for which a kept answer is valid.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// For this long an answer is served without a call.
    pub fresh: Duration,
    /// For this long, counted from the fetch and at least `fresh`, an answer is served while it is refreshed.
    pub stale: Duration,
    /// For this long the absence of a thing, or a failure, is served.
    pub negative: Duration,
}

/// The reply of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The thing was found.
    Found(String),
    /// The service says that there is no such thing.
    Absent,
    /// Nothing usable; the text says why.
    Failed(String),
}

/// A kept reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The reply of the service.
    pub said: Response,
    /// The time when it was fetched, milliseconds since the epoch.
    pub at_ms: i64,
}

enum Lookup {
    Cached(Cached, Option<FetchLock>),
    Missing(Option<FetchLock>),
}

/// The right to call the service.
struct FetchLock {
    token: String,
    revision: String,
}

/// Returns the reply kept under a name; else calls `ask` and keeps its reply. Waits until the deadline.
///
/// # Errors
/// [`Kind::Unavailable`], [`Kind::TimedOut`] at the deadline.
pub async fn read<F>(
    redis: &Redis,
    what: &str,
    terms: Terms,
    deadline: Deadline,
    ask: impl FnOnce() -> F,
) -> Result<Cached, Error>
where
    F: Future<Output = Response> + 'static,
{
    let token = format!("{:032x}", clock::random_bits());
    let mut ask = Some(ask);
    let late = || Error::new("cache", Kind::TimedOut, "the deadline has passed");
    loop {
        let look = deadline.run(look(redis, what, &token)).await.map_err(|_| late())??;
        let (kept, turn) = match look {
            Lookup::Cached(kept, turn) => (Some(kept), turn),
            Lookup::Missing(turn) => (None, turn),
        };
        if let Some(turn) = turn
            && let Some(ask) = ask.take()
        {
            // A kept failure is no older answer: only an answer stays when a refresh fails.
            let again = matches!(kept, Some(Cached { said: Response::Found(_), .. }));
            let (redis, what, said) = (redis.clone(), what.to_owned(), ask());
            wasip3::spawn(async move {
                let said = said.await;
                if let Err(error) = settle(&redis, &what, terms, &turn, said, again).await {
                    log::warn("answer-not-kept").cause(&error).write();
                }
            });
        }
        if let Some(kept) = kept {
            return Ok(kept);
        }
        deadline.run(clock::sleep(LOOK)).await.map_err(|_| late())?;
    }
}

script! {
    LookScript<'a> = "cache/look.lua",
    keys { entry: String, lock: String, settings: &'static str }
    args { token: &'a str, turn: Duration }
    reply Vec<RedisResult>, by flat
}

script! {
    SettleScript<'a> = "cache/settle.lua",
    keys { entry: String, lock: String }
    args { token: &'a str, revision: &'a str, kind: &'static str, body: String, fresh: Duration, kept: Duration }
    reply (), by nothing
}

async fn look(redis: &Redis, what: &str, token: &str) -> Result<Lookup, Error> {
    let (entry, lock) = (names::cached(what), names::cached_lock(what));
    let reply = LookScript { entry, lock, settings: names::SETTINGS, token, turn: LOCK }.run(redis).await?;
    looked(&reply, token).ok_or_else(|| unexpected("look"))
}

fn looked(reply: &[RedisResult], token: &str) -> Option<Lookup> {
    let [turn, revision, rest @ ..] = reply else { return None };
    let revision = string(revision)?;
    let turn = (string(turn)? == "1").then(|| FetchLock { token: token.to_owned(), revision });
    let [at, kind, body] = rest else { return Some(Lookup::Missing(turn)) };
    let said = match string(kind)?.as_str() {
        "found" => Response::Found(string(body)?),
        "absent" => Response::Absent,
        _ => Response::Failed(string(body)?),
    };
    Some(Lookup::Cached(Cached { said, at_ms: integer(at)? }, turn))
}

/// Keeps a reply and gives the turn back. `again`: there is an older answer, which a failure does not replace.
async fn settle(
    redis: &Redis,
    what: &str,
    terms: Terms,
    turn: &FetchLock,
    said: Response,
    again: bool,
) -> Result<(), Error> {
    let (kind, body, fresh, ends) = match said {
        Response::Found(body) => ("found", body, terms.fresh, terms.stale),
        Response::Absent => ("absent", String::new(), terms.negative, terms.negative),
        Response::Failed(_) if again => ("", String::new(), terms.fresh, terms.fresh),
        Response::Failed(why) => ("failed", why, terms.negative, terms.negative),
    };
    let (entry, lock) = (names::cached(what), names::cached_lock(what));
    let (token, revision) = (&*turn.token, &*turn.revision);
    SettleScript { entry, lock, token, revision, kind, body, fresh, kept: ends }.run(redis).await
}
