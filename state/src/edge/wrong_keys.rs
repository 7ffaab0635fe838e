//! Limits of wrong credentials: whoever tries keys, sessions or sign-ins is refused before another one is looked up.
//!
//! Guarantee: of one sender, and of secrets with the same first characters, only so many different wrong ones a minute are
//! looked up (variable `wrong_keys_per_minute`). A right secret is not refused for what others did from other addresses,
//! and costs no call of Redis unless a wrong one came from the same sender lately. No secret is kept, only hashes.
//!
//! Mechanism: Redis has the wrong secrets of the last minute by sender, and by their first characters, as sorted sets. An
//! instance that saw a wrong one asks for these sets before it looks up another from there, once a second. A secret that
//! comes again is no guess and counts once, so that a device with an old key does not lock out its hospital. Sessions count
//! apart from keys and ten times as many, because many people's sessions may end at once. Where the sender is not known
//! ([`super::sender`]), only the first characters count.
//!
//! Not for refusing floods: a wrong secret costs the same as before. Without Redis nothing is limited.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use platform::deadline::{Deadline, TimedOut};
use platform::digest::{digest, hex};
use platform::http::Incoming;
use platform::redis::{Redis, integer};
use platform::variables::{Number, Reader, Text, Variable};
use spin_sdk::redis::RedisResult;

use crate::edge::problem::Problem;
use crate::edge::sender::Proxies;
use crate::names;

/// The time for which a wrong secret counts.
const COUNTED: Duration = Duration::from_secs(60);
/// The time for which an instance believes what Redis said.
const BELIEVED: Duration = Duration::from_secs(1);
/// The longest wait for Redis.
const PATIENCE: Duration = Duration::from_secs(1);
/// The characters of a secret, after what all of its kind begin with, that tell guesses of one secret from others.
const PREFIX: usize = 4;
/// The most senders and beginnings that an instance remembers.
const MOST_REMEMBERED: usize = 512;
/// The number of wrong sessions of one sender that count as one wrong key.
const SESSIONS: u32 = 10;

script! {
    WrongKeysScript<'a> = "edge/wrong_keys.lua",
    keys { sets: Vec<String> }
    args { counted: Duration, wrong: &'a str, most: Vec<u32> }
    reply Vec<u64>, by |reply| waits(&reply)
}

fn waits(reply: &[RedisResult]) -> Option<Vec<u64>> {
    reply.iter().map(|wait| u64::try_from(integer(wait)?).ok()).collect()
}

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key; all that were created begin with so many characters.
    Key(usize),
    /// A session; all begin with so many characters.
    Session(usize),
    /// A proof of an identity provider.
    SignIn,
}

/// A set of wrong secrets, as one that somebody tries would enter it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    /// Its name in Redis.
    name: String,
    /// The name under which the instance remembers it: by beginning and sender, so that others are not asked about.
    known_as: String,
    most: u32,
}

/// The state of a set, as an instance knows it.
#[derive(Debug, Clone, Copy)]
struct Lately {
    /// When a wrong secret came.
    wrong_at: Instant,
    /// When Redis was asked, unless something has happened since.
    asked_at: Option<Instant>,
    /// Until when it is full.
    full_until: Option<Instant>,
}

/// The limits, and what this instance knows.
#[derive(Default)]
pub struct WrongKeys {
    per_minute: u32,
    proxies: Proxies,
    lately: RefCell<BTreeMap<String, Lately>>,
}

impl WrongKeys {
    /// Reads the variables.
    pub async fn of(reader: &mut Reader, per_minute: &Variable<Number<u32>>, proxies: &Variable<Text>) -> Self {
        WrongKeys {
            per_minute: reader.read(per_minute).await,
            proxies: reader.parsed(proxies, Proxies::read).await,
            lately: RefCell::default(),
        }
    }

    /// The address of a sender, if wrong secrets are limited and it is known.
    pub fn sender(&self, incoming: &Incoming) -> Option<IpAddr> {
        if self.per_minute == 0 { None } else { self.proxies.sender(incoming) }
    }

    /// Refuses a secret before it is looked up, if too many wrong ones came from there. Without a wrong one this costs
    /// nothing: `sender` is not called.
    ///
    /// # Errors
    /// 429.
    pub async fn check(
        &self,
        redis: &Redis,
        kind: Kind,
        secret: &str,
        sender: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<(), Problem> {
        if self.lately.borrow().is_empty() {
            return Ok(());
        }
        let sets = self.sets(kind, secret, sender());
        let sets = self.to_ask(sets, Instant::now())?;
        if sets.is_empty() { Ok(()) } else { self.ask(redis, &sets, None).await }
    }

    /// Counts a secret that was looked up and is wrong.
    ///
    /// # Errors
    /// 429 if too many had come before, which this instance did not know.
    pub async fn count(&self, redis: &Redis, kind: Kind, secret: &str, sender: Option<IpAddr>) -> Result<(), Problem> {
        let sets = self.sets(kind, secret, sender);
        if sets.is_empty() { Ok(()) } else { self.ask(redis, &sets, Some(secret)).await }
    }

    /// The sets of a wrong secret.
    fn sets(&self, kind: Kind, secret: &str, sender: Option<IpAddr>) -> Vec<Set> {
        let most = self.per_minute;
        if most == 0 {
            return Vec::new();
        }
        let (word, common, most_of_sender) = match kind {
            Kind::Key(common) => ("key", Some(common), most),
            Kind::Session(common) => ("session", Some(common), most.saturating_mul(SESSIONS)),
            Kind::SignIn => ("sign-in", None, most),
        };
        let from = sender.map(|sender| sender.to_string());
        let prefix = common.map(|common| {
            let prefix: String = secret.chars().take(common + PREFIX).collect();
            let name = short(&["prefix|", &prefix].concat());
            Set { known_as: [&name, "|", from.as_deref().unwrap_or_default()].concat(), name, most }
        });
        let from = from.as_deref().map(|from| {
            let name = short(&[word, "|", from].concat());
            Set { known_as: name.clone(), name, most: most_of_sender }
        });
        prefix.into_iter().chain(from).collect()
    }

    /// The sets about which Redis must be asked: those that a wrong secret from there entered lately.
    fn to_ask(&self, sets: Vec<Set>, now: Instant) -> Result<Vec<Set>, Problem> {
        let lately = self.lately.borrow();
        let mut unsure = Vec::new();
        for set in sets {
            let Some(known) = lately.get(&set.known_as) else { continue };
            if let Some(left) = known.full_until.and_then(|until| until.checked_duration_since(now)) {
                return Err(Problem::too_many_wrong(left));
            }
            let is_recent = |at: Instant, span| now.duration_since(at) < span;
            if is_recent(known.wrong_at, COUNTED) && known.asked_at.is_none_or(|at| !is_recent(at, BELIEVED)) {
                unsure.push(set);
            }
        }
        Ok(unsure)
    }

    /// Asks Redis whether there is room, and notes a wrong secret.
    async fn ask(&self, redis: &Redis, sets: &[Set], wrong: Option<&str>) -> Result<(), Problem> {
        let hash = wrong.map(|secret| short(&["secret|", secret].concat()));
        let script = WrongKeysScript {
            sets: sets.iter().map(|set| names::wrong_keys(&set.name)).collect(),
            counted: COUNTED,
            wrong: hash.as_deref().unwrap_or_default(),
            most: sets.iter().map(|set| set.most).collect(),
        };
        let waits = match Deadline::after(PATIENCE).run(script.run(redis)).await {
            Ok(Ok(waits)) => waits,
            Ok(Err(_)) => return Ok(()),
            Err(TimedOut) => {
                redis.forget();
                return Ok(());
            }
        };
        self.learn(sets, &waits, wrong.is_some(), Instant::now())
    }

    /// Remembers what Redis said.
    fn learn(&self, sets: &[Set], waits: &[u64], is_wrong: bool, now: Instant) -> Result<(), Problem> {
        let mut lately = self.lately.borrow_mut();
        if lately.len() + sets.len() > MOST_REMEMBERED {
            lately.retain(|_, known| now.duration_since(known.wrong_at) < COUNTED);
        }
        if lately.len() + sets.len() > MOST_REMEMBERED {
            lately.clear();
        }
        let mut longest = Duration::ZERO;
        for (set, wait) in sets.iter().zip(waits) {
            let wait = Duration::from_millis(*wait);
            longest = longest.max(wait);
            let known = lately.entry(set.known_as.clone()).or_insert(Lately {
                wrong_at: now,
                asked_at: None,
                full_until: None,
            });
            if is_wrong {
                known.wrong_at = now;
            }
            // After a wrong one there may be no room any more.
            known.asked_at = if is_wrong { None } else { Some(now) };
            known.full_until = Some(now + wait).filter(|_| !wait.is_zero());
        }
        if longest.is_zero() { Ok(()) } else { Err(Problem::too_many_wrong(longest)) }
    }
}

/// A short hash, by which nobody finds the text again.
fn short(text: &str) -> String {
    let hash = digest(text.as_bytes());
    hex(hash.first_chunk::<10>().map_or(&[], |first| first.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Kind = Kind::Key(6);

    fn limits(per_minute: u32) -> WrongKeys {
        WrongKeys { per_minute, ..WrongKeys::default() }
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_secret_enters_the_sets_of_its_beginning_and_of_its_sender() {
        let limits = limits(30);
        let names = |kind, secret, sender| -> Vec<String> {
            limits.sets(kind, secret, sender).into_iter().map(|set| set.name).collect()
        };
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let guess = names(KEY, "vigil_abcdX", one);
        assert_eq!(guess, names(KEY, "vigil_abcdY", one));
        assert_eq!(guess[0], names(KEY, "vigil_abcdY", other)[0]);
        assert!(guess[1] != names(KEY, "vigil_abcdY", other)[1]);
        assert!(guess[0] != names(KEY, "vigil_abceY", one)[0]);
        assert_eq!(names(KEY, "vigil_abcdY", None), guess[..1]);
        let session = limits.sets(Kind::Session(8), "vigil_s_abcdX", one);
        assert_eq!(session.iter().map(|set| set.most).collect::<Vec<u32>>(), [30, 300]);
        assert!(session[1].name != guess[1]);
        assert_eq!((names(Kind::SignIn, "t", one).len(), names(Kind::SignIn, "t", None).len()), (1, 0));
        assert!(super::WrongKeys::default().sets(KEY, "vigil_abcd", one).is_empty());
    }

    #[test]
    fn nobody_is_asked_about_or_refused_for_what_came_from_elsewhere() {
        let limits = limits(2);
        let (now, one, other) = (Instant::now(), address("192.0.2.1"), address("192.0.2.2"));
        let guessed = limits.sets(KEY, "vigil_abcdX", one);
        assert!(limits.to_ask(guessed.clone(), now).unwrap().is_empty());
        assert!(limits.learn(&guessed, &[0, 0], true, now).is_ok());
        assert_eq!(limits.to_ask(guessed.clone(), now).unwrap(), guessed, "the next one is asked about");
        assert!(limits.learn(&guessed, &[0, 0], false, now).is_ok());
        assert!(limits.to_ask(guessed.clone(), now).unwrap().is_empty(), "once a second");
        assert_eq!(limits.to_ask(guessed.clone(), now + BELIEVED).unwrap(), guessed);
        assert!(limits.to_ask(guessed.clone(), now + COUNTED).unwrap().is_empty());
        // The sets are full: only who guessed hears of it.
        assert!(limits.learn(&guessed, &[5000, 0], true, now).is_err());
        assert!(limits.to_ask(guessed.clone(), now + Duration::from_secs(4)).is_err());
        assert!(limits.to_ask(guessed, now + Duration::from_millis(5001)).is_ok());
        assert!(limits.to_ask(limits.sets(KEY, "vigil_abcdX", other), now).unwrap().is_empty());
        assert_eq!(limits.to_ask(limits.sets(KEY, "another key", one), now).unwrap().len(), 1, "the sender's set");
    }

    #[test]
    fn an_instance_remembers_few() {
        let (limits, now) = (limits(2), Instant::now());
        for number in 0..2000 {
            let sets = limits.sets(KEY, &format!("{number:010}"), None);
            assert!(limits.learn(&sets, &[0], true, now).is_ok());
        }
        assert!(limits.lately.borrow().len() <= MOST_REMEMBERED);
    }
}
