//! The door and the documents of studies: what the scripts take in, one by one, in groups and for a check alone.

use domain::ids::SubmissionId;
use platform::redis::Redis;
use state::queue::rate_limit::Limits;
use state::queue::{Door, Enqueued, NotTaken, Submission, UNCOMPARED};

use crate::redis::{command, door, id, remembered, with_redis};

/// A submission of a study and site that was written at this time.
fn one<'a>(id: &'a SubmissionId, record: &'a [u8], scope: &'a str, written_ms: i64, own: &'a str) -> Submission<'a> {
    let (kind, payload) = ("response", id.as_str());
    Submission { id, record, scope, kind, flow: "k|A|1", cost: 10, payload, written_ms, own, amends: None }
}

/// Puts a study in force: its state, when it was closed, the revision of its own settings, its sites.
async fn study(redis: &Redis, name: &str, state: &str, closed: &str, own: &str, sites: &[(&str, &str)]) {
    let key = format!("{{vigil}}:study:{name}");
    command(redis, &["DEL", &key]).await;
    command(redis, &["HSET", &key, "state", state, "closed", closed, "own", own]).await;
    for (site, closed) in sites {
        command(redis, &["HSET", &key, &format!("site:{site}"), closed]).await;
    }
}

#[test]
fn a_study_takes_in_what_its_document_says() {
    with_redis(async |redis: &Redis| {
        let open = door(1000, 1000);
        let strict = Door::new(1000, 1000, &Limits::default(), true);
        study(redis, "live", "live", "", "", &[("1", "-"), ("2", "100")]).await;
        study(redis, "draft", "draft", "", "", &[("1", "-")]).await;
        study(redis, "paused", "paused", "", "", &[("1", "-")]).await;
        study(redis, "closed", "closed", "100", "", &[("1", "-")]).await;
        let no = |why| Enqueued::NotTaken(why);
        let cases = [
            ("live|1", 500, Enqueued::Queued),
            ("live|2", 100, Enqueued::Queued),
            ("live|2", 101, no(NotTaken::ClosedSite)),
            ("live|3", 1, no(NotTaken::UnknownSite)),
            ("draft|1", 1, no(NotTaken::Draft)),
            ("paused|1", 500, Enqueued::Queued),
            ("closed|1", 100, Enqueued::Queued),
            ("closed|1", 101, no(NotTaken::Closed)),
            ("closed|2", 1, no(NotTaken::UnknownSite)),
            ("other|1", 1, Enqueued::Queued),
        ];
        let documents: Vec<(String, i64)> = cases.iter().map(|(scope, at, _)| ((*scope).to_owned(), *at)).collect();
        let told = open.studies.not_taken(redis, &documents).await.unwrap();
        for (number, (scope, at, expected)) in cases.iter().enumerate() {
            let id = id(&format!("s{number}"), 1000);
            let record = remembered("aa", 1000);
            let outcome = open.enqueue(redis, &"k".into(), "", &[one(&id, &record, scope, *at, "")]).await.unwrap();
            assert_eq!(outcome, std::slice::from_ref(expected), "{scope} {at}");
            let asked = told[number].map_or(Enqueued::Queued, Enqueued::NotTaken);
            assert_eq!(asked, *expected, "{scope} {at}");
        }
        let (id, record) = (id("strict", 1000), remembered("aa", 1000));
        let outcome = strict.enqueue(redis, &"k".into(), "", &[one(&id, &record, "other|1", 1, "")]).await.unwrap();
        assert_eq!(outcome, [no(NotTaken::UnknownStudy)]);
        // A study without a document that is refused now was taken in before: a resend stays one.
        let id = crate::redis::id("s9", 1000);
        let outcome = strict.enqueue(redis, &"k".into(), "", &[one(&id, &record, "other|1", 1, "")]).await.unwrap();
        assert!(matches!(outcome.as_slice(), [Enqueued::Duplicate(_)]), "{outcome:?}");
    });
}

#[test]
fn one_that_is_refused_keeps_no_other_of_its_group_out() {
    with_redis(async |redis: &Redis| {
        let door = door(1000, 1000);
        study(redis, "live", "live", "", "", &[("1", "-")]).await;
        let ids: Vec<SubmissionId> = (0..4).map(|number| id(&format!("g{number}"), 1000)).collect();
        let record = remembered("aa", 1000);
        let group: Vec<Submission<'_>> = ids
            .iter()
            .zip(["live|1", "live|2", "other|1", "live|1"])
            .map(|(id, scope)| one(id, &record, scope, 1, UNCOMPARED))
            .collect();
        let outcomes = door.enqueue(redis, &"k".into(), "", &group).await.unwrap();
        let refused = Enqueued::NotTaken(NotTaken::UnknownSite);
        assert_eq!(outcomes, [Enqueued::Queued, refused, Enqueued::Queued, Enqueued::Queued]);
        // All of them are sound: they go in together.
        let ids: Vec<SubmissionId> = (0..3).map(|number| id(&format!("h{number}"), 1000)).collect();
        let group: Vec<Submission<'_>> = ids.iter().map(|id| one(id, &record, "live|1", 1, "")).collect();
        let outcomes = door.enqueue(redis, &"k".into(), "", &group).await.unwrap();
        assert_eq!(outcomes, [const { Enqueued::Queued }; 3]);
        assert_eq!(
            command(redis, &["XLEN", "{vigil}:q:score"]).await,
            ["4"],
            "three entries, and one that three share"
        );
    });
}

#[test]
fn what_was_checked_by_other_settings_of_its_study_is_checked_again() {
    with_redis(async |redis: &Redis| {
        let door = door(1000, 1000);
        study(redis, "own", "live", "", "2.ab", &[("1", "-")]).await;
        study(redis, "none", "live", "", "", &[("1", "-")]).await;
        let record = remembered("aa", 1000);
        for (number, (scope, own, expected)) in [
            ("own|1", "", Enqueued::Stale),
            ("own|1", "1.ab", Enqueued::Stale),
            ("none|1", "1.ab", Enqueued::Stale),
            ("other|1", "1.ab", Enqueued::Stale),
            ("own|1", "2.ab", Enqueued::Queued),
            ("own|1", UNCOMPARED, Enqueued::Queued),
            ("none|1", "", Enqueued::Queued),
        ]
        .into_iter()
        .enumerate()
        {
            let id = id(&format!("o{number}"), 1000);
            let outcome = door.enqueue(redis, &"k".into(), "", &[one(&id, &record, scope, 1, own)]).await.unwrap();
            assert_eq!(outcome, [expected], "{scope} {own}");
        }
    });
}
