//! Signs heads: see [`super::head`].
//!
//! Guarantee: one head follows another, whoever signs: a script compares and sets the last one in Redis, and a head is in
//! the store before the next follows it. A call reads a bounded number of lines; the rest has its head a second later. No
//! head follows one whose signature by the own key is wrong, because somebody else wrote it.
//!
//! Mechanism: a mark in Redis that expires lets one host sign, and not more often than every five seconds. If a line that
//! the last head ends with is gone, as after a loss of Redis, the hash of this journal begins again, and the head says so.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::StudyId;
use ed25519_dalek::{Signer as _, SigningKey};
use platform::digest::{digest, hex};
use platform::kv::{self, Batch, Store};
use platform::redis::{Redis, string, whether};
use platform::{Error, clock};
use spin_sdk::redis::RedisResult;

use super::head::{Head, Known, Mark, Running, message};
use super::{Position, Reader, broken};
use crate::names;

/// The least time between two heads.
const PAUSE: Duration = Duration::from_secs(5);
/// The most lines that one call reads, and a segment more.
const MOST_LINES: usize = 32_768;

script! {
    NewsScript = "journal/news.lua",
    keys { wait: &'static str, head: &'static str, journals: &'static str }
    args { pause: Duration, prefix: &'static str }
    reply Option<News>, by |reply| news(&reply)
}

script! {
    HeadScript<'a> = "journal/head.lua",
    keys { head: &'static str, wait: &'static str }
    args { seen: &'a str, next: &'a str, more: bool }
    reply bool, by whether
}

/// The last head as Redis has it, and the end of each journal.
struct News {
    seen: String,
    ends: Vec<(String, Position)>,
}

fn news(reply: &[RedisResult]) -> Option<Option<News>> {
    let Some((seen, ends)) = reply.split_first() else { return Some(None) };
    let (ends, []) = ends.as_chunks::<2>() else { return None };
    let end = |[name, end]: &[RedisResult; 2]| Some((string(name)?, Position::parse(&string(end)?)?));
    Some(Some(News { seen: string(seen)?, ends: ends.iter().map(end).collect::<Option<_>>()? }))
}

/// Signs heads with a key.
pub struct Signer {
    key: SigningKey,
    public: String,
}

impl Signer {
    /// A signer by its key: 32 random bytes.
    pub fn new(seed: &[u8]) -> Option<Self> {
        let key = SigningKey::from_bytes(seed.try_into().ok()?);
        let public = STANDARD.encode(key.verifying_key().as_bytes());
        Some(Signer { key, public })
    }

    /// Signs a head, if it is time and a journal went on. Returns its number.
    ///
    /// # Errors
    /// When Redis or the store is unavailable, and when the last head was written by somebody else.
    pub async fn sign(&self, redis: &Redis) -> Result<Option<u64>, Error> {
        let (wait, head, journals) = (names::HEAD_WAIT, names::HEAD, names::JOURNALS);
        let script = NewsScript { wait, head, journals, pause: PAUSE, prefix: names::JOURNAL };
        let Some(News { seen, mut ends }) = script.run(redis).await? else { return Ok(None) };
        let known = if seen.is_empty() { None } else { Some(self.own(&seen)?) };
        let is_covered = |(name, end): &(String, Position)| {
            let mark = known.as_ref().and_then(|known| known.mark(name));
            mark.map_or_else(|| *end == Position::default(), |mark| mark.position == end.to_string())
        };
        if ends.iter().all(is_covered) {
            return Ok(None);
        }
        let store = Store::open().await?;
        let stored = store.bytes(names::HEAD_STATE).await?;
        let stored = stored.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let stored = stored.map(|text| self.own(&text)).transpose()?;
        // Redis may have been lost, or put back from a backup.
        let number = |known: &Option<Known>| known.as_ref().map_or(0, |known| known.head.n);
        let known = if number(&stored) > number(&known) { stored } else { known };
        let mut all = known.as_ref().map(|known| known.all.clone()).unwrap_or_default();
        let (mut changed, mut room, mut more) = (Vec::new(), MOST_LINES, false);
        ends.sort_unstable();
        for (name, end) in ends {
            let place = all.binary_search_by(|mark| mark.name.cmp(&name));
            let mark = place.ok().and_then(|place| all.get(place)).cloned();
            if mark.as_ref().map_or_else(Position::default, position) == end {
                continue;
            }
            let (next, at_end) = follow(redis, &store, &name, mark.clone(), &mut room).await?;
            more |= !at_end;
            if mark.as_ref() == Some(&next) {
                // Redis was lost, and its clock is behind: what it has is appended again when it is sealed.
                continue;
            }
            match (place, place.ok().and_then(|place| all.get_mut(place))) {
                (_, Some(mark)) => *mark = next.clone(),
                (Ok(place) | Err(place), None) => all.insert(place, next.clone()),
            }
            changed.push(next);
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let (document, all) = self.next(known.as_ref(), changed, &all)?;
        let (seen, next) = (seen.as_str(), [document.as_str(), &all].join("\n"));
        let script = HeadScript { head, wait, seen, next: &next, more };
        if !script.run(redis).await? {
            return Ok(None);
        }
        let n = number(&known).saturating_add(1);
        let mut batch = Batch::default();
        if let Some(known) = known
            && store.bytes(&names::head(known.head.n)).await?.is_none()
        {
            // The clock that signed it died before it was stored.
            batch.put_text(names::head(known.head.n), known.document);
        }
        batch.put_text(names::head(n), document);
        batch.put_text(names::HEAD_STATE.to_owned(), next);
        kv::put_all(&mut batch)?;
        Ok(Some(n))
    }

    /// Reads the last head. One that names the own key must be signed by it; one by another key was signed before a
    /// change of keys, and whoever verifies knows the keys.
    fn own(&self, text: &str) -> Result<Known, Error> {
        let known = Known::read(text).ok_or_else(|| broken("the last head is broken"))?;
        let is_signed = message(&known.document).is_some_and(|(message, own)| self.signature(&message) == own);
        if known.head.key == self.public && !is_signed {
            return Err(broken("the last head was not signed by the log key"));
        }
        Ok(known)
    }

    /// The document of the next head, and the list of all journals.
    fn next(&self, before: Option<&Known>, journals: Vec<Mark>, all: &[Mark]) -> Result<(String, String), Error> {
        let all = kv::json(&all)?;
        let head = Head {
            n: before.map_or(0, |before| before.head.n).saturating_add(1),
            at: clock::now().rfc3339(),
            key: self.public.clone(),
            previous: before.map(|before| hex(&digest(before.document.as_bytes()))).unwrap_or_default(),
            journals,
            all: hex(&digest(all.as_bytes())),
            signature: String::new(),
        };
        Ok((head.document(|message| self.signature(message))?, all))
    }

    fn signature(&self, message: &str) -> String {
        STANDARD.encode(self.key.sign(message.as_bytes()).to_bytes())
    }
}

fn position(mark: &Mark) -> Position {
    Position::parse(&mark.position).unwrap_or_default()
}

/// Reads a journal on from its mark, as long as there is room. Gives the next mark, and whether the end was reached.
async fn follow(
    redis: &Redis,
    store: &Store,
    name: &str,
    mark: Option<Mark>,
    room: &mut usize,
) -> Result<(Mark, bool), Error> {
    let study = StudyId::from(name);
    let mut reader = Reader::open(redis, store, &study).await?;
    let mut restarts = mark.as_ref().map_or(0, |mark| mark.restarts);
    let mut running = match &mark {
        None => Running::default(),
        Some(mark) => Running::after(mark).ok_or_else(|| broken("the last head is broken"))?,
    };
    if running.count > 0 && !reader.has(running.position).await? {
        running = Running::default();
        restarts = restarts.saturating_add(1);
        platform::log::error("journal-begun-again").outcome("lines-gone").write();
    }
    loop {
        if *room == 0 {
            return Ok((running.mark(name, restarts), false));
        }
        let lines = reader.lines_after(running.position).await?;
        if lines.is_empty() {
            return Ok((running.mark(name, restarts), true));
        }
        *room = room.saturating_sub(lines.len());
        lines.iter().for_each(|(at, line)| running.add(*at, line));
    }
}

impl Reader<'_> {
    /// Whether a line has exactly this position.
    async fn has(&mut self, position: Position) -> Result<bool, Error> {
        let before = match position.number.checked_sub(1) {
            Some(number) => Position { number, ..position },
            None => Position::before(position.milliseconds),
        };
        let lines = self.lines_after(before).await?;
        Ok(lines.first().is_some_and(|(at, _)| *at == position))
    }
}
