//! The erasure of a study and of its subjects: what the doors take in, what waits, what is swept, and what is counted.

use domain::ids::StudyId;
use platform::redis::Redis;
use state::erasure::study;
use state::erasure::subject::{self, Begun, List};
use state::names::{self, Queue};
use state::queue::holder::Holder;
use state::queue::{self, Claim, Enqueued, Finished, FollowUps};
use state::wire::entry::Subject;

use crate::redis::{command, door, id, remembered, submission, with_redis};

fn begun() -> Begun {
    let at = "2026-03-02T00:00:00.000Z".to_owned();
    Begun { at, by: "admin".into(), reason: "over".to_owned(), meaning: None }
}

/// The outcomes of submissions with these names and flows, sent together.
async fn send(redis: &Redis, all: &[(&str, &str)]) -> Vec<Enqueued> {
    let record = remembered("h", 5);
    let ids: Vec<_> = all.iter().map(|(name, _)| id(name, 5)).collect();
    let all: Vec<_> = ids.iter().zip(all).map(|(id, (_, flow))| submission(id, &record, flow, 20)).collect();
    door(1000, 1000).enqueue(redis, &"k".into(), "", &all).await.unwrap()
}

#[test]
fn the_door_takes_nothing_in_for_a_study_that_is_being_erased() {
    with_redis(async |redis| {
        let study = StudyId::from("A");
        study::begin(redis, &study, &begun()).await.unwrap();
        study::begin(redis, &study, &Begun { reason: "another".to_owned(), ..begun() }).await.unwrap();
        let job = study::under_way(redis, &study).await.unwrap().unwrap();
        assert_eq!((job.begun(), job.left), (begun(), Some(0)), "the first stands");
        assert_eq!(study::studies(redis).await.unwrap(), std::slice::from_ref(&study));
        assert_eq!(send(redis, &[("a", "k|A|1")]).await, [Enqueued::Erasing]);
        let (queued, erasing) = (Enqueued::Queued, Enqueued::Erasing);
        let mixed = send(redis, &[("b", "k|B|1"), ("c", "k|A|2"), ("d", "k|AB|1")]).await;
        assert_eq!(mixed, [queued.clone(), erasing, queued.clone()]);
        assert_eq!(send(redis, &[("e", "k|B|1"), ("f", "k|B|1")]).await, [queued.clone(), queued.clone()]);
        assert_eq!(command(redis, &["HGET", "{vigil}:load", "k"]).await, ["4"]);
        // What was refused is not remembered.
        command(redis, &["DEL", names::STUDIES_ERASING]).await;
        assert_eq!(send(redis, &[("a", "k|A|1")]).await, [queued]);
    });
}

#[test]
fn what_waits_of_a_study_is_found_in_each_queue_and_in_a_workers_hands() {
    with_redis(async |redis| {
        let waits = async |study: &str| study::waits(redis, &study.into(), &Queue::ALL).await.unwrap();
        send(redis, &[("a", "k|A|1")]).await;
        assert_eq!((waits("A").await, waits("B").await, waits("1").await), (true, false, false));
        let holder = Holder::new();
        let how = Claim { count: 9, holder: &holder, leave: true };
        let (_, claimed) = queue::claim(redis, Queue::Score, how).await.unwrap();
        assert!(waits("A").await, "a worker holds it");
        // It pushes an alert, and a message about an event, which has no content.
        let mut follow_ups = FollowUps::default();
        follow_ups.push_in("k|B|1", "{}");
        follow_ups.push_in("*|s|C%2F1", "{}");
        follow_ups.latest(&names::subjects_of(&"A".into()), 7, "p");
        follow_ups.latest(&names::subjects_of(&"A".into()), 5, "p");
        let done = Finished { id: claimed[0].id.clone(), submission: None, follow_ups };
        queue::finish(redis, Queue::Score, &holder, &[done]).await.unwrap();
        assert_eq!((waits("A").await, waits("B").await, waits("C").await), (false, true, false));
        assert!(!study::waits(redis, &"B".into(), &[Queue::Score]).await.unwrap());
        assert_eq!(study::last_came(redis, &"A".into(), &"p".into()).await.unwrap(), Some(7), "a later time stays");
        for (until, expected) in [(6, 0), (7, 1)] {
            assert_eq!(study::subjects(redis, &"A".into(), until, 9).await.unwrap().len(), expected);
        }
    });
}

#[test]
fn what_is_due_and_the_dead_letters_of_a_study_are_swept_and_no_others() {
    with_redis(async |redis| {
        let due = [
            "dispatch k|A|1 {\"due\":{\"alertId\":\"a\",\"submissionId\":\"s\"}}",
            "score |A|2 {\"check\":{\"study\":\"A\"}}",
            "dispatch *|k|A%2F1 {\"notification\":{\"about\":{\"analysis\":{}},\"studyId\":\"A\"}}",
        ];
        let others = [
            "dispatch *|s|A%2F1 {\"notification\":{\"about\":{\"event\":{}},\"studyId\":\"A\"}}",
            "dispatch k|B|1 {\"due\":{\"alertId\":\"k|A|1\"}}",
            "dispatch *|k|B%2F1 {\"notification\":{\"about\":{\"analysis\":{}},\"studyId\":\"B\"}}",
            "unreadable",
        ];
        for member in due.iter().chain(&others) {
            command(redis, &["ZADD", "{vigil}:due", "1", member]).await;
        }
        command(redis, &["HSET", names::ERASED, "erased", "{}"]).await;
        let letters = [
            "{\"submission\":{\"submission\":{\"studyId\":\"A\",\"content\":{\"studyId\":\"B\"}},\"sealed\":\"x\"}}",
            "{\"check\":{\"study\":\"A\"}}",
            "{\"analysis\":{\"job\":{\"studyId\":\"A\"}}}",
            "{\"notification\":{\"about\":{\"event\":{}},\"studyId\":\"A\"}}",
            "{\"given-up\":{\"alertId\":\"a\",\"submissionId\":\"erased\"}}",
            "broken \"studyId\":\"A\"",
        ];
        let kept = [
            "{\"submission\":{\"submission\":{\"studyId\":\"B\",\"content\":{\"studyId\":\"A\"}},\"sealed\":\"x\"}}",
            "{\"given-up\":{\"alertId\":\"a\",\"submissionId\":\"other\"}}",
            "{\"alert\":[]}",
            "[]",
            "3",
            "broken \"studyId\":\"AB\"",
        ];
        for payload in letters.iter().chain(&kept) {
            command(redis, &["XADD", names::DEAD, "*", "q", "score", "reason", "r", "d", payload]).await;
        }
        study::sweep(redis, &"A".into()).await.unwrap();
        let mut left = command(redis, &["ZRANGE", "{vigil}:due", "0", "-1"]).await;
        left.sort();
        let mut expected = others.map(str::to_owned);
        expected.sort();
        assert_eq!(left, expected);
        let left = command(redis, &["XRANGE", names::DEAD, "-", "+"]).await;
        for payload in letters {
            assert!(!left.iter().any(|it| it == payload), "{payload}");
        }
        for payload in kept {
            assert!(left.iter().any(|it| it == payload), "{payload} {left:?}");
        }
    });
}

#[test]
fn a_subject_that_is_erased_is_counted_once_and_leaves_its_study_when_nothing_is_listed() {
    with_redis(async |redis| {
        let (study, pseudonym) = (StudyId::from("A"), "p".into());
        let subject =
            Subject { subject: "p".into(), study_id: study.clone(), site_id: "1".into(), sealed: String::new() };
        let (index, failed) = (names::subjects_of(&study), names::failed(&pseudonym));
        command(redis, &["ZADD", &index, "1", "p", "2", "q"]).await;
        command(redis, &["ZADD", &names::filed(&pseudonym), "1", "s1 1 phq-9"]).await;
        command(redis, &["ZADD", &failed, "1", "s2"]).await;
        study::begin(redis, &study, &begun()).await.unwrap();
        subject::begin(redis, &pseudonym, &begun()).await.unwrap();
        assert_eq!(subject::left(redis, &pseudonym).await.unwrap(), 2);
        assert_eq!(subject::failed(redis, &pseudonym, 9).await.unwrap(), ["s2"]);
        for _ in 0..2 {
            subject::took(redis, &pseudonym, List::Submissions, "s1 1 phq-9").await.unwrap();
            subject::took(redis, &pseudonym, List::Failed, "s2").await.unwrap();
        }
        // Something comes at the last moment: the subject stays in the index.
        command(redis, &["ZADD", &names::filed(&pseudonym), "1", "s3 1 phq-9"]).await;
        subject::ended(redis, &subject).await.unwrap();
        assert_eq!(study::left(redis, &study).await.unwrap(), 2);
        command(redis, &["DEL", &names::filed(&pseudonym)]).await;
        for _ in 0..2 {
            subject::ended(redis, &subject).await.unwrap();
        }
        let job = study::under_way(redis, &study).await.unwrap().unwrap();
        assert_eq!((job.subjects, job.submissions, job.analyses, job.left), (1, 2, 0, Some(1)));
        assert_eq!(command(redis, &["ZRANGE", &index, "0", "-1"]).await, ["q"]);
    });
}
