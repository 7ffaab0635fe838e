//! Prints the commands that a person may try when the application is ready.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Prints to standard output, also with `--quiet`: this is the output that the person asked for. A closed output is no
/// error.
pub(crate) fn show(address: SocketAddr, dev_key: &str) {
    let key = if dev_key.is_empty() { "ONE_OF_YOUR_KEYS" } else { dev_key };
    let example = example(address, key, SystemTime::now());
    let _ = writeln!(std::io::stdout(), "\nready on http://{address}\n\nTry it:\n\n{example}\n");
}

fn example(address: SocketAddr, key: &str, now: SystemTime) -> String {
    let answers: Vec<String> = (1..=9).map(|item| format!("\"q{item}\":1")).collect();
    let body = format!(
        r#"{{"studyId":"DEMO","siteId":"S1","patientId":"P-001","authoredAt":"{}","answers":{{{}}}}}"#,
        humantime::format_rfc3339_seconds(now),
        answers.join(",")
    );
    format!(
        "curl -i http://{address}/v1/surveys/phq-9/responses -H 'authorization: Bearer {key}' \
         -H 'content-type: application/json' \\\n  -d '{body}'"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_example_is_valid_json_in_two_lines() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let example = example(([127, 0, 0, 1], 3000).into(), "vk_x", now);
        let (first, second) = example.split_once('\n').unwrap();
        assert!(first.starts_with("curl -i http://127.0.0.1:3000/v1/surveys/phq-9/responses"));
        assert!(first.contains("'authorization: Bearer vk_x'") && first.ends_with('\\'));
        let body = second.trim().strip_prefix("-d '").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["authoredAt"], "2026-01-01T00:00:00Z");
        assert_eq!(body["answers"].as_object().unwrap().len(), 9);
    }
}
