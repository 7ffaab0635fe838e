//! Prints what a person may try when the application is ready: the screens, and a command.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

/// Prints to standard output, also with `--quiet`: this is the output that the person asked for. A closed output is no
/// error. `own` is the developer's key, and the file with the header that names it; none if the keys are not ours.
pub(crate) fn show(address: SocketAddr, own: Option<(&str, &Path)>) {
    let (key, header) = match own {
        Some((key, file)) => (format!("with the key {key}"), format!("@{}", file.display())),
        None => ("with one of your keys".to_owned(), "@FILE_WITH_AUTHORIZATION_BEARER_AND_ONE_OF_YOUR_KEYS".to_owned()),
    };
    let example = example(address, &header, SystemTime::now());
    let _ = writeln!(
        std::io::stdout(),
        "\nready on http://{address}\n\nThe screens are at http://{address}/ : sign in {key}\n\nTry it:\n\n{example}\n"
    );
}

fn example(address: SocketAddr, header: &str, now: SystemTime) -> String {
    let answers: Vec<String> = (1..=9).map(|item| format!("\"q{item}\":1")).collect();
    let body = format!(
        r#"{{"studyId":"DEMO","siteId":"S1","patientId":"P-001","authoredAt":"{}","answers":{{{}}}}}"#,
        humantime::format_rfc3339_seconds(now),
        answers.join(",")
    );
    format!(
        "curl -i http://{address}/v1/surveys/phq-9/responses -H '{header}' \
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
        let example = example(([127, 0, 0, 1], 3000).into(), "@.vigil/authorization", now);
        let (first, second) = example.split_once('\n').unwrap();
        assert!(first.starts_with("curl -i http://127.0.0.1:3000/v1/surveys/phq-9/responses"));
        assert!(first.contains("'@.vigil/authorization'") && first.ends_with('\\'));
        let body = second.trim().strip_prefix("-d '").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["authoredAt"], "2026-01-01T00:00:00Z");
        assert_eq!(body["answers"].as_object().unwrap().len(), 9);
    }
}
