//! The description of this component's routes.

#![expect(dead_code, reason = "the types of queries and requests only describe them")]

use schemars::{JsonSchema, json_schema};
use serde::Serialize;
use state::edge::describe::*;

use crate::analyses::{AnalysisAccepted, AnalysisShown};
use crate::dicom::BesideMetadata;
use crate::erase::AnalysisErased;
use crate::subject::Analyses;

/// The API of this component.
pub fn describe() -> Description {
    Description {
        routes: crate::routes(),
        operations: operations(),
        examples: include_str!("../openapi/examples.json"),
    }
}

/// The address of an analysis.
const ANALYSIS_LOCATION: Header =
    Header::location("Where to follow the analysis.", |_| matching("^/v1/imaging/analyses/[0-9a-f-]{36}$"));

/// The content of a DICOM file.
#[derive(JsonSchema, Serialize)]
struct DicomReport {
    #[schemars(with = "Metadata")]
    metadata: (),
    #[serde(flatten)]
    beside: BesideMetadata<'static>,
}

/// A call of a service.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct CallRequest {
    /// The service, by its name in the configuration.
    service: String,
    /// It is given to the service as it is.
    #[schemars(with = "Any")]
    input: (),
}

/// The answer of a service.
#[derive(JsonSchema, Serialize)]
struct CallAnswer {
    service: String,
    #[schemars(with = "Any")]
    result: (),
}

/// An image to analyse.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnalysisRequest {
    /// The sender's own id; it makes a resend safe.
    #[schemars(length(min = 1, max = 128))]
    analysis_id: Option<String>,
    #[schemars(length(min = 1, max = 128))]
    study_id: String,
    #[schemars(length(min = 1, max = 128))]
    site_id: String,
    #[schemars(length(min = 1, max = 128))]
    patient_id: String,
    /// The service, by its name in the configuration.
    service: String,
    #[schemars(with = "Option<Priority>")]
    priority: Option<String>,
    image: Image,
    webhook: Option<Webhook>,
}

/// The image: its address, or its bytes.
#[derive(JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
#[schemars(inline)]
enum Image {
    Address {
        #[schemars(length(max = 2048))]
        url: String,
    },
    #[serde(rename_all = "camelCase")]
    Bytes {
        #[schemars(extend("contentEncoding" = "base64"))]
        data: String,
        #[schemars(extend("enum" = ["application/dicom", "image/png", "image/jpeg"]))]
        media_type: String,
    },
}

/// The receiver of a message about the end.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Webhook {
    #[schemars(length(max = 2048))]
    url: String,
}

/// An analysis that was cancelled, or erased.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[schemars(inline)]
enum EndedAnalysis {
    Cancelled(AnalysisShown<'static>),
    Erased(AnalysisErased<'static>),
}

/// The query of a DICOM file.
#[derive(JsonSchema)]
struct DicomQuery {
    /// The study, if the key covers several.
    #[schemars(with = "Option<Name>")]
    study: Option<String>,
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::new("POST", "/v1/dicom/analyze", "analyzeDicom", Tag::Imaging, "Read a DICOM file")
            .about(
                "A DICOM Part 10 file, read as it streams in: its attributes without identities, by the Basic \
                Application Level Confidentiality Profile, and what its pixels are like. Nothing is stored. Little \
                endian, deflated, and encapsulated transfer syntaxes; statistics are made of native pixels of 8 \
                and 16 bits. Attributes are shown by an allow list. Unique identifiers are replaced, always by the \
                same in one study and by others in another: the study is that of the key, or the one of the query.",
            )
            .query::<DicomQuery>()
            .timeout(Some(Timeout::Long))
            .header(&TRACEPARENT)
            .takes_media(
                "At most 64 MiB.",
                &[("application/dicom", |_| json_schema!({"type": "string", "contentMediaType": "application/dicom"}))],
            )
            .gives::<DicomReport>(200, "What it holds.")
            .refuses(&[Refusal::RequestTimedOut]),
        Operation::new(
            "POST",
            "/v1/ai/analyze",
            "analyzeNow",
            Tag::Imaging,
            "Call an analysing service and wait for it",
        )
        .about(
            "The service, by its name in the configuration, is given `input` as it is. Over all instances and \
                hosts no more calls are under way than it has places; who finds none free waits up to 500 ms for \
                one, in the order of arrival, and is answered 503 then.",
        )
        .timeout(Some(Timeout::Long))
        .header(&TRACEPARENT)
        .takes::<CallRequest>("At most 1 MiB.")
        .gives::<CallAnswer>(200, "What it found.")
        .refuses(&[Refusal::RequestTimedOut, Refusal::ServiceFailed, Refusal::DeadlinePassed]),
        Operation::new("POST", "/v1/imaging/analyses", "requestAnalysis", Tag::Imaging, "Have an image analysed")
            .about(
                "The image lies at an address below one of the configuration, or comes along, up to 1 MiB. `stat` \
                goes before `routine`. A webhook, below an address of the configuration, is told when it ended, \
                signed by the Standard Webhooks scheme under the analysis' id. Sending again under the same \
                `analysisId` is safe.",
            )
            .timeout(None)
            .header(&TRACEPARENT)
            .takes::<AnalysisRequest>("At most 1.5 MB.")
            .gives::<AnalysisAccepted<'_>>(202, "It is on disk and will be analysed.")
            .with(ANALYSIS_LOCATION)
            .refuses(&[
                Refusal::RequestTimedOut,
                Refusal::Conflict,
                Refusal::Gone,
                Refusal::DeadlinePassed,
                Refusal::NotTaken,
            ]),
        Operation::new(
            "GET",
            "/v1/imaging/analyses/{analysis}",
            "showAnalysis",
            Tag::Imaging,
            "How far an analysis is",
        )
        .about(
            "Before it ended: its attempts, its place among those that wait, and how long that takes if calls \
                take as long as of late. Afterwards: what was found, shown to read, clinician and admin.",
        )
        .gives::<AnalysisShown<'_>>(200, "The analysis.")
        .refuses(&[Refusal::Gone]),
        Operation::new(
            "DELETE",
            "/v1/imaging/analyses/{analysis}",
            "cancelAnalysis",
            Tag::Imaging,
            "Cancel or erase an analysis",
        )
        .about(
            "Without a body it is cancelled: one that waits never runs, a call under way is dropped, one that \
                has ended is 409. With a reason it is erased, however far it is: what it found, its image and its \
                alerts are removed for good, and a resend is answered with 410. That it was there, and its audit \
                chain, stay. Asking again is safe.",
        )
        .scope("; erasing needs the role admin")
        .may_take::<WithReason>("At most 4 KiB. Without it the analysis is cancelled.")
        .gives::<EndedAnalysis>(200, "It is cancelled, or erased.")
        .refuses(&[Refusal::RequestTimedOut, Refusal::Conflict, Refusal::Gone]),
        Operation::new(
            "GET",
            "/v1/subjects/{pseudonym}/analyses",
            "listAnalyses",
            Tag::Imaging,
            "Which images of a subject were analysed",
        )
        .about("The latest first, at most 1,000; those of the key's study and site. Erased ones stay listed.")
        .gives::<Analyses<'_>>(200, "The analyses."),
    ]
}
