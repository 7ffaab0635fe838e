//! The description of this component's routes.

#![expect(dead_code, reason = "the types of queries and requests only describe them")]

use schemars::{JsonSchema, json_schema};
use state::edge::describe::*;
use state::erasure::study::StudyErasure;

use crate::list::StudyList;
use crate::replace::StudyChange;
use crate::show::Study;
use crate::versions::StudyVersions;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The age of the project service's answer.
const AGE: Header = Header::sometimes(
    "Age",
    "How old the answer of the project service is, seconds.",
    |_| json_schema!({"type": "integer", "minimum": 0}),
);

/// Where the erasure of a study is shown.
const ERASURE: Header = Header::location("How far it is.", |_| matching("^/v1/studies/[^/]+/erasure$"));

/// The query of a change.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct ChangeQuery {
    /// Whether it is only tried, and nothing stored.
    dry_run: Option<bool>,
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET", "/v1/studies", "listStudies", Tag::Results, "The studies that have a document")
            .about("By their ids. The key sees the studies that it covers.")
            .query::<Page>()
            .gives::<StudyList>(200, "A page of studies."),
        Operation::new("GET", "/v1/studies/{study}", "showStudy", Tag::Results, "What a study is")
            .about(
                "Its document that is in force, and what the project service says of it. The service is asked once a minute \
                 at most; while it is asked again the older answer is given on, up to ten minutes. A study that has a \
                 document is shown without the service, too; then `projectFailed` says why.",
            )
            .header(&TRACEPARENT)
            .gives::<Study<'_>>(200, "The study.")
            .with(ETAG)
            .with(AGE)
            .refuses(&[Refusal::BadGateway, Refusal::Invalid]),
        Operation::new("PUT", "/v1/studies/{study}", "replaceStudy", Tag::Operations, "Store a study's document")
            .about(
                "It is checked as a whole, and in force for everything that comes in afterwards. A section that it leaves \
                 out has the installation's configuration documents. With `dry-run=true` nothing is stored: the answer has \
                 all faults and the differences to what is in force, with what they will do. To copy a study, send the \
                 document of another.",
            )
            .scope(", for the whole study")
            .header(&CHANGE_REASON)
            .header(&IF_MATCH)
            .query::<ChangeQuery>()
            .takes::<Object>("At most 4 MiB.")
            .gives::<StudyChange<'_>>(200, "It is in force; or, with `dry-run=true`, what it would change.")
            .with(ETAG)
            .gives::<StudyChange<'_>>(201, "It is in force, the first of its study.")
            .with(ETAG)
            .refuses(&[Refusal::PreconditionFailed, Refusal::PreconditionRequired]),
        Operation::new("DELETE", "/v1/studies/{study}", "eraseStudy", Tag::Operations, "Begin to erase a study")
            .about(
                "Erases all its subjects with their submissions, analyses and identities, for good, also what waits, its \
                due entries and dead letters. 202: it has begun, and Vigil carries it on by itself; while it runs, nothing \
                is taken in for the study (409). 200 with the certificate when nothing has come since the last one ended. \
                Audit chains, journals and tombstones stay, and so do the versions of its document.",
            )
            .scope(", for all sites of the study")
            .takes::<WithReason>("At most 4 KiB.")
            .gives::<StudyErasure>(200, "It is erased: the certificate.")
            .gives::<StudyErasure>(202, "It is being erased.")
            .with(ERASURE)
            .refuses(&[Refusal::Held]),
        Operation::new(
            "GET",
            "/v1/studies/{study}/versions",
            "listStudyVersions",
            Tag::Operations,
            "The versions of a study's document",
        )
        .about("The latest first.")
        .scope(", for the whole study")
        .query::<Page>()
        .gives::<StudyVersions<'_>>(200, "A page of versions."),
        Operation::new(
            "GET",
            "/v1/studies/{study}/versions/{version}",
            "showStudyVersion",
            Tag::Operations,
            "A version of a study's document, as a file",
        )
        .about(
            "Byte for byte as it was stored: one order of members, a line for each, for a repository. `PUT` takes it as it \
             is.",
        )
        .scope(", for the whole study")
        .gives::<Object>(200, "The document.")
        .with(ETAG)
        .refuses(&[Refusal::Invalid]),
    ]
}
