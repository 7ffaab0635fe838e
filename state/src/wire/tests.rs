//! Our own JSON writer writes records exactly as serde_json does.

use proptest::prelude::*;
use serde_json::Value;

use crate::wire::entry::{Record, Score, ScoredWith, State, Submission};
use crate::wire::evaluation::{Evaluation, RulesUsed};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9 -]{0,40}", "[ -~]{0,20}", any::<String>()]
}

prop_compose! {
    fn record()(
        texts in prop::array::uniform20(text()),
        given in prop::array::uniform12(any::<bool>()),
        content in prop::collection::btree_map(text(), text().prop_map(Value::from), 0..5),
        value in any::<f64>().prop_map(Value::from),
        counts in any::<(u16, u32, u64)>(),
    ) -> Record {
        let text = |place: usize| texts[place].clone();
        let maybe = |place: usize| given[place].then(|| text(place));
        let two = |place: usize| if given[place] { vec![text(place), text(place + 1)] } else { Vec::new() };
        let score = Score {
            id: text(0),
            value: given[0].then_some(value),
            band: maybe(1),
            status: text(2),
            reason: maybe(3),
            answered: counts.0,
            missing: 0,
        };
        Record {
            state: if given[4] { State::Scored } else { State::Failed },
            reason: maybe(5),
            submission: Submission {
                submission_id: text(3).into(),
                study_id: text(4).into(),
                site_id: text(5).into(),
                subject: text(6).into(),
                kind: text(7),
                instrument: maybe(6).map(Into::into),
                instrument_version: maybe(7),
                parameters: two(8).into_iter().map(|name| (name, text(10))).collect(),
                authored_at: text(11),
                received_at: text(12),
                key: text(13).into(),
                hash: text(14),
                amends: maybe(9).map(Into::into),
                amends_reason: maybe(10),
                flags: two(10),
                removed: two(11).into_iter().map(|name| (name, counts.1)).collect(),
                content: content.into_iter().collect(),
                ordered_at: maybe(8),
            },
            scored_with: given[0].then(|| ScoredWith {
                id: text(15),
                version: text(16),
                hash: text(17),
                parameters: two(1).into_iter().map(|name| (name, text(18))).collect(),
            }),
            scores: if given[2] { vec![score.clone(), score] } else { Vec::new() },
            alerts: two(3).into_iter().map(Into::into).collect(),
            evaluation: Evaluation {
                rules: given[4].then_some(RulesUsed { version: counts.2, of_study: false, unreadable: given[5] }),
                ..Evaluation::default()
            },
        }
    }
}

proptest! {
    #[test]
    fn any_record_is_written_as_serde_writes_it(record in record()) {
        prop_assert_eq!(platform::kv::json(&record).unwrap(), serde_json::to_string(&record).unwrap());
    }
}
