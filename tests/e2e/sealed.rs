//! Lists and searches over a study so large that a part of its journal is sealed, with a person of two sites: everything
//! is found, and once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::{ADMIN, App, CLINICIAN_A2, PHQ9, READ_A1, phq9, until};
use crate::fhir_search::{OBSERVATIONS, RESPONSES, all, ids, page};
use crate::persons::{link, unlink};

const LIST: &str = "/v1/studies/A/submissions";
/// The entries of a sealed segment; the first is sealed when there are two.
const SEGMENT: usize = 1024;
/// The responses of all.
const RESPONSES_SENT: usize = 2600;
/// The patients: two of site 1 and two of site 2, which take turns.
const PATIENTS: [(&str, &str); 4] = [("1", "001"), ("2", "001"), ("1", "other"), ("2", "other")];

/// A row of a batch: the response of this number, on a day and at a time of its own, later ones first.
fn row(number: usize) -> Value {
    let (site, patient) = PATIENTS[number % PATIENTS.len()];
    let minutes = RESPONSES_SENT - number;
    let at = format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes / 60 % 24, minutes % 60);
    let mut row = phq9(&format!("n{number}"), [0; 9]);
    (row["siteId"], row["patientId"], row["authoredAt"]) = (json!(site), json!(patient), json!(at));
    row["instrument"] = json!("phq-9");
    row
}

/// The submissions that were sent: the ids of each patient in the order in which they were written.
type Sent = BTreeMap<(&'static str, &'static str), Vec<String>>;

/// Fills a study, and waits until everything is scored and a part of the journal is sealed.
async fn filled(app: &App) -> Sent {
    let mut sent = Sent::new();
    let numbers: Vec<usize> = (0..RESPONSES_SENT).collect();
    for some in numbers.chunks(650) {
        let rows: Vec<Value> = some.iter().map(|number| row(*number)).collect();
        let answer = app.send("POST", "/v1/reports/batch", &Value::from(rows)).await;
        assert_eq!((answer.status, &answer.json()["rejected"]), (202, &json!(0)), "{answer:?}");
        let answer = answer.json();
        for (number, row) in some.iter().zip(answer["rows"].as_array().unwrap()) {
            let own = sent.entry(PATIENTS[number % PATIENTS.len()]).or_default();
            own.insert(0, row["submissionId"].as_str().unwrap().to_owned());
        }
    }
    until("all are ended", async || (app.work_left().await == 0).then_some(())).await;
    // The clock may rest by now; a round seals as well.
    until("a segment is sealed", async || {
        app.send("POST", "/v1/ops/drain", &Value::Null).await;
        (app.stored_keys("journal/A/").len() == 1).then_some(())
    })
    .await;
    let left: usize = app.redis(&["XLEN", "{vigil}:journal:A"]).await;
    assert_eq!(left, RESPONSES_SENT - SEGMENT);
    sent
}

async fn subject(app: &App, id: &str) -> String {
    app.send("GET", &format!("/v1/submissions/{id}"), &Value::Null).await.json()["subject"].as_str().unwrap().to_owned()
}

/// The ids of a list, page by page, in its order.
async fn listed(app: &App, key: &str, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = app.send_as(key, "GET", &format!("{LIST}?limit=200{query}{cursor}"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        let rows = page["submissions"].as_array().unwrap();
        found.extend(rows.iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            return found;
        }
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
    }
}

/// The submissions of a subject, the latest first, page by page.
async fn followed(app: &App, key: &str, subject: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/subjects/{subject}/submissions?limit=200{cursor}");
        let page = app.send_as(key, "GET", &path, &Value::Null).await.json();
        let rows = page["submissions"].as_array().unwrap();
        found.extend(rows.iter().map(|row| row["submissionId"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            return found;
        }
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
    }
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
    let mut ids: Vec<&String> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

fn same(found: &[String], expected: &[&String], what: &str) {
    let unique: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), unique.len()), (expected.len(), expected.len()), "{what}");
    assert!(sorted(found) == sorted(expected.iter().copied()), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_study_is_listed_and_searched_completely_and_once() {
    let app = App::start().await;
    let sent = filled(&app).await;
    let everything: Vec<&String> = sent.values().flatten().collect();
    let of_site = |site: &str| sent.iter().filter(|((own, _), _)| *own == site).flat_map(|(_, ids)| ids).collect();
    let (first, second): (Vec<&String>, Vec<&String>) = (of_site("1"), of_site("2"));

    let order = listed(&app, ADMIN, "").await;
    same(&order, &everything, "the list");
    for (site, expected) in [("1", &first), ("2", &second)] {
        same(&listed(&app, ADMIN, &format!("&site={site}")).await, expected, "the list of a site");
    }
    // A study's responses, by keys of one site: in the order of the list.
    for (key, expected) in [(READ_A1, &first), (CLINICIAN_A2, &second)] {
        let (found, last) = all(&app, key, &format!("{RESPONSES}?_count=200")).await;
        same(&found, expected, "a search of a site");
        let own: Vec<&String> = order.iter().filter(|id| expected.contains(id)).collect();
        assert!(found.iter().collect::<Vec<_>>() == own, "in the order of storing");
        let again = page(&app, key, &last).await;
        assert_eq!(ids(&again), found[found.len() - ids(&again).len()..]);
    }
    let (found, _) =
        all(&app, READ_A1, &format!("{RESPONSES}?questionnaire=phq-9&authored=2026-03-01&_count=200")).await;
    let day: Vec<&String> = first.iter().copied().filter(|id| found.contains(id)).collect();
    // Of the minutes 1 to 1439 of that day, the even ones are of site 1.
    assert_eq!((found.len(), day.len()), (719, 719));

    // Erased from a sealed segment, and superseded there: told in the list, and not found.
    let sealed = &order[..SEGMENT];
    let erased = sealed[0].clone();
    let amended = sealed[1..].iter().find(|id| first.contains(id)).unwrap().clone();
    let gone = app.send("DELETE", &format!("/v1/submissions/{erased}"), &json!({"reason": "withdrawn"})).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let shown = app.send("GET", &format!("/v1/submissions/{amended}"), &Value::Null).await.json();
    let number = (0..RESPONSES_SENT).find(|number| {
        let own = &sent[&PATIENTS[number % PATIENTS.len()]];
        own[own.len() - 1 - number / PATIENTS.len()] == amended
    });
    let mut better = row(number.unwrap());
    better.as_object_mut().unwrap().remove("instrument");
    (better["responseId"], better["answers"]["q1"]) = (json!("better"), json!(1));
    better["amends"] = json!({"submissionId": amended, "reason": "patient-correction"});
    let answer = app.send("POST", PHQ9, &better).await;
    assert_eq!(answer.status, 202, "{answer:?} {shown}");
    let location = answer.header("location").unwrap().to_owned();
    app.scored(&location).await;
    let later = location.rsplit('/').next().unwrap().to_owned();
    let all_of_them: Vec<&String> = everything.iter().copied().chain([&later]).collect();
    same(&listed(&app, ADMIN, "").await, &all_of_them, "the list with an erased and an amended one");
    for (state, expected) in [("erased", [erased.clone()]), ("superseded", [amended.clone()])] {
        assert_eq!(listed(&app, ADMIN, &format!("&state={state}")).await, expected, "{state}");
    }
    let site = if first.contains(&&erased) { &first } else { &second };
    let key = if first.contains(&&erased) { READ_A1 } else { CLINICIAN_A2 };
    let (found, _) = all(&app, key, &format!("{RESPONSES}?_count=200")).await;
    let mut expected: Vec<&String> = site.iter().copied().filter(|id| **id != erased).collect();
    expected.extend(Some(&later).filter(|_| key == READ_A1));
    same(&found, &expected, "a search without the erased one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_two_sites_in_a_sealed_study_is_found_whole_and_once() {
    let app = App::start().await;
    let sent = filled(&app).await;
    let (one, two) = (&sent[&PATIENTS[0]], &sent[&PATIENTS[1]]);
    let (own, other) = (subject(&app, &one[0]).await, subject(&app, &two[0]).await);
    assert_ne!(own, other);
    let person: Vec<&String> = one.iter().chain(two).collect();
    assert_eq!(link(&app, &own, &other).await.status, 201);

    for asked in [&own, &other] {
        let (found, _) = all(&app, ADMIN, &format!("{RESPONSES}?subject={asked}&_count=200")).await;
        same(&found, &person, "the responses of a person");
        let (found, _) = all(&app, ADMIN, &format!("{OBSERVATIONS}?subject={asked}&code=44261-6&_count=200")).await;
        let scores: Vec<String> = found.iter().map(|id| id.split('.').next().unwrap().to_owned()).collect();
        same(&scores, &person, "the scores of a person");
        let found = followed(&app, ADMIN, asked).await;
        same(&found, &person, "the submissions of a person");
    }
    // The oldest first, by when they were written.
    let (found, _) = all(&app, ADMIN, &format!("{RESPONSES}?subject={own}&_count=7")).await;
    let mut of_one = found.iter().filter(|id| one.contains(id));
    assert!(one.iter().all(|id| Some(id) == of_one.next()));
    // A key of one site finds that site's, whichever subject it names; the list of a study takes a subject as it is.
    let (found, _) = all(&app, READ_A1, &format!("{RESPONSES}?subject={own}&_count=200")).await;
    same(&found, &one.iter().collect::<Vec<_>>(), "what one site sees");
    same(
        &listed(&app, ADMIN, &format!("&subject={own}")).await,
        &one.iter().collect::<Vec<_>>(),
        "the list of a subject",
    );

    assert_eq!(unlink(&app, &own, &other).await.status, 200);
    let (found, _) = all(&app, ADMIN, &format!("{RESPONSES}?subject={own}&_count=200")).await;
    same(&found, &one.iter().collect::<Vec<_>>(), "after the link was taken back");
}
