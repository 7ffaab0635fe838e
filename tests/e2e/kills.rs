//! Two hosts on one Redis are killed twenty times under a load, and Redis with them: everything that they acknowledged is
//! there, in its journal and bound by the log, and nothing twice that must be once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use domain::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use state::edge::looks::Look;
use state::journal::{Event, Kind};

use crate::app::{ADMIN, App, CLINICIAN_A1, PHQ9, on_spin, phq9, until};
use crate::audit::audit;
use crate::client::{Answer, Client};
use crate::log::{LOG_KEY, kept, verify};
use crate::receiver::Receiver;

const KILLS: usize = 20;
/// Redis is killed together with a host in every round of this number.
const WITH_REDIS: usize = 7;
const SUBJECTS: usize = 8;
/// The pause of a client after each request: what is acknowledged is verified in the end, so it must not be too much.
const PAUSE: Duration = Duration::from_millis(10);

/// What a client was told.
#[derive(Default)]
struct Told {
    /// The submissions, and whether each demands an alert.
    submissions: Vec<(String, bool)>,
    /// The alerts that were acknowledged.
    alerts: BTreeSet<String>,
    /// The versions of the document, with their notes.
    versions: BTreeMap<u64, String>,
    /// The number of looks at the identity of a subject.
    looks: BTreeMap<String, usize>,
}

/// A client of one host, which connects again when the host is gone.
struct Asker {
    address: SocketAddr,
    open: Option<Client>,
    stop: Arc<AtomicBool>,
    /// The number of answers of this host.
    answers: Arc<AtomicUsize>,
}

impl Asker {
    /// The answer, unless there is none, or it says that the host or Redis is on its way out or back.
    async fn ask(
        &mut self,
        key: &str,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Option<Answer> {
        tokio::time::sleep(PAUSE).await;
        if self.open.is_none() {
            self.open = Client::connect(self.address).await.ok();
        }
        let authorization = format!("Bearer {key}");
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        headers.extend_from_slice(more);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.open.as_mut()?.send(method, path, &headers, body).await;
        let Ok(answer) = answer else {
            self.open = None;
            return None;
        };
        // 500 and 504 if the host was killed, or waits for Redis, while it answered.
        if matches!(answer.status, 429 | 500 | 503 | 504) {
            return None;
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Sends responses; each again until it is acknowledged.
    async fn submit(mut self, name: usize) -> Told {
        let mut told = Told::default();
        for number in 0.. {
            let is_alarming = number % 5 == 0;
            let response = phq9(&format!("{name}-{number}"), [1, 0, 0, 0, 0, 0, 0, 0, u8::from(is_alarming)]);
            loop {
                if !self.goes_on() {
                    return told;
                }
                let Some(answer) = self.ask(ADMIN, "POST", PHQ9, &[], &response).await else { continue };
                assert_eq!(answer.status, 202, "{answer:?}");
                told.submissions.push((text(&answer.json()["submissionId"]), is_alarming));
                break;
            }
        }
        told
    }

    /// Acknowledges whatever alert was delivered.
    async fn acknowledge(mut self) -> Told {
        let mut told = Told::default();
        while self.goes_on() {
            let path = "/v1/alerts?state=delivered&limit=20";
            let Some(answer) = self.ask(CLINICIAN_A1, "GET", path, &[], &Value::Null).await else { continue };
            assert_eq!(answer.status, 200, "{answer:?}");
            for alert in answer.json()["alerts"].as_array().unwrap() {
                let alert = text(&alert["alertId"]);
                let path = format!("/v1/alerts/{alert}/acknowledge");
                let Some(answer) = self.ask(CLINICIAN_A1, "POST", &path, &[], &json!({})).await else { continue };
                // 409 if the other host's client was faster.
                assert!(matches!(answer.status, 200 | 409), "{answer:?}");
                if answer.status == 200 {
                    told.alerts.insert(alert);
                }
            }
        }
        told
    }

    /// Replaces a document again and again.
    async fn change(mut self, name: usize) -> Told {
        const DOCUMENT: &str = "/v1/config/access";
        let mut told = Told::default();
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            let Some(current) = self.ask(ADMIN, "GET", DOCUMENT, &[], &Value::Null).await else { continue };
            let seen = match current.header("etag") {
                Some(tag) => ("if-match", tag),
                None => ("if-none-match", "*"),
            };
            let document = document(&format!("{name}-{number}"));
            let Some(answer) = self.ask(ADMIN, "PUT", DOCUMENT, &[seen], &document).await else { continue };
            // 412 if the other host's client was faster, or a host died before a version was in force.
            assert!(matches!(answer.status, 200 | 201 | 412), "{answer:?}");
            if answer.status != 412 {
                let version = answer.json()["version"].as_u64().unwrap();
                assert!(told.versions.insert(version, document.to_string()).is_none(), "version {version} twice");
            }
        }
        told
    }

    /// Looks at identities.
    async fn look(mut self, subjects: Vec<String>) -> Told {
        let mut told = Told::default();
        for subject in subjects.iter().cycle() {
            if !self.goes_on() {
                break;
            }
            let path = format!("/v1/subjects/{subject}/identity");
            let Some(answer) = self.ask(CLINICIAN_A1, "GET", &path, &[], &Value::Null).await else { continue };
            assert_eq!(answer.status, 200, "{answer:?}");
            *told.looks.entry(subject.clone()).or_default() += 1;
        }
        told
    }
}

fn document(note: &str) -> Value {
    json!({"grants": [], "note": note})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// A load at two hosts.
struct Load {
    stop: Arc<AtomicBool>,
    answers: [Arc<AtomicUsize>; 2],
    clients: Vec<tokio::task::JoinHandle<Told>>,
}

impl Load {
    fn start(hosts: [&App; 2], subjects: &[String]) -> Self {
        let mut load = Load { stop: Arc::default(), answers: [Arc::default(), Arc::default()], clients: Vec::new() };
        for (name, host) in hosts.into_iter().enumerate() {
            let asker = || Asker {
                address: host.address,
                open: None,
                stop: Arc::clone(&load.stop),
                answers: Arc::clone(&load.answers[name]),
            };
            let clients = [
                tokio::spawn(asker().submit(name)),
                tokio::spawn(asker().acknowledge()),
                tokio::spawn(asker().change(name)),
                tokio::spawn(asker().look(subjects.to_vec())),
            ];
            load.clients.extend(clients);
        }
        load
    }

    /// Waits until a host has given so many more answers.
    async fn goes_on(&self, host: usize, more: usize) {
        let answers = || self.answers[host].load(Ordering::Relaxed);
        let wanted = answers() + more;
        until("the host answers", async || (answers() >= wanted).then_some(())).await;
    }

    async fn end(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        for client in self.clients {
            let told = client.await.unwrap();
            all.submissions.extend(told.submissions);
            all.alerts.extend(told.alerts);
            for (version, document) in told.versions {
                assert!(all.versions.insert(version, document).is_none(), "version {version} twice");
            }
            for (subject, count) in told.looks {
                *all.looks.entry(subject).or_default() += count;
            }
        }
        all
    }
}

/// All lines of a journal: those of its segments, and those that are still in Redis.
async fn journal(app: &App, name: &str) -> Vec<String> {
    let place = |entry: &str| {
        let (milliseconds, number) = entry.split_once(' ').unwrap().0.split_once('-').unwrap();
        (milliseconds.parse::<u64>().unwrap(), number.parse::<u64>().unwrap())
    };
    let mut all = Vec::new();
    for number in 1.. {
        let Some(segment) = app.stored(&format!("journal/{name}/{number}")) else { break };
        let segment: Value = serde_json::from_slice(&segment).unwrap();
        all.extend(segment["entries"].as_array().unwrap().iter().map(text));
    }
    let sealed = all.last().map(|entry| place(entry));
    let key = format!("{{vigil}}:journal:{name}");
    let rest: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", &key, "-", "+"]).await;
    let rest = rest.into_iter().map(|(at, fields)| format!("{at} {}", fields[1]));
    all.extend(rest.filter(|entry| sealed.is_none_or(|sealed| place(entry) > sealed)));
    all.into_iter().map(|entry| entry.split_once(' ').unwrap().1.to_owned()).collect()
}

/// Checks submissions and alerts against the store, the receiver and the journal of their study.
async fn of_the_study(app: &App, told: &Told, receiver: &Receiver) {
    let dead: Vec<redis::Value> = app.redis(&["XRANGE", "{vigil}:dead", "-", "+"]).await;
    assert!(dead.is_empty(), "dead letters: {dead:?}");
    let stored: BTreeSet<String> = app.stored_keys("submission/").into_iter().collect();
    let (mut heard, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for call in receiver.calls() {
        heard.insert(text(&call.json()["data"]["submissionId"]));
        ids.insert(call.id());
    }
    assert_eq!(ids.len(), heard.len(), "an alert keeps its id");
    let (mut scored, mut acknowledged): (BTreeMap<String, usize>, BTreeMap<String, usize>) = Default::default();
    for line in journal(app, "A").await {
        let event = Event::read(&line).unwrap();
        match event.kind {
            Kind::Scored => *scored.entry(event.submission.as_str().to_owned()).or_default() += 1,
            Kind::Acknowledged => *acknowledged.entry(event.what).or_default() += 1,
            other => panic!("{other:?}: {line}"),
        }
    }
    for (id, is_alarming) in &told.submissions {
        assert!(stored.contains(&format!("submission/{id}")), "acknowledged and lost: {id}");
        assert!(!is_alarming || heard.contains(id), "alert lost: {id}");
        assert_eq!(scored.get(id), Some(&1), "{id} in its journal");
    }
    let ids: BTreeSet<&String> = told.submissions.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), told.submissions.len(), "each response has an id of its own");
    for alert in &told.alerts {
        assert_eq!(acknowledged.get(alert), Some(&1), "{alert} in its journal");
    }
    assert!(acknowledged.values().all(|count| *count == 1), "{acknowledged:?}");
}

/// Checks looks and versions against their chains and the journal of looks.
async fn of_the_chains(app: &App, told: &Told) {
    let mut looks: BTreeMap<String, usize> = BTreeMap::new();
    for look in journal(app, "*looks").await.iter().map(|line| Look::read(line).unwrap()) {
        if look.path == "/v1/subjects/{pseudonym}/identity" && look.status == 200 {
            *looks.entry(look.subject.unwrap()).or_default() += 1;
        }
    }
    for (subject, count) in &told.looks {
        // One more may be on record: its host was killed before it answered.
        assert!(looks.get(subject).is_some_and(|found| found >= count), "{subject}: {count} of {looks:?}");
        let opened = app.stored_keys(&format!("audit/subject/{subject}/")).len();
        assert!(opened >= *count, "{subject}: {count} of {opened}");
        assert_eq!(audit(app, &format!("subject/{subject}")).await["verified"], true, "{subject}");
    }
    for (version, document) in &told.versions {
        let stored = app.stored(&format!("config/access/{version}"));
        let stored = stored.unwrap_or_else(|| panic!("version {version} is lost"));
        let (stored, sent): (Value, Value) =
            (serde_json::from_slice(&stored).unwrap(), serde_json::from_str(document).unwrap());
        assert_eq!(stored, sent, "version {version}");
    }
    assert_eq!(audit(app, "config/access").await["verified"], true);
    let bound: BTreeSet<String> =
        app.stored_keys("audit/config/access/").iter().map(|key| text(&record(app, key)["newHash"])).collect();
    for version in told.versions.keys() {
        let stored = app.stored(&format!("config/access/{version}")).unwrap();
        assert!(bound.contains(&hex(&Sha256::digest(&stored))), "version {version} is in no chain");
    }
}

fn record(app: &App, key: &str) -> Value {
    serde_json::from_slice(&app.stored(key).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_that_was_acknowledged_and_break_no_chain() {
    let receiver = Receiver::start().await;
    let builder = || {
        let builder = App::builder().variable("delivery_deadline_ms", "1000").variable("log_key", LOG_KEY);
        let builder = builder.variable("retry_schedule", format!("{:?}", [0.1; 30])).variable("max_attempts", "100");
        builder.variable("identity_looks_per_minute", "10000").routes(&[&receiver.url()]).own_process()
    };
    let first = builder().start().await;
    let second = builder().start_beside(&first).await;
    let mut subjects = Vec::new();
    for number in 0..SUBJECTS {
        let shown = first.scored(&first.submit(&phq9(&format!("subject-{number}"), [0; 9])).await).await;
        subjects.push(text(&shown["subject"]));
    }
    let mut random =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos() as usize;
    eprintln!("seed {random}");
    let load = Load::start([&first, &second], &subjects);
    let mut hosts = [first, second];
    let dir = tempfile::tempdir().unwrap();
    let mut head = None;
    for round in 0..KILLS {
        let host = round % 2;
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        load.goes_on(host, 1 + (random >> 33) % 60).await;
        hosts[host].kill();
        if round % WITH_REDIS == WITH_REDIS - 1 && !on_spin() {
            let redis = hosts[0].redis.as_mut().unwrap();
            redis.kill().unwrap();
            redis.restart().unwrap();
        }
        hosts[host].start_unready().await;
        if round == KILLS / 2 {
            hosts[1 - host].ready().await;
            until("a head is there", async || hosts[1 - host].stored("head")).await;
            head = Some(kept(&hosts[1 - host], dir.path()).await);
        }
    }
    for host in [0, 1] {
        load.goes_on(host, 100).await;
    }
    let told = load.end().await;
    for host in &hosts {
        host.ready().await;
    }
    let [first, _second] = &hosts;
    eprintln!(
        "{} submissions, {} alerts, {} versions, {} looks",
        told.submissions.len(),
        told.alerts.len(),
        told.versions.len(),
        told.looks.values().sum::<usize>()
    );
    assert!(!told.alerts.is_empty() && !told.versions.is_empty() && told.looks.len() == SUBJECTS);

    // A host that died between a line and its record left a gap, which the next act on the same closes.
    for subject in &subjects {
        let path = format!("/v1/subjects/{subject}/identity");
        assert_eq!(first.send_as(CLINICIAN_A1, "GET", &path, &Value::Null).await.status, 200);
    }
    until("the document is changed once more", async || {
        let current = first.send("GET", "/v1/config/access", &Value::Null).await;
        let authorization = format!("Bearer {ADMIN}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("if-match", current.header("etag")?),
        ];
        let body = document("the last").to_string();
        let put = first.client().await.send("PUT", "/v1/config/access", &headers, body).await.unwrap();
        (put.status == 200).then_some(())
    })
    .await;
    until("the queues are empty", async || (first.work_left().await == 0).then_some(())).await;
    of_the_study(first, &told, &receiver).await;
    of_the_chains(first, &told).await;

    let (file, key) = head.unwrap();
    let arguments = ["--head", file.to_str().unwrap(), "--public-key", &key];
    let said = until("heads cover all", async || {
        let (status, found, said) = verify(first, &arguments);
        assert_eq!((status, found.as_str()), (0, ""), "{said}");
        said.contains("(0 after the last head)").then_some(said)
    })
    .await;
    eprintln!("{said}");
}
