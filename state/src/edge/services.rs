//! The external services that Vigil reads from: their configuration, and one call to one of them.

use std::collections::BTreeSet;

use crate::edge::parts::{Part, PartStatus};
use domain::alert::endpoint::Credential;
use domain::ids::is_name;
use domain::reading::{Json, Limits};
use domain::url::Template;
use platform::clock;
use platform::deadline::Deadline;
use platform::http::{self, CallError};
use platform::percent::encode;
use platform::trace::Trace;
use platform::variables;
use serde::Deserialize;
use serde_json::Value;

/// The most bytes that are read of an answer.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// The name of Vigil's own part, which has no URL.
pub const OWN: &str = "vigil";

/// A service, or Vigil's own part.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name in answers, problems and metrics.
    pub name: String,
    /// Whether the whole answer fails without it.
    pub required: bool,
    /// Its URL, with placeholders in braces. `None` for Vigil's own part.
    url: Option<Template>,
    /// The value of the header `Authorization`.
    authorization: Option<Credential>,
}

/// A service as the configuration gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    name: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    authorization: Option<String>,
}

/// A placeholder in a URL, and the longest value for it, bytes.
pub type Placeholder = (&'static str, usize);

/// The outcome of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The service answered with this JSON.
    Ok(Value),
    /// The service answered with an error, or the host forbids the call.
    Refused(Option<u16>),
    /// No answer before the deadline.
    TimedOut,
    /// Dropped, because another part had failed.
    Cancelled,
    /// No connection, or it broke.
    Unreachable,
    /// The answer is not JSON, or too long.
    Unreadable,
}

impl Outcome {
    /// The status for answers and metrics.
    pub fn status(&self) -> PartStatus {
        match self {
            Outcome::Ok(_) => PartStatus::Ok,
            Outcome::Refused(_) => PartStatus::Refused,
            Outcome::TimedOut => PartStatus::TimedOut,
            Outcome::Cancelled => PartStatus::Cancelled,
            Outcome::Unreachable => PartStatus::Unreachable,
            Outcome::Unreadable => PartStatus::Unreadable,
        }
    }

    /// The outcome as answers show it, without the service's data.
    pub fn shown(&self) -> Part {
        let http_status = if let Outcome::Refused(status) = self { *status } else { None };
        Part { status: self.status(), http_status, data: None }
    }
}

impl Service {
    /// Reads a JSON array of services whose URLs may hold these placeholders.
    ///
    /// # Errors
    /// Every rule that it breaks, without a value.
    pub fn read_list(text: &str, places: &[Placeholder]) -> Result<Vec<Self>, Vec<String>> {
        let rule = r#"must be a JSON array of {"name","required"?,"url"?,"authorization"?}"#;
        let declared: Vec<Declared> = variables::json(text, rule)?;
        let (mut names, mut faults, mut services) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (index, declared) in declared.into_iter().enumerate() {
            let mut fault = |member: &str, rule: &str| faults.push(format!("at \"/{index}{member}\": {rule}"));
            if !is_name(&declared.name) || !names.insert(declared.name.clone()) {
                fault("/name", "must be a name of its own");
            }
            let url = declared.url.as_deref().and_then(|url| {
                Template::parse(url, places).inspect_err(|rule| fault("/url", &format!("must be {rule}"))).ok()
            });
            if declared.url.is_some() == (declared.name == OWN) {
                let places: Vec<&str> = places.iter().map(|(place, _)| *place).collect();
                let places = places.join(" ");
                fault("/url", &format!("must be there, and may hold {places}; {OWN} has none"));
            }
            let authorization = declared.authorization.as_deref().and_then(|text| {
                let read = Credential::parse(text);
                if read.is_none() {
                    fault("/authorization", "must be the value of a header: printable ASCII, at most 4096 bytes");
                }
                read
            });
            services.push(Service { name: declared.name, required: declared.required, url, authorization });
        }
        if faults.is_empty() { Ok(services) } else { Err(faults) }
    }

    /// Calls the service once. `values` fill the placeholders in its URL.
    pub async fn call(&self, values: &[(&str, &str)], trace: &Trace, deadline: Deadline) -> Outcome {
        // Services resolve `.` and `..` segments, and would answer about something else.
        let dots = values.iter().any(|(_, value)| matches!(*value, "." | ".."));
        let values = values.iter().map(|(place, value)| (*place, encode(value)));
        let url = self.url.as_ref().and_then(|url| url.fill(values).ok());
        let Some(url) = url.filter(|_| !dots) else { return Outcome::Refused(None) };
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("traceparent", trace.child(clock::random_bits()).as_str().to_owned()),
            ("user-agent", concat!("vigil/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        headers.extend(self.authorization.as_ref().map(|value| ("authorization", value.as_str().to_owned())));
        match http::get(&url, &headers, LONGEST_ANSWER, deadline).await {
            Ok(answer) if (200..300).contains(&answer.status) => {
                Json::sound(&answer.body, Limits::EXCHANGE).map_or(Outcome::Unreadable, Outcome::Ok)
            }
            Ok(answer) => Outcome::Refused(Some(answer.status)),
            Err(CallError::TimedOut) => Outcome::TimedOut,
            Err(CallError::Unreachable | CallError::UnknownHost | CallError::NotTrusted) => Outcome::Unreachable,
            Err(CallError::Refused) => Outcome::Refused(None),
        }
    }
}
