//! Two hosts on one Redis and one store: nothing happens twice.

use std::collections::BTreeSet;

use crate::app::{App, phq9, until};
use crate::receiver::{Act, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_share_the_work_and_do_nothing_twice() {
    let receiver = Receiver::start().await;
    let builder = || App::builder().routes(&[&receiver.url()]);
    let first = builder().start().await;
    let second = builder().start_beside(&first).await;
    for number in 0..200 {
        let host = if number % 2 == 0 { &first } else { &second };
        let answers = [0, 0, 0, 0, 0, 0, 0, 0, u8::from(number % 4 == 0)];
        host.submit(&phq9(&format!("r{number}"), answers)).await;
    }
    // A resend through the other host is the same submission.
    let location = first.submit(&phq9("r1", [0; 9])).await;
    assert_eq!(second.submit(&phq9("r1", [0; 9])).await, location);
    receiver.heard(50).await;
    until("all is done", async || {
        let (score, dispatch): (usize, usize) =
            (first.redis(&["XLEN", "{vigil}:q:score"]).await, first.redis(&["XLEN", "{vigil}:q:dispatch"]).await);
        (score + dispatch == 0).then_some(())
    })
    .await;
    assert_eq!(first.stored_keys("submission/").len(), 200);
    let calls = receiver.calls();
    let ids: BTreeSet<String> = calls.iter().map(|call| call.id()).collect();
    assert_eq!((calls.len(), ids.len()), (50, 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_tick_once() {
    let receiver = Receiver::start().await;
    let builder = || App::builder().variable("retry_schedule", "[0.1, 0.1, 0.1]").routes(&[&receiver.url()]);
    let first = builder().start().await;
    let second = builder().start_beside(&first).await;
    receiver.then(vec![Act::Answer(500); 3]);
    let location = first.submit(&phq9("r", [0, 0, 0, 0, 0, 0, 0, 0, 1])).await;
    // Three ticks move three retries; if one were moved twice, the receiver would get it twice.
    second.shown(&location, |shown| shown["alerts"][0]["state"] == "delivered").await;
    assert_eq!(receiver.calls().len(), 4);
}
