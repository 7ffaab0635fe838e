//! Variables, read once per instance, with every fault reported at once. A component with a fault does nothing at all.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::str::FromStr;
use std::thread::LocalKey;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::reading::{Json, Limits, Unreadable};
use serde::de::DeserializeOwned;
use spin_sdk::variables;

use crate::error::{Error, Kind};

/// The configuration of this instance: that in `place`, or what `read` gives, which is then kept there.
///
/// # Errors
/// Those of `read`; the next call reads again.
pub async fn once<T>(
    place: &'static LocalKey<RefCell<Option<Rc<T>>>>,
    read: impl AsyncFnOnce() -> Result<T, Error>,
) -> Result<Rc<T>, Error> {
    if let Some(config) = place.with_borrow(Clone::clone) {
        return Ok(config);
    }
    let config = Rc::new(Box::pin(read()).await?);
    place.set(Some(Rc::clone(&config)));
    Ok(config)
}

/// A variable that is JSON, as `rule` says.
///
/// # Errors
/// The rule, or each member that is there more than once.
pub fn json<T: DeserializeOwned>(text: &str, rule: &str) -> Result<T, Vec<String>> {
    let broken = || vec![rule.to_owned()];
    match Json::sound(text.as_bytes(), Limits::DEFINITION) {
        Ok(value) => serde_json::from_value(value).map_err(|_| broken()),
        Err(Unreadable::NotJson { .. }) => Err(broken()),
        Err(Unreadable::Refused(faults)) => {
            Err(faults.into_iter().map(|fault| format!("at {:?}: {}", fault.pointer, fault.detail)).collect())
        }
    }
}

/// Reads variables and collects what is wrong with them.
#[derive(Default)]
pub struct Reader {
    faults: Vec<String>,
}

impl Reader {
    /// A reader without faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn fault(&mut self, name: &str, rule: impl Display) {
        // The value may be a secret: only the rule is told.
        self.faults.push(format!("{name} {rule}"));
    }

    /// A variable as it stands; empty when it cannot be read, which is a fault.
    pub async fn text(&mut self, name: &str) -> String {
        match variables::get(name).await {
            Ok(value) => value,
            Err(_) => {
                self.fault(name, "is not set");
                String::new()
            }
        }
    }

    /// The address of Redis.
    pub async fn redis(&mut self) -> String {
        let check = |text: &str| domain::url::check_redis(text).map(|()| text.to_owned());
        self.parsed("redis_url", |text| check(text).map_err(|rule| vec![rule.to_owned()])).await
    }

    /// A number within bounds.
    pub async fn number<T>(&mut self, name: &str, bounds: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let value = self.text(name).await;
        match value.trim().parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                self.fault(name, format_args!("must be a number from {} to {}", bounds.start(), bounds.end()));
                *bounds.start()
            }
        }
    }

    /// A duration, given as a whole number of seconds.
    pub async fn seconds(&mut self, name: &str, bounds: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, bounds).await)
    }

    /// A secret key, given as base64.
    pub async fn key(&mut self, name: &str, bytes: RangeInclusive<usize>) -> Vec<u8> {
        let value = self.text(name).await;
        match STANDARD.decode(value.trim()) {
            Ok(key) if bytes.contains(&key.len()) => key,
            _ if bytes.start() == bytes.end() => {
                self.fault(name, format_args!("must be {} bytes as base64", bytes.start()));
                Vec::new()
            }
            _ => {
                self.fault(name, format_args!("must be at least {} bytes as base64", bytes.start()));
                Vec::new()
            }
        }
    }

    /// A variable with a form of its own. `read` gives the rules that the text breaks.
    pub async fn parsed<T: Default>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Vec<String>>) -> T {
        let value = self.text(name).await;
        read(&value).unwrap_or_else(|rules| {
            for rule in rules {
                self.fault(name, rule);
            }
            T::default()
        })
    }

    /// The configuration, if nothing was wrong and this rule that several variables share is kept.
    ///
    /// # Errors
    /// [`Kind::Refused`] with every fault.
    pub fn finish_unless<T>(mut self, fault: Option<&'static str>, config: T) -> Result<T, Error> {
        self.faults.extend(fault.map(str::to_owned));
        self.finish(config)
    }

    /// The configuration, if nothing was wrong.
    ///
    /// # Errors
    /// [`Kind::Refused`] with every fault.
    pub fn finish<T>(self, config: T) -> Result<T, Error> {
        if self.faults.is_empty() {
            return Ok(config);
        }
        Err(Error::new("variables", Kind::Refused, self.faults.join("; ")))
    }
}
