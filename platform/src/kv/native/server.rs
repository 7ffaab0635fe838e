//! The Redis database in which Spin keeps a key-value store.

use redis::{Client, Connection, RedisResult};

use super::Replacement;
use crate::error::{Error, Kind};

/// The number of keys that one scan of the database asks for, and that one script gets.
const PAGE: usize = 1000;
/// Replaces values that are what they are expected to be. KEYS keys; ARGV for each the old value and the new one. Gives for
/// each 1 if it was replaced.
const REPLACE: &str = "
local out = {}
for i, key in ipairs(KEYS) do
  out[i] = 0
  if redis.call('GET', key) == ARGV[2 * i - 1] then
    redis.call('SET', key, ARGV[2 * i])
    out[i] = 1
  end
end
return out";

pub(super) struct Server(Connection);

impl Server {
    /// Connects to the server. The address is not shown: it may have a password in it.
    pub(super) fn open(address: &str) -> Result<Self, Error> {
        let open = || Client::open(address)?.get_connection();
        let refused = |error| Error::new("key-value", Kind::Refused, format_args!("cannot open the store: {error}"));
        open().map(Server).map_err(refused)
    }

    pub(super) fn get(&mut self, key: &str) -> RedisResult<Option<Vec<u8>>> {
        redis::cmd("GET").arg(key).query(&mut self.0)
    }

    pub(super) fn set(&mut self, records: &[(String, Vec<u8>)]) -> RedisResult<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut set = redis::cmd("MSET");
        for (key, value) in records {
            set.arg(key).arg(value);
        }
        set.query(&mut self.0)
    }

    pub(super) fn delete(&mut self, keys: &[String]) -> RedisResult<()> {
        if keys.is_empty() {
            return Ok(());
        }
        redis::cmd("DEL").arg(keys).query(&mut self.0)
    }

    pub(super) fn replace(&mut self, replacements: &[Replacement]) -> RedisResult<Vec<bool>> {
        let mut replace = redis::cmd("EVAL");
        replace.arg(REPLACE).arg(replacements.len());
        for Replacement { key, .. } in replacements {
            replace.arg(key);
        }
        for Replacement { old, new, .. } in replacements {
            replace.arg(old).arg(new);
        }
        replace.query(&mut self.0)
    }

    /// All keys that begin so, once each, the last one first.
    pub(super) fn keys(&mut self, prefix: &str) -> RedisResult<Vec<String>> {
        let mut scan = redis::cmd("SCAN");
        scan.cursor_arg(0).arg("MATCH").arg(format!("{}*", literal(prefix))).arg("COUNT").arg(PAGE);
        scan.arg("TYPE").arg("string");
        let mut keys: Vec<String> = scan.iter(&mut self.0)?.collect::<RedisResult<_>>()?;
        keys.sort_unstable_by(|one, other| other.cmp(one));
        keys.dedup();
        Ok(keys)
    }

    /// The records of these keys that are there.
    pub(super) fn read(&mut self, keys: &[String]) -> RedisResult<Vec<(String, Vec<u8>)>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let values: Vec<Option<Vec<u8>>> = redis::cmd("MGET").arg(keys).query(&mut self.0)?;
        Ok(keys.iter().cloned().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

/// A text as a pattern that only itself fits.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for sign in text.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}
