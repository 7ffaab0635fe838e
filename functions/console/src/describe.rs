//! The description of this component's routes.

#![expect(dead_code, reason = "the types of queries and requests only describe them")]

mod analytes;
mod requests;

use domain::codebook::Codebook;
use state::edge::describe::*;
use state::journal::head::Head;

use crate::audit::AuditTrail;
use crate::dead_letters::{DeadLetters, Replayed};
use crate::documents::{DocumentVersion, Documents};
use crate::erasure::StudyErasureShown;
use crate::instruments::{Instruments, StoredInstrument};
use crate::rescore::Rescoring;
use crate::stats::SiteStats;
use crate::subject_links::{Linked, Links, Unlinked};
use analytes::Analytes;
use requests::{
    ChangeQuery, CodebookQuery, Definition, HeadQuery, NewInstrument, NewLink, Replay, RescoreRequest, VersionQuery,
};

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The address of a link.
const LINK_LOCATION: Header =
    Header::location("The link.", |_| matching("^/v1/subjects/[0-9a-f]{32}/links/[0-9a-f]{32}$"));

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET", "/v1/config", "listDocuments", Tag::Operations, "All configuration documents")
            .about("Which version of each is in force; none where it was never stored.")
            .scope(", for all studies")
            .gives::<Documents>(200, "The documents.")
            .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/v1/config/{document}", "showDocument", Tag::Operations, "A configuration document")
            .about("The version in force, or another.")
            .scope(", for all studies")
            .query::<VersionQuery>()
            .gives::<Object>(200, "The document.")
            .with(ETAG),
        Operation::new(
            "PUT",
            "/v1/config/{document}",
            "replaceDocument",
            Tag::Operations,
            "Replace a configuration document",
        )
        .about(
            "It is checked as a whole, and in force for everything that comes in afterwards. Earlier versions \
                stay readable.",
        )
        .scope(", for all studies")
        .header(&CHANGE_REASON)
        .header(&IF_MATCH)
        .query::<ChangeQuery>()
        .takes::<Object>("At most 256 KiB.")
        .gives::<DocumentVersion>(200, "It is in force; or, with `dry-run=true`, it is valid.")
        .with(ETAG)
        .gives::<DocumentVersion>(201, "It is in force, the first of its name.")
        .with(ETAG)
        .refuses(&[Refusal::PreconditionFailed, Refusal::PreconditionRequired]),
        Operation::new("GET", "/v1/analytes", "listAnalytes", Tag::Results, "Known laboratory results")
            .about(
                "Which analytes are known, by which LOINC codes and in which units, from where CTCAE v5.0 grades \
                them and which rules come with Vigil. A result under another code is stored and shown as \
                `not-graded` with the reason `analyte not known`.",
            )
            .gives::<Analytes>(200, "The analytes, by the panel's code.")
            .refuses(&[Refusal::Invalid]),
        Operation::new("GET", "/v1/instruments", "listInstruments", Tag::Results, "All instruments")
            .about("The version shown is the one that is meant where none is named.")
            .gives::<Instruments>(200, "The instruments, by id.")
            .refuses(&[Refusal::Invalid]),
        Operation::new(
            "GET",
            "/v1/instruments/{instrument}",
            "showInstrument",
            Tag::Results,
            "The definition of an instrument",
        )
        .about("Of the version that is meant where none is named, or of another.")
        .path_parameter("OwnInstrument")
        .query::<VersionQuery>()
        .gives::<Definition>(200, "The definition, byte for byte as it was stored; its SHA-256 is what scores name.")
        .with(ETAG),
        Operation::new(
            "GET",
            "/v1/instruments/{instrument}/codebook",
            "showCodebook",
            Tag::Results,
            "The codebook of an instrument",
        )
        .about("Items, answers, weights, scores and bands, from the definition that scores.")
        .path_parameter("OwnInstrument")
        .query::<CodebookQuery>()
        .gives::<Codebook<'_>>(200, "The codebook.")
        .or::<Text>("text/csv; charset=utf-8"),
        Operation::new(
            "PUT",
            "/v1/instruments/{instrument}",
            "storeInstrument",
            Tag::Operations,
            "Store a version of an instrument",
        )
        .about(
            "The version is in force for everything that comes in afterwards; what was taken in before is \
                scored by the version it was checked by. A version never changes; sending it again makes it the \
                one that is meant where none is named. With examples, which must score as they say. A rule that is \
                always on must stay.",
        )
        .scope(", for all studies")
        .path_parameter("OwnInstrument")
        .header(&CHANGE_REASON)
        .query::<ChangeQuery>()
        .takes_media(
            "At most 1 MiB: a definition, a definition with examples, or a FHIR R4 Questionnaire. Of a \
                Questionnaire items, options and weights are taken over; `total` is the sum of all weights.",
            &[("application/fhir+json", of::<FhirResource>), ("application/json", of::<NewInstrument>)],
        )
        .gives::<StoredInstrument<'_>>(
            200,
            "It was there already and is in force again; or, with `dry-run=true`, how it scores the examples.",
        )
        .gives::<StoredInstrument<'_>>(201, "It is stored and in force.")
        .refuses(&[Refusal::Conflict]),
        Operation::new(
            "POST",
            "/v1/instruments/{instrument}/rescore",
            "rescoreResponses",
            Tag::Operations,
            "Score the stored responses of a study by another version",
        )
        .about(
            "Page by page, the oldest first. A dry run, which it is unless `dryRun` is false, tells what \
                differs and stores nothing. The scores that a response was given when it came in stay; those by \
                the other version are kept beside them and shown with the submission. No alert is raised.",
        )
        .scope(", for the whole study")
        .header(&CHANGE_REASON)
        .takes::<RescoreRequest>("At most 4 KiB.")
        .gives::<Rescoring<'_>>(200, "What was found on this page."),
        Operation::new("GET", "/v1/audit/head", "showHead", Tag::Operations, "The last signed head of the journals")
            .about(
                "How far each journal goes and the hash of all its lines, signed by the log key; or the head of a \
                number. To be kept elsewhere: `vigilctl verify --head` compares the store with it. 404 while nothing \
                is signed.",
            )
            .scope(", for all studies")
            .query::<HeadQuery>()
            .gives::<Head>(200, "The head, byte for byte as it was signed.")
            .with(NO_STORE)
            .refuses(&[Refusal::Invalid, Refusal::NotFound]),
        Operation::new(
            "GET",
            "/v1/audit/{kind}/{id}",
            "showAudit",
            Tag::Operations,
            "What was done to an entity, and whether that history is whole",
        )
        .about(
            "Of submissions, analyses and subjects of the key's study and site; other entities are for keys \
                that cover everything.",
        )
        .path_parameter("EntityId")
        .gives::<AuditTrail<'_>>(200, "The records, verified.")
        .with(NO_STORE),
        Operation::new(
            "GET",
            "/v1/studies/{study}/erasure",
            "showStudyErasure",
            Tag::Operations,
            "How far the erasure of a study is",
        )
        .about("The one under way, or the last one with its certificate. 404 while there never was one.")
        .scope(", for all sites of the study")
        .gives::<StudyErasureShown>(200, "The erasure.")
        .with(NO_STORE)
        .refuses(&[Refusal::Invalid, Refusal::NotFound]),
        Operation::new("GET", "/v1/stats/sites", "showSiteStats", Tag::Operations, "Counters of every site")
            .about(
                "Of the sites that the key covers, by kind and together, page by page in their order. `*` stands for \
                what a refused request did not tell, and for the sites of a study beyond its 10,000 counters.",
            )
            .query::<Page>()
            .gives::<SiteStats<'_>>(200, "The counters."),
        Operation::new("GET", "/metrics", "showMetrics", Tag::Operations, "Counters and queues as OpenMetrics text")
            .about(
                "A key that does not cover everything gets the counters of its study and site, and nothing else. Of \
                more than 10,000 counters those of all sites of a study are added up, under the site `*`.",
            )
            .gives_media(
                200,
                "The metrics.",
                &[("application/openmetrics-text; version=1.0.0; charset=utf-8", of::<Text>)],
            ),
        Operation::new(
            "GET",
            "/v1/subjects/{pseudonym}/links",
            "listLinks",
            Tag::Results,
            "To which subjects a subject is linked",
        )
        .about("In the order in which the links were made.")
        .scope(", and a key that covers the subject")
        .gives::<Links<'_>>(200, "The links.")
        .refuses(&[Refusal::Invalid]),
        Operation::new(
            "POST",
            "/v1/subjects/{pseudonym}/links",
            "linkSubjects",
            Tag::Results,
            "Say that two subjects are one person",
        )
        .about(
            "For a patient who moved to another site, or whom a site sent under two names. Series, changes and \
                what does not come are told of the person then; what a key sees stays what its site covers. On \
                record in the audit chains of both.",
        )
        .scope(" and a key that covers both")
        .takes::<NewLink>("At most 4 KiB.")
        .gives::<Linked<'_>>(201, "They are linked.")
        .with(LINK_LOCATION),
        Operation::new(
            "DELETE",
            "/v1/subjects/{pseudonym}/links/{to}",
            "unlinkSubjects",
            Tag::Results,
            "Take a link back",
        )
        .about("On record in the audit chains of both.")
        .scope(" and a key that covers both")
        .takes::<WithReason>("At most 4 KiB.")
        .gives::<Unlinked<'_>>(200, "They are two again."),
        Operation::new(
            "GET",
            "/v1/dead-letters",
            "listDeadLetters",
            Tag::Operations,
            "What was given up, the newest first",
        )
        .about("What it is about and why it was given up, not what it holds.")
        .scope("; one of a study sees the letters about it")
        .query::<Page>()
        .gives::<DeadLetters<'_>>(200, "A page.")
        .with(NO_STORE),
        Operation::new(
            "POST",
            "/v1/dead-letters/replay",
            "replayDeadLetters",
            Tag::Operations,
            "Send what was given up on its way again",
        )
        .about(
            "Those of these ids, since a time, or all; at most 200 in one request, with a cursor for the rest. \
                A dry run counts them.",
        )
        .scope("; one of a study replays the letters about it")
        .header(&CHANGE_REASON)
        .takes::<Replay>("At most 64 KiB.")
        .gives::<Replayed>(200, "What was sent on its way, or would be."),
    ]
}
