//! Audit chains: the history of one entity, in an order that nobody can change unnoticed.
//!
//! Guarantee: [`verify`] reports every record that was changed, moved, inserted, or removed from the middle. Every
//! record carries its own hash and the hash of the record before it. The hash covers all members with their lengths, so
//! text moved from one member to the next changes the hash.
//!
//! Not for: two attacks that the chain alone cannot detect. Records cut off at the end are noticed only with the known
//! length of the chain, the [`Head`]; it is therefore kept in another place. Anybody who can write both the records and
//! the head can write another history; a copy of the head that was kept elsewhere reveals it.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::hex;

/// A record of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The entity that the chain belongs to.
    pub entity: &'a str,
    /// Its position; the first is 0.
    pub number: u64,
    /// The time of the action.
    pub at: &'a str,
    /// The actor.
    pub actor: &'a str,
    /// The action.
    pub action: &'a str,
    /// The reason.
    pub reason: Option<&'a str>,
    /// The declaration of the person who signed it.
    pub meaning: Option<&'a str>,
    /// Another entity that is involved.
    pub refers_to: Option<&'a str>,
    /// Hash of the entity's content before.
    pub old: Option<&'a str>,
    /// Hash of the entity's content after.
    pub new: Option<&'a str>,
    /// Hash of the record before; empty for the first.
    pub previous: &'a str,
}

impl Record<'_> {
    /// The record's hash, lower-case hex.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new_with_prefix(b"vigil audit 1");
        hash.update(self.number.to_be_bytes());
        let required = [self.entity, self.at, self.actor, self.action, self.previous].map(Some);
        let optional = [self.reason, self.refers_to, self.old, self.new];
        for member in required.iter().chain(&optional) {
            match member {
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text);
                }
                None => hash.update([0]),
            }
        }
        // A record without one has the hash that it had before there were signatures.
        if let Some(meaning) = self.meaning {
            hash.update([2]);
            hash.update((meaning.len() as u64).to_be_bytes());
            hash.update(meaning);
        }
        hex(&hash.finalize())
    }
}

/// The content of one position of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// Nothing.
    Missing,
    /// Something that is no record.
    Unreadable,
    /// A record, and the hash that is stored with it.
    Record(Record<'a>, &'a str),
}

/// The length of a chain, kept apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The number of the last record.
    pub number: u64,
    /// Its hash.
    pub hash: &'a str,
}

/// A fault of a chain at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There is no record.
    Missing,
    /// The record was changed: it does not match its own hash, or belongs elsewhere.
    Changed,
    /// The record does not link to the one before it: one of the two was changed.
    Unlinked,
    /// The record lies beyond the head.
    Beyond,
}

impl Fault {
    /// The fault's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::Changed => "changed",
            Fault::Unlinked => "unlinked",
            Fault::Beyond => "beyond-head",
        }
    }
}

/// All faults of a chain, each with the number of its position. Without a head, a cut end is not detected.
pub fn verify(entity: &str, slots: &[Slot<'_>], head: Option<Head<'_>>) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    // The hash that the next record must link to; none if it is not known.
    let mut before = Some("");
    for (number, slot) in (0u64..).zip(slots) {
        let (record, hash) = match slot {
            Slot::Missing => {
                faults.push((number, Fault::Missing));
                before = None;
                continue;
            }
            Slot::Unreadable => {
                faults.push((number, Fault::Changed));
                before = None;
                continue;
            }
            Slot::Record(record, hash) => (record, *hash),
        };
        let ends_otherwise = head.is_some_and(|head| head.number == number && head.hash != hash);
        if record.entity != entity || record.number != number || record.hash() != hash || ends_otherwise {
            faults.push((number, Fault::Changed));
        }
        if before.is_some_and(|before| before != record.previous) {
            faults.push((number, Fault::Unlinked));
        }
        if head.is_some_and(|head| head.number < number) {
            faults.push((number, Fault::Beyond));
        }
        before = Some(hash);
    }
    if let Some(head) = head {
        let read = slots.len() as u64;
        faults.extend((read..=head.number).map(|number| (number, Fault::Missing)));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::vec;
    use proptest::prelude::*;

    /// A chain of records about `e`, with their hashes.
    fn chain(actions: &[&'static str]) -> Vec<(Record<'static>, String)> {
        let mut chain: Vec<(Record<'static>, String)> = Vec::new();
        for (number, action) in (0..).zip(actions) {
            let previous = chain.last().map(|(_, hash)| hash.clone()).unwrap_or_default();
            let record = Record { number, action, previous: previous.leak(), ..record() };
            chain.push((record, record.hash()));
        }
        chain
    }

    fn record() -> Record<'static> {
        Record {
            entity: "e",
            number: 0,
            at: "2026-03-01T00:00:00.000Z",
            actor: "k",
            action: "submitted",
            reason: None,
            meaning: None,
            refers_to: None,
            old: None,
            new: Some("00"),
            previous: "",
        }
    }

    fn slots(chain: &[(Record<'static>, String)]) -> Vec<Slot<'static>> {
        chain.iter().map(|(record, hash)| Slot::Record(*record, hash.clone().leak())).collect()
    }

    fn head(chain: &[(Record<'static>, String)]) -> Option<Head<'static>> {
        chain.last().map(|(record, hash)| Head { number: record.number, hash: hash.clone().leak() })
    }

    const FOUR: [&str; 4] = ["submitted", "superseded", "seen", "erased"];

    fn check(spoil: impl FnOnce(&mut Vec<Slot<'static>>), expected: &[(u64, Fault)]) {
        let whole = chain(&FOUR);
        let mut slots = slots(&whole);
        spoil(&mut slots);
        assert_eq!(verify("e", &slots, head(&whole)), expected);
    }

    fn change(slots: &mut [Slot<'static>], number: usize, recompute: bool) {
        let Slot::Record(record, hash) = &mut slots[number] else { panic!() };
        record.actor = "somebody else";
        if recompute {
            *hash = record.hash().leak();
        }
    }

    #[test]
    fn an_untouched_chain_has_no_fault() {
        check(|_| {}, &[]);
        assert_eq!(verify("e", &[], None), []);
        assert_eq!(verify("e", &slots(&chain(&FOUR)), None), []);
    }

    #[test]
    fn a_changed_record_is_named() {
        check(|slots| change(slots, 1, false), &[(1, Fault::Changed)]);
        check(|slots| change(slots, 3, false), &[(3, Fault::Changed)]);
        // If its hash is made to match, the next record reveals the change; for the last record, the head reveals it.
        check(|slots| change(slots, 1, true), &[(2, Fault::Unlinked)]);
        check(|slots| change(slots, 3, true), &[(3, Fault::Changed)]);
        check(|slots| slots[2] = Slot::Unreadable, &[(2, Fault::Changed)]);
    }

    #[test]
    fn a_missing_record_is_named_wherever_it_was() {
        for number in 0..3 {
            check(|slots| slots[number] = Slot::Missing, &[(number as u64, Fault::Missing)]);
        }
        check(|slots| slots.truncate(2), &[(2, Fault::Missing), (3, Fault::Missing)]);
        check(|slots| slots.clear(), &[0, 1, 2, 3].map(|number| (number, Fault::Missing)));
    }

    #[test]
    fn a_cut_end_is_missed_only_by_the_head() {
        let whole = chain(&FOUR);
        assert_eq!(verify("e", &slots(&whole[..2]), None), []);
        assert_eq!(verify("e", &slots(&whole), head(&whole[..3])), [(3, Fault::Beyond)]);
    }

    #[test]
    fn a_record_that_was_moved_or_taken_from_another_chain_is_changed() {
        check(
            |slots| slots.swap(1, 2),
            &[
                (1, Fault::Changed),
                (1, Fault::Unlinked),
                (2, Fault::Changed),
                (2, Fault::Unlinked),
                (3, Fault::Unlinked),
            ],
        );
        assert_eq!(verify("other", &slots(&chain(&["submitted"])), None), [(0, Fault::Changed)]);
    }

    #[test]
    fn every_member_counts_and_none_runs_into_the_next() {
        let same = record();
        let others = vec![
            Record { entity: "f", ..same },
            Record { number: 1, ..same },
            Record { at: "", ..same },
            Record { actor: "ks", action: "ubmitted", ..same },
            Record { reason: Some(""), ..same },
            Record { meaning: Some(""), ..same },
            Record { meaning: Some("00"), ..same },
            Record { meaning: Some("00"), new: None, ..same },
            Record { refers_to: Some(""), ..same },
            Record { old: Some("00"), new: None, ..same },
            Record { new: Some("01"), ..same },
            Record { previous: "0", ..same },
        ];
        let mut hashes: Vec<String> = others.iter().map(Record::hash).collect();
        hashes.push(same.hash());
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn the_hash_is_stable_over_releases() {
        // Computed apart from this code, from the layout that the lines of `hash` document.
        assert_eq!(record().hash(), KNOWN.to_owned());
        assert_eq!(Record { meaning: Some("I approve this"), ..record() }.hash(), SIGNED.to_owned());
    }

    #[test]
    fn a_meaning_that_was_changed_added_or_removed_is_seen() {
        let sealed = |meaning| Record { meaning, ..record() }.hash();
        let verified = |meaning, hash: &str| verify("e", &[Slot::Record(Record { meaning, ..record() }, hash)], None);
        let signed = sealed(Some("I approve this"));
        assert_eq!(verified(Some("I approve this"), &signed), []);
        assert_eq!(verified(Some("I approve that"), &signed), [(0, Fault::Changed)]);
        assert_eq!(verified(None, &signed), [(0, Fault::Changed)]);
        assert_eq!(verified(Some("I approve this"), &sealed(None)), [(0, Fault::Changed)]);
    }

    const KNOWN: &str = "9d78362c61caee140d75638bb905e19835b5cf7e8ce7122794613f1078f83553";
    const SIGNED: &str = "d07b74c8e92c8c09099e8046050d62637278a00b54f6ae15b6f4a003b0b61e2b";

    proptest! {
        #[test]
        fn whatever_is_dropped_or_altered_is_seen(length in 1usize..8, at in 0usize..8, how in 0usize..3) {
            let whole = chain(&["seen"; 8][..length]);
            let at = at % length;
            let mut spoilt = slots(&whole);
            match how {
                0 => spoilt[at] = Slot::Missing,
                1 => change(&mut spoilt, at, false),
                _ => change(&mut spoilt, at, true),
            }
            prop_assert!(!verify("e", &spoilt, head(&whole)).is_empty());
        }
    }
}
