//! Variables, read once per instance, with every fault reported at once. A component with a fault does nothing at all.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::str::FromStr;
use std::thread::LocalKey;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::reading::{Json, Limits, Unreadable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spin_sdk::variables;

use crate::error::{Error, Kind};

/// A rule that a variable breaks. It never holds the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    /// The variable's name.
    pub variable: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.rule)
    }
}

/// Everything that is wrong with a component's variables.
#[derive(Debug)]
pub struct Faults(pub Vec<Fault>);

impl Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        write!(f, "variables: {}", faults.join("; "))
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        let faults: Vec<String> = faults.0.iter().map(Fault::to_string).collect();
        Error::new("variables", Kind::Refused, faults.join("; "))
    }
}

/// The configuration that `read` makes of the variables.
///
/// # Errors
/// Every fault of the variables.
pub async fn load<T>(read: impl AsyncFnOnce(&mut Reader) -> T) -> Result<T, Faults> {
    let mut reader = Reader::default();
    let config = Box::pin(read(&mut reader)).await;
    if reader.faults.is_empty() { Ok(config) } else { Err(Faults(reader.faults.into_iter().collect())) }
}

/// The configuration of this instance: that in `place`, or what `read` makes of the variables, which is then kept there.
///
/// # Errors
/// Every fault of the variables; the next call reads again.
pub async fn once<T>(
    place: &'static LocalKey<RefCell<Option<Rc<T>>>>,
    read: impl AsyncFnOnce(&mut Reader) -> T,
) -> Result<Rc<T>, Faults> {
    if let Some(config) = place.with_borrow(Clone::clone) {
        return Ok(config);
    }
    let config = Rc::new(load(read).await?);
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

/// Reads variables, and collects their names and everything that is wrong with them.
#[derive(Default)]
pub struct Reader {
    names: BTreeSet<String>,
    faults: BTreeSet<Fault>,
}

impl Reader {
    fn fault(&mut self, name: &str, rule: impl Display) {
        self.faults.insert(Fault { variable: name.to_owned(), rule: rule.to_string() });
    }

    /// Checks a rule that a variable must keep beside another one. Says nothing if either breaks a rule of its own.
    pub fn beside(&mut self, name: &str, other: &str, kept: bool, rule: impl Display) {
        let sound = !self.faults.iter().any(|fault| fault.variable == name || fault.variable == other);
        if sound && !kept {
            self.fault(name, rule);
        }
    }

    /// The names of the variables that were read, and every fault.
    pub fn into_parts(self) -> (BTreeSet<String>, BTreeSet<Fault>) {
        (self.names, self.faults)
    }

    /// A variable as it stands; empty when it cannot be read, which is a fault.
    pub async fn text(&mut self, name: &str) -> String {
        self.names.insert(name.to_owned());
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
}
