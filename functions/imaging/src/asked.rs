//! Reads the body of a request: returns a job, or all faults of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::canonical;
use domain::ids::{self, AnalysisId, KeyId, NAME_RULE, PatientId, SiteId, StudyId, identifier};
use domain::reading::{Json, Limits, Object};
use domain::{Code, Finding};
use platform::clock;
use platform::http::Url;
use platform::trace::Trace;
use serde_json::Value;
use state::edge::problem::{Problem, ProblemType};
use state::identity::{Patient, random_analysis_id};
use state::names;
use state::wire::analysis::{Image, Job};

use crate::ai;
use crate::config::Config;

/// The longest image that comes with the request, bytes.
const LONGEST_IMAGE: usize = 1024 * 1024;

/// A requested analysis.
pub(crate) struct Request {
    pub(crate) job: Job,
    /// The image, if it came with the request.
    pub(crate) image: Option<Vec<u8>>,
    /// The hash of the content.
    pub(crate) hash: String,
}

/// Reads the body of a request that came with this key. Names and ids have the same forms as at the door of reports: both
/// must mean the same patient.
pub(crate) fn read(config: &Config, body: &[u8], key: &KeyId, trace: &Trace) -> Result<Request, Problem> {
    let Json { value, faults: mut findings, .. } = Problem::json(body, Limits::REQUEST)?;
    let (Value::Object(content), Ok(mut members)) = (&value, Object::root(&value)) else {
        return Err(Problem::new(ProblemType::Malformed, "send a JSON object"));
    };
    let mut said = String::with_capacity(body.len());
    canonical::members(content, &mut said);
    let hash = config.pseudonyms.content_hash(&said);
    drop(said);
    members.require(&mut findings, "studyId");
    let study = members.form(&mut findings, "studyId", NAME_RULE, StudyId::parse);
    members.require(&mut findings, "siteId");
    let site = members.form(&mut findings, "siteId", NAME_RULE, SiteId::parse);
    members.require(&mut findings, "patientId");
    let patient = members.form(&mut findings, "patientId", ids::RULE, PatientId::parse);
    let client_id = members.form(&mut findings, "analysisId", ids::RULE, identifier);
    let service = ai::service(config, members.get("service"), &mut findings);
    let stat = members.choice(&mut findings, "priority", &["stat", "routine"]) == Some("stat");
    let webhook = webhook(config, &mut members, &mut findings);
    let image = image(config, &mut members, &mut findings);
    members.finish(&mut findings);

    let (Some(study_id), Some(site_id), Some(patient), Some(service), Some(image), true) =
        (study, site, patient, service, image, findings.is_empty())
    else {
        return Err(Problem::invalid(findings));
    };
    let whose = Patient { study: &study_id, site: &site_id, system: None, id: patient.as_str() };
    let subject = config.pseudonyms.pseudonym(&whose);
    let sealed = config.ring.seal(&study_id, &subject, patient.as_str());
    let sealed = sealed.ok_or_else(|| Problem::new(ProblemType::Unavailable, "the identity cannot be sealed"))?;
    let analysis_id = match &client_id {
        Some(id) => config.pseudonyms.analysis_id(&study_id, &site_id, id),
        None => random_analysis_id(clock::random_bits()),
    };
    let analysis_id = AnalysisId::from(analysis_id.into_string());
    let (image, bytes) = match image {
        ImageSource::Url(url) => (Image::Url(url), None),
        ImageSource::Bytes(bytes, media_type) => {
            (Image::Stored { key: names::analysis_image(&analysis_id, &hash), media_type }, Some(bytes))
        }
    };
    let job = Job {
        analysis_id,
        study_id,
        site_id,
        subject,
        sealed,
        service: service.name.clone(),
        stat,
        image,
        webhook,
        requested_at: clock::now().rfc3339(),
        key: key.clone(),
        trace: trace.as_str().to_owned(),
    };
    Ok(Request { job, image: bytes, hash })
}

enum ImageSource {
    Url(String),
    Bytes(Vec<u8>, String),
}

/// A URL that is valid and allowed.
fn callable(pointer: &str, text: &str, allowed: impl Fn(&Url) -> bool, findings: &mut Vec<Finding>) -> Option<String> {
    let (code, rule) = match Url::parse(text) {
        Ok(url) if allowed(&url) => return Some(text.to_owned()),
        Ok(_) => (Code::Forbidden, "below a configured address"),
        Err(rule) => (Code::Format, rule),
    };
    findings.push(Finding::new(pointer, code, format!("must be {rule}")));
    None
}

fn webhook(config: &Config, members: &mut Object<'_>, findings: &mut Vec<Finding>) -> Option<String> {
    let mut webhook = members.object(findings, "webhook")?;
    let text = webhook.get("url").and_then(Value::as_str).unwrap_or_default();
    callable("/webhook/url", text, |url| config.webhooks.find(url).is_some(), findings)
}

fn image(config: &Config, members: &mut Object<'_>, findings: &mut Vec<Finding>) -> Option<ImageSource> {
    let rule = "must have either url, or data and mediaType";
    if members.get("image").is_none() {
        findings.push(Finding::new("/image", Code::Required, rule));
    }
    let mut image = members.object(findings, "image")?;
    let mut given = |member| image.get(member).map(|value| value.as_str());
    let given = (given("url"), given("data"), given("mediaType"));
    image.finish(findings);
    match given {
        (Some(Some(text)), None, None) => {
            return callable("/image/url", text, |url| config.is_source(url), findings).map(ImageSource::Url);
        }
        (None, Some(Some(data)), Some(Some(media_type))) => {
            let bytes = STANDARD.decode(data).ok();
            let fits = bytes.as_ref().is_some_and(|bytes| (1..=LONGEST_IMAGE).contains(&bytes.len()));
            if !fits {
                let rule = format!("must be base64 of 1 to {LONGEST_IMAGE} bytes");
                findings.push(Finding::new("/image/data", Code::Format, rule));
            }
            let known = ["application/dicom", "image/png", "image/jpeg"].contains(&media_type);
            if !known {
                let rule = "must be application/dicom, image/png or image/jpeg";
                findings.push(Finding::new("/image/mediaType", Code::Choice, rule));
            }
            return bytes.filter(|_| fits && known).map(|bytes| ImageSource::Bytes(bytes, media_type.to_owned()));
        }
        _ => findings.push(Finding::new("/image", Code::Conflict, rule)),
    }
    None
}
