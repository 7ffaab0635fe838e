//! Variables, read once per instance, with every fault reported at once. A component with a fault does nothing at all.
//!
//! A [`Variable`] is declared once, as a constant: its name, and the form of its text with its bounds. `form.rs` has the
//! forms.

mod form;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::rc::Rc;
use std::thread::LocalKey;

use domain::reading::{Json, Limits, Unreadable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spin_sdk::variables;

use crate::error::{Error, Kind};

pub use form::{Base64, Form, Number, Optional, Span, Text};

/// A variable: its name, and the form of its text.
#[derive(Debug, Clone, Copy)]
pub struct Variable<F> {
    /// Its name.
    pub name: &'static str,
    /// The form of its text.
    pub form: F,
}

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
        // Read once more, because a reader of values for each type would be a good part of a component.
        Ok(_) => crate::json::read(text.as_bytes()).map_err(|_| broken()),
        Err(Unreadable::NotJson { .. } | Unreadable::Foreign) => Err(broken()),
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
    /// Reports a rule that a variable breaks, without its value.
    pub fn fault(&mut self, name: &str, rule: impl Display) {
        self.faults.insert(Fault { variable: name.to_owned(), rule: rule.to_string() });
    }

    /// The names of the variables that were read, and every fault.
    pub fn into_parts(self) -> (BTreeSet<String>, BTreeSet<Fault>) {
        (self.names, self.faults)
    }

    /// The text of a variable; empty when it cannot be read, which is a fault.
    async fn text(&mut self, name: &str) -> String {
        self.names.insert(name.to_owned());
        match variables::get(name).await {
            Ok(value) => value,
            Err(_) => {
                self.fault(name, "is not set");
                String::new()
            }
        }
    }

    /// A variable, read by its form.
    pub async fn read<F: Form>(&mut self, variable: &Variable<F>) -> F::Value {
        let value = self.text(variable.name).await;
        variable.form.read(value.trim()).unwrap_or_else(|| {
            self.fault(variable.name, format_args!("must be {}", variable.form.rule()));
            F::Value::default()
        })
    }

    /// A variable whose form its component knows. `read` gives the rules that the text breaks.
    pub async fn parsed<T: Default>(
        &mut self,
        variable: &Variable<Text>,
        read: impl FnOnce(&str) -> Result<T, Vec<String>>,
    ) -> T {
        let value = self.text(variable.name).await;
        read(&value).unwrap_or_else(|rules| {
            for rule in rules {
                self.fault(variable.name, rule);
            }
            T::default()
        })
    }
}
