//! The built-in treatment of a member of a generic report, by the parts of its name.
//!
//! Guarantee: a member is treated as its name says in whatever form it is written: `contactPhone`, `contact_phone`,
//! `CONTACT-PHONE 2`, `contactphone`, `联系电话`. A name without such a part is scrubbed.
//!
//! Mechanism: a name is taken apart at marks, at digits and where small letters meet capitals. Up to four parts in a row
//! that together are a word of the table decide. A few long words are also found inside a part. Chinese, Japanese and
//! Korean have no such joints; there a word is found anywhere.

use alloc::string::String;
use alloc::vec::Vec;

use super::table::Treatment::{self, Drop, DropName, Pseudonymise, Scrub};
use crate::scrub::{fold, folded, is_cjk};
use native::{NATIVE, NATIVE_WAYS, PERSONS};
use words::{INSIDE, OTHER, WAYS, WHOLE, WORDS};

mod native;
mod words;

/// The most parts of a name that are looked at.
const MOST: usize = 24;
/// The most parts of a word.
const LONGEST: usize = 4;

/// The treatment of the member with this path, from the last name to the first.
pub(super) fn treatment<'p>(mut path: impl Iterator<Item = &'p str>) -> Treatment {
    let name = path.next().unwrap_or_default();
    let parts = Parts::of(name);
    if parts.is("name") && path.next().is_some_and(|parent| Parts::of(parent).has_any(PERSONS)) {
        return DropName;
    }
    parts.treatment().unwrap_or(Scrub)
}

/// A name, taken apart.
#[derive(Default)]
struct Parts {
    parts: Vec<String>,
    /// Everything that is Chinese, Japanese or Korean.
    native: String,
}

impl Parts {
    fn of(name: &str) -> Self {
        let mut parts = Parts::default();
        let mut part = String::new();
        // The last letter, and whether the one before it was a capital too.
        let (mut last, mut capitals) = (None, 0);
        for c in name.chars() {
            let mut visible = false;
            fold(c, |_| visible = true);
            if !visible {
                continue;
            }
            let is_joint = !c.is_alphabetic() || is_cjk(c);
            let small_to_capital = c.is_uppercase() && last.is_some_and(char::is_lowercase);
            if is_joint || small_to_capital {
                parts.end(&mut part);
            } else if c.is_lowercase()
                && capitals > 1
                && let Some((at, _)) = part.char_indices().next_back()
            {
                // `SSNNumber`: the last capital begins the next part.
                let next = part.split_off(at);
                parts.end(&mut part);
                part = next;
            }
            capitals = if c.is_uppercase() { capitals + 1 } else { 0 };
            last = Some(c).filter(|_| !is_joint);
            if is_cjk(c) {
                parts.native.push(c);
            } else if !is_joint {
                part.push(c);
            }
        }
        parts.end(&mut part);
        parts
    }

    fn end(&mut self, part: &mut String) {
        if !part.is_empty() && self.parts.len() < MOST {
            self.parts.push(folded(part));
        }
        part.clear();
    }

    fn is(&self, word: &str) -> bool {
        self.native.is_empty() && matches!(self.parts.as_slice(), [part] if part == word)
    }

    /// Whether it is the number of a person, whose word is Chinese, Japanese or Korean: `患者ID`.
    fn is_persons_id(&self) -> bool {
        PERSONS.contains(&self.native.as_str()) && matches!(self.parts.as_slice(), [id] if id == "id" || id == "no")
    }

    fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.parts.iter().any(|part| part == word) || self.native.contains(word))
    }

    fn treatment(&self) -> Option<Treatment> {
        let persons_id = || self.is_persons_id().then_some(Pseudonymise);
        self.joined()
            .or_else(|| self.inside())
            .or_else(|| self.in_native())
            .or_else(|| self.whole())
            .or_else(persons_id)
    }

    /// The treatment by parts in a row. The longest row at the earliest place decides.
    fn joined(&self) -> Option<Treatment> {
        for start in 0..self.parts.len() {
            for length in (1..=LONGEST).rev() {
                let Some(row) = self.parts.get(start..start + length) else { continue };
                let word = row.concat();
                if let Some(treatment) = known(&word)
                    && self.decides(treatment, start + length)
                {
                    return Some(treatment);
                }
            }
        }
        None
    }

    /// The treatment by a word inside a part.
    fn inside(&self) -> Option<Treatment> {
        self.parts.iter().enumerate().find_map(|(at, part)| {
            let is_inside = |word: &&&str| part.len() > word.len() && part.contains(**word);
            let word = INSIDE.iter().find(is_inside).filter(|_| !OTHER.contains(&part.as_str()))?;
            known(word).filter(|treatment| self.decides(*treatment, at + 1))
        })
    }

    /// The treatment of a word that is the whole name.
    fn whole(&self) -> Option<Treatment> {
        let name = if self.native.is_empty() { self.parts.concat() } else { return None };
        WHOLE.iter().find(|(word, _)| *word == name).map(|(_, treatment)| *treatment)
    }

    fn in_native(&self) -> Option<Treatment> {
        if self.native.is_empty() {
            return None;
        }
        let name = folded(&self.native);
        NATIVE.iter().find_map(|(word, treatment)| {
            let word = folded(word);
            let after = name.get(name.find(&word)? + word.len()..)?;
            let is_way = *treatment == Drop && NATIVE_WAYS.iter().any(|way| after.starts_with(way));
            (!is_way).then_some(*treatment)
        })
    }

    /// Whether a word decides, by the part that follows it.
    fn decides(&self, treatment: Treatment, next: usize) -> bool {
        treatment != Drop || !self.parts.get(next).is_some_and(|part| WAYS.contains(&part.as_str()))
    }
}

fn known(word: &str) -> Option<Treatment> {
    let found = WORDS.binary_search_by(|(known, _)| (*known).cmp(word)).ok()?;
    WORDS.get(found).map(|(_, treatment)| *treatment)
}

#[cfg(test)]
mod tests;
