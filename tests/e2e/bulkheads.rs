//! Bulkheads: work of one API key, study or site delays the others by one turn, not by its whole backlog.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::app::{App, SUBMIT_A, phq9, until};
use crate::queues;
use crate::receiver::Receiver;

const ALARMING: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The number of claimed entries of each flow.
fn by_flow(claimed: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for payload in claimed {
        *counts.entry(payload.rsplit_once(' ').unwrap().0).or_default() += 1;
    }
    counts
}

async fn idle() -> App {
    App::builder().only(&["submit", "records", "console", "ops", "alerts"]).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_share_evenly_by_cost_however_much_each_has_waiting() {
    let app = idle().await;
    queues::fill(&app, "score", "many|A|1", 5000, 500).await;
    queues::fill(&app, "score", "large|A|1", 50, 50_000).await;
    queues::fill(&app, "score", "one|A|1", 1, 500).await;
    let claimed = queues::claim(&app, "score", "w", 60_000, [4096, 1 << 20, 64 << 10]).await;
    let counts = by_flow(&claimed);
    assert_eq!(counts["one|A|1"], 1, "{counts:?}");
    let (many, large) = (counts["many|A|1"] * 500, counts["large|A|1"] * 50_000);
    assert!(many.abs_diff(large) <= 2 * (64 << 10), "{many} and {large}");
    // Each flow keeps its order.
    let numbers: Vec<usize> =
        claimed.iter().filter_map(|payload| payload.strip_prefix("many|A|1 ")?.parse().ok()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_makes_up_sites_and_studies_gets_no_more_than_another() {
    let app = idle().await;
    for number in 0..300 {
        queues::fill(&app, "score", &format!("maker|A|x{number}"), 10, 500).await;
        queues::fill(&app, "score", &format!("other|s{number}|1"), 10, 500).await;
    }
    queues::fill(&app, "score", "honest|A|1", 400, 500).await;
    let claimed = queues::claim(&app, "score", "w", 60_000, [1200, 4 << 20, 16 << 10]).await;
    let mut by_key: BTreeMap<&str, usize> = BTreeMap::new();
    for (flow, count) in by_flow(&claimed) {
        *by_key.entry(flow.split('|').next().unwrap()).or_default() += count;
    }
    // Several keys wait, so the claim is a quarter of what it may be: 300 for three keys.
    assert!(by_key.values().all(|count| (75..=125).contains(count)), "{by_key:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sites_of_a_study_share_what_their_key_gets() {
    let app = idle().await;
    queues::fill(&app, "score", "hub|A|busy", 3000, 500).await;
    queues::fill(&app, "score", "hub|A|calm", 5, 500).await;
    queues::fill(&app, "score", "hub|B|1", 5, 500).await;
    let claimed = queues::claim(&app, "score", "w", 60_000, [1000, 4 << 20, 64 << 10]).await;
    let counts = by_flow(&claimed);
    assert_eq!((counts["hub|A|calm"], counts["hub|B|1"]), (5, 5), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_bounded_by_what_it_costs_and_what_costs_more_comes_alone() {
    let app = idle().await;
    queues::fill(&app, "score", "a|A|1", 10, 400_000).await;
    queues::fill(&app, "score", "b|A|1", 3, 5_000_000).await;
    let mut claims = Vec::new();
    loop {
        let claimed = queues::claim(&app, "score", "w", 60_000, [4096, 1 << 20, 64 << 10]).await;
        if claimed.is_empty() {
            break;
        }
        let counts = by_flow(&claimed);
        let alone = counts.get("b|A|1").is_none_or(|_| claimed.len() == 1);
        assert!(alone && counts.get("a|A|1").is_none_or(|count| *count <= 3), "{counts:?}");
        claims.extend(claimed);
    }
    assert_eq!(claims.len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_comes_soon_and_what_was_lost_twice_comes_alone() {
    let app = idle().await;
    queues::fill(&app, "score", "k|A|1", 3, 500).await;
    let bounds = [4096, 4 << 20, 64 << 10];
    assert_eq!(queues::claim(&app, "score", "first", 60_000, bounds).await.len(), 3);
    queues::fill(&app, "score", "k|A|1", 5000, 500).await;
    queues::die(&app, "first").await;
    let again = queues::claim(&app, "score", "second", 60_000, [200, 4 << 20, 64 << 10]).await;
    let first: BTreeSet<&String> = again.iter().take(150).collect();
    assert!(["k|A|1 1", "k|A|1 2", "k|A|1 3"].iter().all(|lost| first.contains(&(*lost).to_owned())), "{first:?}");
    queues::die(&app, "second").await;
    let third = queues::claim(&app, "score", "third", 60_000, bounds).await;
    let alone = queues::claim(&app, "score", "fourth", 60_000, bounds).await;
    assert!(third.len() == 1 || alone.len() == 1, "{} and {}", third.len(), alone.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_costs_what_it_did_before() {
    let app = idle().await;
    queues::fill(&app, "score", "k|A|1", 20, 1_000_000).await;
    queues::take(&app, "score", "gone", 60_000).await;
    queues::die(&app, "gone").await;
    let again = queues::claim(&app, "score", "next", 60_000, [4096, 4 << 20, 64 << 10]).await;
    assert!((1..=4).contains(&again.len()), "{} at once", again.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_key_only_so_much_may_wait_and_others_still_find_room() {
    let builder = App::builder().variable("queue_capacity_per_key", "3");
    let app = builder.only(&["submit", "records", "ops"]).start().await;
    let send = async |key: &str, id: &str| {
        let answer = app.send_as(key, "POST", crate::app::PHQ9, &phq9(id, ALARMING)).await;
        (answer.status, answer.header("retry-after").map(str::to_owned))
    };
    for number in 0..3 {
        assert_eq!(send(SUBMIT_A, &format!("a{number}")).await.0, 202);
    }
    let (status, after) = send(SUBMIT_A, "a3").await;
    assert_eq!(status, 429);
    assert!(after.is_some());
    assert_eq!(send(SUBMIT_A, "a1").await.0, 202, "a resend is recognised");
    assert!(!app.submit(&phq9("b", ALARMING)).await.is_empty());
    // Of a batch, only as many rows are accepted as may wait.
    let rows: Vec<_> = (0..3)
        .map(|number| {
            let mut row = phq9(&format!("c{number}"), ALARMING);
            row["instrument"] = json!("phq-9");
            row
        })
        .collect();
    let answer = app.send("POST", "/v1/reports/batch", &json!(rows)).await.json();
    assert_eq!((&answer["accepted"], &answer["ended"]), (&json!(2), &json!("quota")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_passes_what_four_senders_have_waiting() {
    const EACH: usize = 1_000;
    let receiver = Receiver::start().await;
    let mut app = App::builder().routes(&[&receiver.url()]).only(&["submit", "records", "ops"]).start().await;
    // Many copies of real submissions with alarming answers: of one site, of invented sites and studies, and large
    // ones.
    app.submit(&phq9("flood", ALARMING)).await;
    let entries: Vec<(String, Vec<String>)> = app.redis(&["XRANGE", "{vigil}:q:score", "-", "+"]).await;
    let entry = &entries[0].1[1];
    let id = entry.split('"').nth(1).unwrap();
    let flood = state::queue::flows::before(
        "local before, after = string.match(ARGV[1], '^(.-)' .. string.gsub(ARGV[3], '-', '%%-') .. '(.*)$')
         local function payload(sender, i)
           return before .. string.format('%08x-0000-4000-8000-%012x', sender, i) .. after
         end
         for i = 1, ARGV[2] do
           append('score', 'h1|A|1', payload(1, i), #ARGV[1], 1)
           append('score', 'h2|A|made-up-' .. i, payload(2, i), #ARGV[1], 1)
           append('score', 'h3|made-up-' .. i .. '|1', payload(3, i), #ARGV[1], 1)
           append('score', 'h4|A|1', payload(4, i), 20000, 1)
         end",
    );
    let _: redis::Value = app.redis(&["EVAL", &flood, "0", entry, &EACH.to_string(), id]).await;
    let victim = app.send_as(SUBMIT_A, "POST", crate::app::PHQ9, &phq9("victim", ALARMING)).await;
    let id = victim.json()["submissionId"].as_str().unwrap().to_owned();
    app.stop().await;
    app.run_all();
    app.start_again().await;
    let place = until("the alert is heard", async || {
        receiver.calls().iter().position(|call| call.json()["data"]["submissionId"] == id.as_str())
    })
    .await;
    // It came last, behind four thousand others.
    assert!(place < EACH, "{place} were heard before it");
}
