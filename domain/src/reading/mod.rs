//! The one reader of JSON from outside: it turns a text into a value and reports faults of the notation.
//!
//! Guarantee: a repeated member is a finding with its pointer, in every spelling of its name; the reader never guesses
//! which one is meant. No text takes more memory than its [`Limits`] allow. Numbers, texts and the order of members are
//! the same as with `serde_json`, except that U+FFFD stands for half of a character. A byte order mark is passed over.
//!
//! `At` reads a value at its place. `Object` reads the members of an object by it, and knows which of them were read.
//!
//! Mechanism: the value is built member by member. From the first value beyond a limit on, nothing more is built. The
//! rest is only scanned, to distinguish invalid JSON from a document that is too large.

mod at;
mod object;
mod path;
mod text;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

use crate::{Code, Finding};
pub(crate) use at::{At, Faults, MOST_ITEMS, is_name};
pub use object::Object;
pub(crate) use object::SKEW_MS;
pub use path::pointer;
pub(crate) use path::{Path, escape};
pub use text::{is_foreign, repaired};

/// The most findings of one reading. This keeps the response small for any input.
const MOST_FINDINGS: usize = 100;

/// The size limits of a document. One value, such as an object with one member, may take 432 bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum nesting depth of objects and lists. A document that is an object of texts has one level.
    pub levels: usize,
    /// The maximum number of values. Each object, list, text, number, flag and null counts; member names do not.
    pub values: usize,
}

impl Limits {
    /// A report, a response or a row of a batch. The largest report that the rules allow has 5,020 values.
    pub const DOCUMENT: Limits = Limits { levels: 32, values: 8_000 };
    /// A FHIR resource. Each level of its items needs four levels.
    pub const RESOURCE: Limits = Limits { levels: 80, values: 8_000 };
    /// A configuration document, or a variable that is JSON.
    pub const SETTINGS: Limits = Limits { levels: 32, values: 20_000 };
    /// An instrument's definition with its examples, or a FHIR questionnaire.
    pub const DEFINITION: Limits = Limits { levels: 80, values: 100_000 };
    /// A request with an instruction: a note, a reason, a search, an order.
    pub const REQUEST: Limits = Limits { levels: 16, values: 1_000 };
    /// Requests to an external service, and its responses.
    pub const EXCHANGE: Limits = Limits { levels: 64, values: 50_000 };
}

/// A document, and its repeated members.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    /// The value. For a repeated member it has the last one.
    pub value: Value,
    /// A finding for each repeated member. The code that checks the value reports them together with its own findings.
    pub faults: Vec<Finding>,
    /// The number of characters that were cut in half, for which U+FFFD stands.
    pub halves: u32,
}

/// The reason why there is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// The text is invalid JSON from this place on.
    NotJson {
        /// From 1.
        line: usize,
        /// Bytes of the line, from 1.
        column: usize,
    },
    /// It is in UTF-16 or UTF-32.
    Foreign,
    /// It exceeds its limits, or it repeats a member and the caller accepts no faults.
    Refused(Vec<Finding>),
}

impl From<Unreadable> for Vec<Finding> {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NotJson { line, column } => {
                let rule = format!("is not JSON at line {line}, column {column}");
                Vec::from([Finding::new("", Code::Format, rule)])
            }
            Unreadable::Foreign => Vec::from([Finding::new("", Code::Format, "must be UTF-8")]),
            Unreadable::Refused(findings) => findings,
        }
    }
}

impl Json {
    /// Reads a document.
    ///
    /// # Errors
    /// The text is invalid JSON, not in UTF-8, or exceeds the limits.
    pub fn read(text: &[u8], limits: Limits) -> Result<Json, Unreadable> {
        if text::is_foreign(text) {
            return Err(Unreadable::Foreign);
        }
        let text = text::unmarked(text);
        // One check of all bytes takes less time than a check of each text.
        let text = str::from_utf8(text).map_err(|error| place(text, error.valid_up_to()))?;
        let unread = match Json::read_text(text, limits) {
            Err(unread @ Unreadable::NotJson { .. }) => unread,
            read => return read,
        };
        // Nearly every text is read at once, so halves of characters are looked for only now.
        let (text, halves) = text::halves(text).ok_or(unread)?;
        Json::read_text(&text, limits).map(|json| Json { halves, ..json })
    }

    fn read_text(text: &str, limits: Limits) -> Result<Json, Unreadable> {
        let mut reading = Reading::of(limits);
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Seed { path: &Path::Root, reading: &mut reading }.deserialize(&mut json);
        let value = value.and_then(|value| json.end().map(|()| value));
        let value = value.map_err(|error| Unreadable::NotJson { line: error.line(), column: error.column() })?;
        let Reading { full, too_deep, mut faults, .. } = reading;
        if full {
            faults.push(Finding::new("", Code::Range, format!("must hold at most {} values", limits.values)));
        }
        if full || too_deep { Err(Unreadable::Refused(faults)) } else { Ok(Json { value, faults, halves: 0 }) }
    }

    /// The value of a document without any fault.
    ///
    /// # Errors
    /// The text is invalid JSON, exceeds the limits, or repeats a member.
    pub fn sound(text: &[u8], limits: Limits) -> Result<Value, Unreadable> {
        let Json { value, faults, .. } = Json::read(text, limits)?;
        if faults.is_empty() { Ok(value) } else { Err(Unreadable::Refused(faults)) }
    }
}

/// The place of the first invalid byte of a text.
fn place(text: &[u8], valid: usize) -> Unreadable {
    let before = text.get(..valid).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Unreadable::NotJson { line, column }
}

/// The state of a reading.
struct Reading {
    limits: Limits,
    /// The number of values that may still be built, and of levels that may still be opened.
    values_left: usize,
    levels_left: usize,
    /// A value exceeded the limits. Nothing more is built.
    full: bool,
    too_deep: bool,
    faults: Vec<Finding>,
}

impl Reading {
    fn of(limits: Limits) -> Self {
        let Limits { levels, values } = limits;
        Reading { limits, values_left: values, levels_left: levels, full: false, too_deep: false, faults: Vec::new() }
    }

    #[cold]
    fn fault(&mut self, path: &Path<'_>, code: Code, rule: String) {
        if self.faults.len() < MOST_FINDINGS {
            let pointer = path.pointer();
            if self.faults.iter().all(|fault| fault.pointer != pointer) {
                self.faults.push(Finding::new(pointer, code, rule));
            }
        }
    }
}

/// Reads one value.
struct Seed<'p, 'r> {
    path: &'p Path<'p>,
    reading: &'r mut Reading,
}

impl Seed<'_, '_> {
    /// Enters an object or a list if the depth allows it; otherwise reports a finding.
    fn enter(&mut self) -> bool {
        let deeper = self.reading.levels_left.checked_sub(1);
        match deeper {
            Some(deeper) => self.reading.levels_left = deeper,
            None => self.too_deep(),
        }
        deeper.is_some()
    }

    #[cold]
    fn too_deep(&mut self) {
        let most = self.reading.limits.levels;
        self.reading.too_deep = true;
        self.reading.fault(self.path, Code::Range, format!("must be nested at most {most} deep"));
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        match self.reading.values_left.checked_sub(1) {
            Some(left) => {
                self.reading.values_left = left;
                json.deserialize_any(self)
            }
            None => {
                self.reading.full = true;
                json.deserialize_ignored_any(IgnoredAny).map(|IgnoredAny| Value::Null)
            }
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        if !self.enter() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        loop {
            let path = &Path::Index(self.path, list.len());
            let Some(value) = elements.next_element_seed(Seed { path, reading: &mut *self.reading })? else { break };
            if !self.reading.full {
                list.push(value);
            }
        }
        self.reading.levels_left += 1;
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        if !self.enter() {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        while let Some(name) = members.next_key::<String>()? {
            let path = &Path::Key(self.path, &name);
            let value = members.next_value_seed(Seed { path, reading: &mut *self.reading })?;
            if self.reading.full {
                continue;
            }
            match object.entry(name) {
                Entry::Vacant(member) => {
                    member.insert(value);
                }
                Entry::Occupied(mut member) => {
                    let path = Path::Key(self.path, member.key());
                    self.reading.fault(&path, Code::Conflict, "is there more than once".to_string());
                    member.insert(value);
                }
            }
        }
        self.reading.levels_left += 1;
        Ok(Value::Object(object))
    }
}
