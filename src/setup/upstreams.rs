//! The services that Vigil reads from, for `cargo run -- --with-upstreams`: runs the program of `tests/upstreams` as a
//! child.
//!
//! Guarantee: a user's own configuration stays. The child ends with us, however we end: its standard input is a pipe
//! that we hold.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::process;

/// The study and the site of the example; a clinician's key for it is created for the run.
const PLACE: (&str, &str) = ("DEMO", "S1");

/// Signs the notifications to the sample requester. It protects nothing.
const WEBHOOK_SECRET: &str = "whsec_c2FtcGxlIHNlY3JldCwga25vd24gdG8gYWxs";

/// The running program.
pub struct Upstreams {
    /// The address at which it listens.
    pub url: String,
    child: Child,
    input: Option<ChildStdin>,
}

impl Upstreams {
    /// Builds the program if necessary and starts it on a free port.
    pub fn start(root: &Path, say: &dyn Fn(&str)) -> Result<Upstreams> {
        say("building: cargo build --bin upstreams");
        let build = process::command("cargo").args(["build", "--bin", "upstreams"]).current_dir(root).status();
        if !build.context("cannot start cargo")?.success() {
            bail!("`cargo build --bin upstreams` failed; its messages are above");
        }
        let mut command = process::command("target/debug/upstreams");
        let mut child = command
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start target/debug/upstreams")?;
        let mut url = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut url).context("the services do not say where they listen")?;
        }
        let input = child.stdin.take();
        Ok(Upstreams { url: url.trim().to_owned(), child, input })
    }

    /// The variables by which the application reads from these services.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let part = |name: &str, required: bool, path: &str| json!({"name": name, "required": required, "url": format!("{}{path}", self.url)});
        let own = json!({"name": "vigil", "required": true});
        let record = json!([
            own,
            part("profile", true, "/profile/{patientId}"),
            part("orders", true, "/orders/{patientId}"),
            part("laboratory", false, "/laboratory/{patientId}"),
            part("imaging", false, "/imaging/{patientId}"),
        ]);
        let report = json!([
            own,
            part("users", true, "/users/{studyId}?month={month}"),
            part("project", false, "/studies/{studyId}"),
            part("data", false, "/data/{studyId}?month={month}"),
        ]);
        let study = json!([part("project", true, "/studies/{studyId}")]);
        let below = |path: &str| format!("{}{path}", self.url);
        let alarm = json!({"rule": "nodule", "finding": "/findings/0/score", "atLeast": 0.8, "severity": "high"});
        let services = json!({"chest-xray": {"url": below("/ai/chest-xray"), "limit": 10, "alerts": [alarm]}});
        let variables = [
            ("record_parts", record.to_string()),
            ("report_parts", report.to_string()),
            ("study_service", study.to_string()),
            ("ai_services", services.to_string()),
            ("ai_grant", self.url.clone()),
            ("image_sources", json!([below("/images/")]).to_string()),
            ("imaging_webhooks", json!([{"url": below("/hooks/"), "secret": WEBHOOK_SECRET}]).to_string()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Adds a clinician's key for this run to `api_keys`, because only a clinician may see a patient's record. Returns the
/// key.
pub fn clinician(api_keys: &str) -> Result<(String, String)> {
    let mut keys: Vec<Value> = serde_json::from_str(api_keys).context("api_keys is not a JSON array")?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key = format!("vk_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let digest: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let (study, site) = PLACE;
    keys.push(json!({"id": "dev-clinician", "role": "clinician", "study": study, "site": site, "sha256": digest}));
    Ok((key, Value::from(keys).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinicians_key_comes_beside_the_others() {
        let (key, keys) = clinician(r#"[{"id":"dev"}]"#).unwrap();
        let keys: Value = serde_json::from_str(&keys).unwrap();
        assert_eq!((&keys[0]["id"], &keys[1]["role"]), (&json!("dev"), &json!("clinician")));
        assert!(key.starts_with("vk_") && !keys.to_string().contains(&key));
        assert!(clinician("{}").is_err());
    }
}
