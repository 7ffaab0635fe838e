//! The description of this component's routes.

use state::edge::describe::*;

use crate::drain::Round;
use crate::health::{Health, Readiness};
use crate::test_message::Tested;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("POST", "/v1/ops/drain", "drain", Tag::Operations, "Do one round of everything")
            .about(
                "Moves what is due, looks after alerts that should have moved and did not, scores what waits, sends \
                what waits: for hosts without Redis triggers and for a watchdog. Takes up to 10 seconds and more \
                when receivers are slow.",
            )
            .scope(", for all studies and sites")
            .timeout(None)
            .gives::<Round>(200, "What the round did."),
        Operation::new(
            "POST",
            "/v1/receivers/{receiver}/test",
            "testReceiver",
            Tag::Operations,
            "Send a test message to a receiver",
        )
        .about(
            "A webhook gets a signed message of the type ping; a gateway, a text that says that it is a test; of a FHIR \
                server it is only asked whether the resource would be valid. The answer tells what came back. It takes as \
                long as the receiver's deadline allows.",
        )
        .scope(", for all studies and sites")
        .timeout(None)
        .gives::<Tested<'_>>(200, "It was sent, and this came back.")
        .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/healthz", "showHealth", Tag::Operations, "Whether the service runs")
            .timeout(None)
            .gives::<Health>(200, "It runs.")
            .probe("probeHealth"),
        Operation::new("GET", "/readyz", "showReadiness", Tag::Operations, "Whether the promise can be kept right now")
            .about(
                "Looks at Redis, the store and waiting work, and asks every component that runs whether its \
                variables are sound: those of this host, or of all hosts on its Redis that share the variable \
                replica. A wrong variable is named with its component and its rule.",
            )
            .timeout(None)
            .gives::<Readiness<'_>>(200, "All is well.")
            .gives::<Readiness<'_>>(503, "Something is missing.")
            .probe("probeReadiness"),
    ]
}
