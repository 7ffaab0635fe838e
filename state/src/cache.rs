//! What other services said, kept in Redis for all instances of all hosts.
//!
//! Guarantee: of all that ask for the same thing at the same time one asks its service, and nobody again while the answer
//! is fresh. An answer that is no longer fresh is given on while somebody refreshes it, as long as its terms allow.
//! Whatever is kept is thrown away when the settings change.
//!
//! Mechanism: a hash beside a lock, looked at by one script. Who gets the lock asks in a task of its own, which goes on
//! when the caller gives up; callers look again until the answer is there. A lock that is not given back ends by itself.
//! When a refresh fails, the old answer stays and the lock too, so that a service in trouble is not asked more often.
//!
//! Not for: what belongs to a patient. What rests here is what all readers of a study may see.

use std::time::Duration;

use spin_sdk::redis::RedisResult;
use spin_sdk::wasip3;

use crate::names;
use platform::deadline::Deadline;
use platform::redis::{Redis, integer, number, string, text, unexpected};
use platform::{Error, Kind, clock, log};

/// A fetch that takes longer has failed: somebody else may try.
const LOCK: Duration = Duration::from_secs(5);
/// How long callers wait between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// How long what is kept is good.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// An answer is given on without asking anybody.
    pub fresh: Duration,
    /// An answer is given on while it is refreshed: from when it was had, at least `fresh`.
    pub stale: Duration,
    /// That there is nothing, or no answer, is given on.
    pub negative: Duration,
}

/// What a service said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// This.
    Found(String),
    /// That there is no such thing.
    Absent,
    /// Nothing of use; the text says why.
    Failed(String),
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What the service said.
    pub said: Said,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
}

enum Look {
    Kept(Kept, Option<Turn>),
    Missing(Option<Turn>),
}

/// The right to ask the service.
struct Turn {
    token: String,
    revision: String,
}

/// What is kept under a name, or what `ask` gives, which is then kept. Waits for it until the deadline.
///
/// # Errors
/// [`Kind::Away`], [`Kind::TimedOut`] at the deadline.
pub async fn read<F>(
    redis: &Redis,
    what: &str,
    terms: Terms,
    deadline: Deadline,
    ask: impl FnOnce() -> F,
) -> Result<Kept, Error>
where
    F: Future<Output = Said> + 'static,
{
    let token = format!("{:032x}", clock::random_bits());
    let mut ask = Some(ask);
    let late = || Error::new("cache", Kind::TimedOut, "the deadline has passed");
    loop {
        let look = deadline.run(look(redis, what, &token)).await.map_err(|_| late())??;
        let (kept, turn) = match look {
            Look::Kept(kept, turn) => (Some(kept), turn),
            Look::Missing(turn) => (None, turn),
        };
        if let Some(turn) = turn
            && let Some(ask) = ask.take()
        {
            // A failure that is still there is no answer that another failure had to leave in its place.
            let again = matches!(kept, Some(Kept { said: Said::Found(_), .. }));
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

async fn look(redis: &Redis, what: &str, token: &str) -> Result<Look, Error> {
    let (entry, lock) = (names::cached(what), names::cached_lock(what));
    let arguments = vec![text(token), millis(LOCK)];
    let reply = redis.eval(lua!("cache/look.lua"), &[&entry, &lock, names::SETTINGS], arguments).await?;
    looked(&reply, token).ok_or_else(|| unexpected("look"))
}

fn looked(reply: &[RedisResult], token: &str) -> Option<Look> {
    let [turn, revision, rest @ ..] = reply else { return None };
    let revision = string(revision)?;
    let turn = (string(turn)? == "1").then(|| Turn { token: token.to_owned(), revision });
    let [at, kind, body] = rest else { return Some(Look::Missing(turn)) };
    let said = match string(kind)?.as_str() {
        "found" => Said::Found(string(body)?),
        "absent" => Said::Absent,
        _ => Said::Failed(string(body)?),
    };
    Some(Look::Kept(Kept { said, at_ms: integer(at)? }, turn))
}

/// Keeps what was said and gives the turn back. `again`: there is an older answer, which a failure does not replace.
async fn settle(redis: &Redis, what: &str, terms: Terms, turn: &Turn, said: Said, again: bool) -> Result<(), Error> {
    let (kind, body, fresh, ends) = match said {
        Said::Found(body) => ("found", body, terms.fresh, terms.stale),
        Said::Absent => ("absent", String::new(), terms.negative, terms.negative),
        Said::Failed(_) if again => ("", String::new(), terms.fresh, terms.fresh),
        Said::Failed(why) => ("failed", why, terms.negative, terms.negative),
    };
    let (entry, lock) = (names::cached(what), names::cached_lock(what));
    let arguments = vec![text(&turn.token), text(&turn.revision), text(kind), text(body), millis(fresh), millis(ends)];
    redis.eval(lua!("cache/settle.lua"), &[&entry, &lock], arguments).await.map(|_| ())
}

fn millis(duration: Duration) -> spin_sdk::redis::RedisParameter {
    number(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
