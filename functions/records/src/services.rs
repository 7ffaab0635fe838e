//! The users' own services that Vigil reads from: how they are named in the configuration, and one call to one of them.

use std::collections::BTreeSet;

use domain::intake::is_name;
use domain::reading::{Json, Limits};
use platform::clock;
use platform::config;
use platform::deadline::Deadline;
use platform::http::{self, CallError, Url};
use platform::percent::encode;
use platform::trace::Trace;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most that is read of an answer, bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// The part that is Vigil's own: it has no URL.
pub(crate) const OWN: &str = "vigil";

/// A service, or Vigil's own part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    /// What answers, problems and metrics call it.
    pub(crate) name: String,
    /// Whether there is no answer without it.
    #[serde(default)]
    pub(crate) required: bool,
    /// Where it is: a URL with places in braces. None for Vigil's own part.
    #[serde(default)]
    url: Option<String>,
    /// What is sent as `Authorization`.
    #[serde(default)]
    authorization: Option<String>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This was said.
    Ok(Value),
    /// It answered with an error, or the host forbids the call.
    Refused(Option<u16>),
    /// Not before the deadline.
    TimedOut,
    /// It was given up, because another part had failed.
    Cancelled,
    /// No connection, or it broke.
    Unreachable,
    /// It answered with what is no JSON, or too long.
    Unreadable,
}

impl Outcome {
    /// A word for answers and metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Outcome::Ok(_) => "ok",
            Outcome::Refused(_) => "refused",
            Outcome::TimedOut => "timed-out",
            Outcome::Cancelled => "cancelled",
            Outcome::Unreachable => "unreachable",
            Outcome::Unreadable => "unreadable",
        }
    }

    /// As answers show it, without what was said.
    pub(crate) fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::from_iter([("status".to_owned(), Value::from(self.word()))]);
        if let Outcome::Refused(Some(status)) = self {
            shown.insert("httpStatus".to_owned(), json!(status));
        }
        shown
    }
}

impl Service {
    /// Reads a JSON array of services whose URLs may hold these places.
    ///
    /// # Errors
    /// Every rule that it breaks, without a value.
    pub(crate) fn read_list(text: &str, places: &[&str]) -> Result<Vec<Self>, Vec<String>> {
        let rule = r#"must be a JSON array of {"name","required"?,"url"?,"authorization"?}"#;
        let services: Vec<Service> = config::json(text, rule)?;
        let (mut names, mut faults) = (BTreeSet::new(), Vec::new());
        for (index, service) in services.iter().enumerate() {
            if !is_name(&service.name) || !names.insert(&service.name) {
                faults.push(format!("entry {index}: must have a name of its own"));
            }
            let fits = match &service.url {
                None => service.name == OWN,
                Some(url) => service.name != OWN && fits(url, places),
            };
            if !fits {
                let places = places.join(" ");
                faults.push(format!(
                    "entry {index}: must have a url, in which these places may stand: {places}; {OWN} has none"
                ));
            }
        }
        if faults.is_empty() { Ok(services) } else { Err(faults) }
    }

    /// Calls the service once. `values` are what takes the places in its URL.
    pub(crate) async fn call(&self, values: &[(&str, &str)], trace: &Trace, deadline: Deadline) -> Outcome {
        // Services resolve such segments; what they then give is not what was asked for.
        let dots = values.iter().any(|(_, value)| matches!(*value, "." | ".."));
        let url = self.url.as_deref().and_then(|url| {
            let fill = |url: String, (place, value): &(&str, &str)| url.replace(place, &encode(value));
            Url::parse(&values.iter().fold(url.to_owned(), fill))
        });
        let Some(url) = url.filter(|_| !dots) else { return Outcome::Refused(None) };
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("traceparent", trace.child(clock::random_bits()).as_str().to_owned()),
            ("user-agent", concat!("vigil/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        headers.extend(self.authorization.clone().map(|value| ("authorization", value)));
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

/// Whether a URL is one once its places are taken, and has no others.
fn fits(url: &str, places: &[&str]) -> bool {
    let filled = places.iter().fold(url.to_owned(), |url, place| url.replace(place, "x"));
    !filled.contains(['{', '}']) && Url::parse(&filled).is_some()
}
