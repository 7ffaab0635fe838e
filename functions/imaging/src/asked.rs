//! Reads the body of a request: returns a job, or all faults of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{SiteId, StudyId, is_identifier, is_name};
use domain::reading::{Json, Limits};
use domain::{Code, Finding};
use platform::clock;
use platform::http::Url;
use platform::trace::Trace;
use serde_json::{Map, Value};
use state::edge::problem::{Problem, ProblemType};
use state::identity::{Patient, random_submission_id};
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

/// Reads the body of a request that came with this key.
pub(crate) fn read(config: &Config, body: &[u8], key: &str, trace: &Trace) -> Result<Request, Problem> {
    let Json { value, faults: mut findings } = Problem::json(body, Limits::REQUEST)?;
    // The members of an object are sorted by name, whatever order they were sent in.
    let hash = config.pseudonyms.content_hash(&value.to_string());
    let Value::Object(mut members) = value else {
        return Err(Problem::new(ProblemType::Malformed, "send a JSON object"));
    };
    // The same form as at the door of reports: both must mean the same patient.
    let name = (is_name as fn(&str) -> bool, "must be 1 to 64 letters, digits, '.', '_' or '-'");
    let rule = "must be 1 to 128 characters, no control characters, no space at either end";
    let id = (is_identifier as fn(&str) -> bool, rule);
    let study = text(&mut members, "studyId", name, &mut findings);
    let site = text(&mut members, "siteId", name, &mut findings);
    let patient = text(&mut members, "patientId", id, &mut findings);
    let named = members.contains_key("analysisId");
    let client_id = if named { text(&mut members, "analysisId", id, &mut findings) } else { None };
    let service = ai::service(config, members.remove("service"), &mut findings);
    let stat = match members.remove("priority").as_ref().map(Value::as_str) {
        None | Some(Some("routine")) => false,
        Some(Some("stat")) => true,
        Some(_) => {
            findings.push(Finding::new("/priority", Code::Choice, "must be stat or routine"));
            false
        }
    };
    let webhook = match members.remove("webhook") {
        None => None,
        Some(webhook) => {
            let allowed = |url: &Url| config.webhooks.find(url).is_some();
            let text = webhook.get("url").and_then(Value::as_str).unwrap_or_default();
            callable("/webhook/url", text, allowed, &mut findings)
        }
    };
    let image = image(config, members.remove("image"), &mut findings);
    ai::unknown("", &members, &mut findings);

    let (Some(study_id), Some(site_id), Some(patient), Some(service), Some(image), true) =
        (study, site, patient, service, image, findings.is_empty())
    else {
        return Err(Problem::invalid(findings));
    };
    let (study_id, site_id) = (StudyId::from(study_id), SiteId::from(site_id));
    let whose = Patient { study: &study_id, site: &site_id, system: None, id: &patient };
    let subject = config.pseudonyms.pseudonym(&whose);
    let sealed = config.identities.seal(&study_id, &subject, &patient);
    let sealed = sealed.ok_or_else(|| Problem::new(ProblemType::Unavailable, "the identity cannot be sealed"))?;
    let analysis_id = match &client_id {
        Some(id) => config.pseudonyms.submission_id(&study_id, &site_id, "analysis", id),
        None => random_submission_id(clock::random_bits()),
    };
    let (image, bytes) = match image {
        ImageSource::Url(url) => (Image::Url(url), None),
        ImageSource::Bytes(bytes, media_type) => {
            (Image::Stored { key: names::analysis_image(analysis_id.as_str(), &hash), media_type }, Some(bytes))
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
        key: key.to_owned(),
        trace: trace.as_str().to_owned(),
    };
    Ok(Request { job, image: bytes, hash })
}

/// A text of the request that must follow a rule of form.
fn text(
    members: &mut Map<String, Value>,
    member: &str,
    (fits, rule): (fn(&str) -> bool, &'static str),
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let pointer = format!("/{member}");
    match members.remove(member) {
        None => findings.push(Finding::new(pointer, Code::Required, "must be there")),
        Some(Value::String(text)) if fits(&text) => return Some(text),
        Some(_) => findings.push(Finding::new(pointer, Code::Format, rule)),
    }
    None
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

fn image(config: &Config, given: Option<Value>, findings: &mut Vec<Finding>) -> Option<ImageSource> {
    let rule = "must have either url, or data and mediaType";
    let Some(Value::Object(mut image)) = given else {
        findings.push(Finding::new("/image", Code::Required, rule));
        return None;
    };
    let (url, data, media_type) = (image.remove("url"), image.remove("data"), image.remove("mediaType"));
    ai::unknown("/image", &image, findings);
    match (url, data, media_type) {
        (Some(Value::String(text)), None, None) => {
            return callable("/image/url", &text, |url| config.is_source(url), findings).map(ImageSource::Url);
        }
        (None, Some(Value::String(data)), Some(Value::String(media_type))) => {
            let bytes = STANDARD.decode(&data).ok();
            let fits = bytes.as_ref().is_some_and(|bytes| (1..=LONGEST_IMAGE).contains(&bytes.len()));
            if !fits {
                let rule = format!("must be base64 of 1 to {LONGEST_IMAGE} bytes");
                findings.push(Finding::new("/image/data", Code::Format, rule));
            }
            let known = ["application/dicom", "image/png", "image/jpeg"].contains(&media_type.as_str());
            if !known {
                let rule = "must be application/dicom, image/png or image/jpeg";
                findings.push(Finding::new("/image/mediaType", Code::Choice, rule));
            }
            return bytes.filter(|_| fits && known).map(|bytes| ImageSource::Bytes(bytes, media_type));
        }
        _ => findings.push(Finding::new("/image", Code::Conflict, rule)),
    }
    None
}
