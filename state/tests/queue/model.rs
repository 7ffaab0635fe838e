//! A model of the queue of submissions, in plain Rust: the holders of entries, and the order in which senders are
//! served.

use std::collections::{BTreeMap, BTreeSet};

use crate::redis::{Snapshot, counted};

/// The most cost of one turn of a key: see `TURN` in the crate.
const TURN: i64 = 64 << 10;

/// The state of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Waits,
    /// This worker holds it. With a tilde before its number, it rests.
    Held(String),
    Finished,
}

/// A submission that was queued.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    /// Its entry; it changes when a shared entry is lost.
    pub(crate) entry: String,
    /// The key that takes its turn now: its sender's, or the one of lost entries.
    pub(crate) key: String,
    pub(crate) scope: String,
    pub(crate) cost: usize,
    /// The time of arrival, milliseconds.
    pub(crate) came: i64,
    pub(crate) place: Location,
    /// The workers that held it when it was lost.
    pub(crate) lost: Vec<String>,
    pub(crate) erased: bool,
}

/// The whole model.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) queued: BTreeMap<String, Queued>,
    /// Workers that were declared dead, but went on.
    pub(crate) returned: BTreeSet<String>,
    /// The follow-ups of finished entries.
    pub(crate) pushed: Vec<String>,
    /// For each pair of keys, while both waited: the cost served to the first minus the second; its minimum and maximum
    /// so far.
    served: BTreeMap<(String, String), (i64, i64, i64)>,
    /// The highest cost of an entry.
    largest: i64,
}

impl Model {
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (&String, &Queued)> {
        self.queued.iter().filter(|(_, one)| one.place != Location::Finished)
    }

    /// Submissions of a key that wait or are held.
    pub(crate) fn load(&self, key: &str) -> usize {
        self.unfinished().filter(|(_, one)| one.key == key).count()
    }

    fn waiting(&self) -> BTreeSet<String> {
        self.queued.values().filter(|one| one.place == Location::Waits).map(|one| one.key.clone()).collect()
    }

    pub(crate) fn waits(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// The number of the next attempt.
    pub(crate) fn attempt(&self, one: &Queued) -> u32 {
        let again = one.key.starts_with('!');
        let died = one.lost.iter().filter(|worker| !self.returned.contains(*worker)).count();
        if again { 1 + u32::try_from(died).unwrap() } else { 1 }
    }

    /// An entry was handed out. Waiting keys share evenly: in any period in which two of them wait, the costs served to
    /// them differ by at most a turn of each.
    pub(crate) fn serve(&mut self, key: &str, ids: &[String], worker: &str) {
        let cost = ids.iter().map(|id| i64::try_from(self.queued[id].cost).unwrap()).sum::<i64>();
        let waiting = self.waiting();
        self.largest = self.largest.max(cost);
        for other in waiting.iter().filter(|other| *other != key) {
            let (pair, by) = match key < other.as_str() {
                true => ((key.to_owned(), other.clone()), cost),
                false => ((other.clone(), key.to_owned()), -cost),
            };
            let (now, least, most) = self.served.entry(pair).or_default();
            *now += by;
            (*least, *most) = ((*least).min(*now), (*most).max(*now));
            assert!(*most - *least <= 2 * TURN.max(self.largest), "{key} and {other} are not served alike");
        }
        for id in ids {
            self.queued.get_mut(id).unwrap().place = Location::Held(worker.to_owned());
        }
        let waiting = self.waiting();
        self.served.retain(|(one, other), _| waiting.contains(one) && waiting.contains(other));
    }

    /// A worker was declared dead, or a rest has ended.
    pub(crate) fn bury(&mut self, holder: &str) {
        let held = Location::Held(holder.to_owned());
        let mut entries: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for one in self.queued.values().filter(|one| one.place == held) {
            let (count, cost) = entries.entry(one.entry.clone()).or_default();
            (*count, *cost) = (*count + 1, *cost + one.cost);
        }
        let returned = self.returned.clone();
        for (id, one) in self.queued.iter_mut().filter(|(_, one)| one.place == held) {
            one.place = Location::Waits;
            if !holder.starts_with('~') {
                one.lost.push(holder.to_owned());
                let died = one.lost.iter().filter(|worker| !returned.contains(*worker)).count();
                one.key = if died > 1 { "!!" } else { "!" }.to_owned();
                // Submissions that shared this entry get entries of their own.
                if let (2.., cost) = entries[&one.entry] {
                    one.cost = cost.min(8 * id.len());
                }
            }
        }
    }

    /// Checks the invariants of every moment.
    pub(crate) fn check(&mut self, now: &Snapshot) {
        // A queued submission is in the stream exactly once until it is finished, and nothing else is there.
        let lines = now.stream.iter().flat_map(|(entry, payload)| payload.split('\n').map(move |line| (line, entry)));
        let lines: BTreeMap<String, String> = lines.map(|(line, entry)| (line.to_owned(), entry.clone())).collect();
        let unfinished: BTreeSet<String> = self.unfinished().map(|(id, _)| id.clone()).collect();
        assert_eq!(lines.keys().cloned().collect::<BTreeSet<_>>(), unfinished, "the stream");
        let in_stream: usize = now.stream.iter().map(|(_, payload)| payload.split('\n').count()).sum();
        assert_eq!(in_stream, unfinished.len(), "nothing is in the stream twice");
        for (id, entry) in lines {
            let one = self.queued.get_mut(&id).unwrap();
            if one.came == 0 {
                one.came = entry.split('-').next().unwrap().parse().unwrap();
            }
            one.entry = entry;
        }
        // Each entry waits in one flow or is held by one worker.
        let mut places: BTreeMap<String, (String, Location)> = BTreeMap::new();
        for (flow, members) in &now.flows {
            let came: Vec<(u64, u64)> = members.iter().map(|member| came(member)).collect();
            assert!(
                came.is_sorted() || flow.starts_with('!'),
                "{flow} waits in the order in which it came: {members:?}"
            );
            for member in members {
                let entry = member.split(' ').next().unwrap();
                let before = places.insert(entry.to_owned(), (flow.clone(), Location::Waits));
                assert_eq!(before, None, "{entry} waits twice");
            }
        }
        for (entry, held) in &now.held {
            let (holder, flow) = (held.split(['.', ' ']).next().unwrap(), held.splitn(4, ' ').last().unwrap());
            let before = places.insert(entry.clone(), (flow.to_owned(), Location::Held(holder.to_owned())));
            assert_eq!(before, None, "{entry} waits and is held");
            assert!(
                now.holders.iter().any(|one| one == holder),
                "{entry} is held by nobody who could be taken for dead"
            );
        }
        let entries: BTreeSet<&String> = now.stream.iter().map(|(entry, _)| entry).collect();
        assert_eq!(places.keys().collect::<BTreeSet<_>>(), entries, "what waits or is held is in the stream");
        for (id, one) in self.unfinished() {
            let expected = (format!("{}|{}", one.key, one.scope), one.place.clone());
            assert_eq!(places[&one.entry], expected, "{id}");
        }
        // The counters agree with the stream.
        let load = counted(self.unfinished().map(|(_, one)| one.key.clone()));
        let counters = now.load.iter().map(|(key, count)| (key.clone(), count.parse().unwrap())).collect();
        assert_eq!(load, counters, "how much of each key is not finished");
        if !now.stream.is_empty() {
            let more = i64::try_from(unfinished.len() - now.stream.len()).unwrap();
            assert_eq!(now.more, more, "submissions beyond one for each entry");
        }
        self.check_rings(now);
        // Each follow-up happened once.
        let dispatched = counted(now.dispatched.iter().map(|(_, payload)| payload.clone()));
        assert_eq!(dispatched, counted(self.pushed.iter().cloned()), "what followed");
    }

    /// Exactly those that have something waiting take turns.
    fn check_rings(&self, now: &Snapshot) {
        let mut rings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for one in self.queued.values().filter(|one| one.place == Location::Waits) {
            let (study, site) = one.scope.split_once('|').unwrap();
            let studies = format!(":{}", one.key);
            rings.entry(String::new()).or_default().insert(one.key.clone());
            rings.entry(format!("{studies}|{study}")).or_default().insert(site.to_owned());
            rings.entry(studies).or_default().insert(study.to_owned());
        }
        let found = now.rings.iter().map(|(ring, members)| (ring.clone(), members.iter().cloned().collect()));
        assert_eq!(rings, found.collect(), "who takes turns");
        let lost: BTreeSet<&String> = now.lost.iter().map(|(entry, _)| entry).collect();
        let again = self.unfinished().filter(|(_, one)| one.key.starts_with('!')).map(|(_, one)| &one.entry);
        assert_eq!(lost, again.collect(), "what was lost with a worker");
    }
}

/// The arrival of an entry, and its number in that millisecond, by its id.
fn came(member: &str) -> (u64, u64) {
    let (ms, number) = member.split(' ').next().unwrap().split_once('-').unwrap();
    (ms.parse().unwrap(), number.parse().unwrap())
}
