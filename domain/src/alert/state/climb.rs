//! Escalation: the steps up the chain of a critical alert that nobody acknowledges.
//!
//! Guarantee: there is always a next step. Its time is never further away than the pauses of the chain, even if the
//! clock was changed. After an outage, the missed steps of a round follow at once, because they notify other people.
//! Missed rounds do not pile up.

use super::Climb;
use crate::Timestamp;
use crate::alert::routes::Chain;
use crate::ids::ReceiverId;

impl Climb {
    /// The first step, after the route's receivers were notified.
    pub(super) fn begin(chain: &Chain, now: Timestamp) -> Climb {
        Climb { round: 0, rung: 0, round_at: now, due: now }.next(chain, now)
    }

    /// The receivers of this step; empty means the route's own receivers.
    pub(super) fn told<'a>(&self, chain: &'a Chain) -> &'a [ReceiverId] {
        if self.round > chain.repeats {
            return chain.fallback.as_slice();
        }
        let rung = usize::try_from(self.rung).ok().and_then(|rung| chain.rungs.get(rung.checked_sub(1)?));
        rung.map_or(&[], |rung| rung.receivers.as_slice())
    }

    /// The step that follows this one, which was taken at `now`.
    pub(super) fn next(self, chain: &Chain, now: Timestamp) -> Climb {
        if self.round > chain.repeats {
            let rung = self.rung.saturating_add(1);
            return Climb { rung, due: now.plus_ms(chain.fallback_every_ms), ..self };
        }
        let round_at = if self.rung == 0 { now } else { self.round_at.min(now) };
        let rung = usize::try_from(self.rung).ok().and_then(|rung| chain.rungs.get(rung));
        match rung {
            Some(rung) => Climb {
                round: self.round,
                rung: self.rung + 1,
                round_at,
                due: round_at.plus_ms(rung.after_ms).max(now),
            },
            None => Climb { round: self.round + 1, rung: 0, round_at, due: now.plus_ms(chain.pause_ms) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::routes::Rung;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn chain() -> Chain {
        let rung = |minutes: u64, id: &str| Rung { after_ms: minutes * 60_000, receivers: Vec::from([id.into()]) };
        Chain { rungs: Vec::from([rung(5, "b"), rung(15, "c")]), fallback: Some("f".into()), ..Chain::default() }
    }

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    /// The receivers and the minute of each step, if every step is taken on time.
    fn way(chain: &Chain, steps: usize) -> Vec<(i64, String)> {
        let mut climb = Climb::begin(chain, minute(0));
        (0..steps)
            .map(|_| {
                let (due, told) = (climb.due, climb.told(chain).join(","));
                climb = climb.next(chain, due);
                (due.millis() / 60_000, told)
            })
            .collect()
    }

    #[test]
    fn it_goes_up_the_chain_again_and_ends_at_the_fallback_for_ever() {
        let expected = [(5, "b"), (15, "c"), (45, ""), (50, "b"), (60, "c"), (90, "f"), (120, "f"), (150, "f")];
        assert_eq!(way(&chain(), 8), expected.map(|(at, told)| (at, told.into())));
        let plain = way(&Chain::default(), 9).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(plain, [5, 15, 30, 60, 65, 75, 90, 120, 150]);
    }

    #[test]
    fn after_an_outage_a_round_is_made_up_for_but_rounds_do_not_pile_up() {
        let chain = chain();
        let first = Climb::begin(&chain, minute(0));
        let second = first.next(&chain, minute(600));
        assert_eq!((second.due, second.told(&chain).join(",")), (minute(600), "c".into()));
        assert_eq!(second.next(&chain, minute(600)).due, minute(630));
    }

    #[test]
    fn a_clock_that_goes_back_puts_nothing_off_for_long() {
        let chain = chain();
        let first = Climb::begin(&chain, minute(100_000));
        assert_eq!(first.next(&chain, minute(0)).due, minute(15));
    }

    #[test]
    fn a_chain_that_became_shorter_goes_on_with_its_next_round() {
        let long = Chain { rungs: (1..9).map(|n| Rung { after_ms: n, receivers: Vec::new() }).collect(), ..chain() };
        let mut climb = Climb::begin(&long, minute(0));
        for _ in 0..6 {
            climb = climb.next(&long, climb.due);
        }
        let next = climb.next(&chain(), minute(1));
        assert_eq!((next.round, next.rung, next.due), (1, 0, minute(31)));
    }
}
