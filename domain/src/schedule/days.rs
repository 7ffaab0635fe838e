//! The days of a series: numbers of days after an anchor, in their order, found without counting through them.

use alloc::vec::Vec;

/// Days after an anchor, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Days {
    /// These.
    Each(Vec<u16>),
    /// From one day on every so many days, as long as `until` is not passed.
    Every { every: u16, from: u16, until: u16 },
}

impl Days {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Days::Each(days) => days.len(),
            Days::Every { every, from, until } => match until.checked_sub(*from) {
                Some(span) => usize::from(span / (*every).max(1)) + 1,
                None => 0,
            },
        }
    }

    /// The day at a position, from 0.
    pub(super) fn get(&self, position: usize) -> Option<u16> {
        match self {
            Days::Each(days) => days.get(position).copied(),
            Days::Every { every, from, .. } => {
                let day = || u16::try_from(position).ok()?.checked_mul(*every)?.checked_add(*from);
                (position < self.count()).then(day)?
            }
        }
    }

    /// The position of the first day that is not before `day`.
    pub(super) fn first_from(&self, day: i64) -> usize {
        match self {
            Days::Each(days) => days.partition_point(|known| i64::from(*known) < day),
            Days::Every { every, from, .. } => {
                let every = i64::from((*every).max(1));
                let steps = (day.saturating_sub((*from).into()).max(0).saturating_add(every - 1)) / every;
                usize::try_from(steps).map_or(self.count(), |steps| steps.min(self.count()))
            }
        }
    }

    /// The position of a day, if it is one of these.
    pub(super) fn position(&self, day: u16) -> Option<usize> {
        let position = self.first_from(day.into());
        (self.get(position) == Some(day)).then_some(position)
    }

    /// The least number of days from one to the next; none for a single day.
    pub(super) fn closest(&self) -> Option<u16> {
        match self {
            Days::Each(days) => days.windows(2).filter_map(|two| two.last()?.checked_sub(*two.first()?)).min(),
            Days::Every { every, .. } => (self.count() > 1).then_some(*every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arithmetic_gives_what_counting_gives(every in 1u16..40, from in 0u16..3660, span in 0u16..400, day in -50i64..4100) {
            let until = (from + span).min(3660);
            let days = Days::Every { every, from, until };
            let counted: Vec<u16> = (from..=until).step_by(every.into()).collect();
            let each = Days::Each(counted.clone());
            for days in [&days, &each] {
                prop_assert_eq!(days.count(), counted.len());
                prop_assert!((0..counted.len() + 2).all(|at| days.get(at) == counted.get(at).copied()));
                let first = counted.iter().position(|known| i64::from(*known) >= day).unwrap_or(counted.len());
                prop_assert_eq!(days.first_from(day), first);
                let day = u16::try_from(day).unwrap_or(u16::MAX);
                prop_assert_eq!(days.position(day), counted.iter().position(|known| *known == day));
                prop_assert_eq!(days.closest(), (counted.len() > 1).then_some(every));
            }
        }
    }
}
