//! A report as CSV and as a page with charts. What services said is text here and nothing else: it is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// What a report says, in rows: section, what, value.
type Rows = Vec<(String, String, String)>;

/// A site: submissions, and how many were expected, if that is known.
struct Site {
    submissions: u64,
    expected: Option<f64>,
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list<'a>(report: &'a Value, pointer: &str) -> &'a [Value] {
    report.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn count(value: &Value, member: &str) -> u64 {
    value.get(member).and_then(Value::as_u64).unwrap_or(0)
}

fn days(report: &Value) -> Vec<(String, u64)> {
    let days = list(report, "/parts/vigil/data/days").iter();
    days.map(|day| (text(day, "day").to_owned(), count(day, "submissions"))).collect()
}

/// The sites that Vigil counted or a service expects something of: `sites` with `siteId` and `expected`.
fn sites(report: &Value) -> BTreeMap<String, Site> {
    let mut sites = BTreeMap::new();
    let site = || Site { submissions: 0, expected: None };
    for own in list(report, "/parts/vigil/data/sites") {
        sites.entry(text(own, "siteId").to_owned()).or_insert_with(site).submissions = count(own, "submissions");
    }
    for said in list(report, "/parts/data/data/sites") {
        let Some(expected) = said.get("expected").and_then(Value::as_f64) else { continue };
        sites.entry(text(said, "siteId").to_owned()).or_insert_with(site).expected = Some(expected);
    }
    sites
}

impl Site {
    /// Which share of what was expected came.
    #[expect(clippy::cast_precision_loss, reason = "counts of a month are far below 2^52")]
    fn completion(&self) -> Option<f64> {
        let expected = self.expected.filter(|expected| *expected > 0.0)?;
        Some(self.submissions as f64 / expected)
    }
}

fn alerts(report: &Value) -> Vec<(String, u64)> {
    let of = |severity: &str| report.pointer(&format!("/parts/vigil/data/alerts/{severity}")).and_then(Value::as_u64);
    ["critical", "high", "moderate", "info"].map(|severity| (severity.to_owned(), of(severity).unwrap_or(0))).into()
}

fn rows(report: &Value) -> Rows {
    let mut rows = Rows::new();
    let mut row = |section: &str, what: &str, value: String| rows.push((section.to_owned(), what.to_owned(), value));
    for (name, part) in report.get("parts").and_then(Value::as_object).into_iter().flatten() {
        row("part", name, text(part, "status").to_owned());
    }
    for (day, count) in days(report) {
        row("submissions", &day, count.to_string());
    }
    for (site, counted) in sites(report) {
        row("site-submissions", &site, counted.submissions.to_string());
        if let Some(expected) = counted.expected {
            row("site-expected", &site, expected.to_string());
        }
        if let Some(completion) = counted.completion() {
            row("site-completion", &site, format!("{completion:.4}"));
        }
    }
    for (severity, count) in alerts(report) {
        row("alerts", &severity, count.to_string());
    }
    for (name, part) in report.get("parts").and_then(Value::as_object).into_iter().flatten() {
        if name == "vigil" {
            continue;
        }
        for (member, value) in part.get("data").and_then(Value::as_object).into_iter().flatten() {
            if let Some(value) = plain(value) {
                row(name, member, value);
            }
        }
    }
    rows
}

/// A report as CSV (RFC 4180).
pub(crate) fn csv(report: &Value) -> String {
    let mut csv = String::from("section,what,value\r\n");
    for (section, what, value) in rows(report) {
        let cells = [section, what, value].map(|cell| cell_of(&cell));
        csv.push_str(&cells.join(","));
        csv.push_str("\r\n");
    }
    csv
}

fn cell_of(text: &str) -> String {
    // A spreadsheet takes what begins like this for a formula.
    let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains([',', '"', '\r', '\n']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2b36}\
h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:2rem}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;\
text-align:left}svg{width:100%;height:auto}";

/// A report as a page. It loads nothing and runs nothing.
pub(crate) fn html(report: &Value) -> String {
    let title = escaped(&format!("Study {}, {}", text(report, "studyId"), text(report, "month")));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>"
    );
    #[expect(clippy::cast_precision_loss, reason = "counts of a month are far below 2^52")]
    let counted = |counts: Vec<(String, u64)>, short: usize| -> Vec<(String, f64, String)> {
        let label = |label: &str| label.get(short..).unwrap_or_default().to_owned();
        counts.into_iter().map(|(what, count)| (label(&what), count as f64, count.to_string())).collect()
    };
    let completion: Vec<(String, f64, String)> = sites(report)
        .into_iter()
        .map(|(name, site)| match site.completion() {
            Some(share) => (name, share, format!("{:.0} %", share * 100.0)),
            None => (name, 0.0, format!("{} of ?", site.submissions)),
        })
        .collect();
    for (heading, bars, full) in [
        ("Submissions per day", counted(days(report), 8), 0.0),
        ("Completion per site", completion, 1.0),
        ("Alerts by severity", counted(alerts(report), 0), 0.0),
    ] {
        html.push_str(&format!("<h2>{heading}</h2>"));
        chart(&mut html, heading, &bars, full);
    }
    html.push_str("<h2>Figures</h2><table><tr><th>section</th><th>what</th><th>value</th></tr>");
    for (section, what, value) in rows(report) {
        let cells = [section, what, value].map(|cell| format!("<td>{}</td>", escaped(&cell)));
        html.push_str(&format!("<tr>{}</tr>", cells.concat()));
    }
    html.push_str("</table></body></html>");
    html
}

/// Bars beside each other, each with its label and its value. `full` is the least that the highest stands for.
fn chart(html: &mut String, title: &str, bars: &[(String, f64, String)], full: f64) {
    const HEIGHT: f64 = 120.0;
    const STEP: f64 = 26.0;
    let step = if bars.len() > 12 { STEP } else { 3.0 * STEP };
    let highest = bars.iter().map(|(_, value, _)| *value).fold(full.max(f64::MIN_POSITIVE), f64::max);
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 160\" role=\"img\" font-size=\"11\" \
         text-anchor=\"middle\"><title>{title}</title>",
        width = bars.iter().map(|_| step).sum::<f64>().max(step),
    );
    let mut x = 0.0;
    for (label, value, shown) in bars {
        let (height, middle) = (value / highest * HEIGHT, x + step / 2.0);
        let _ = write!(
            html,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#0b6e99\"/>\
             <text x=\"{middle:.1}\" y=\"{above:.1}\">{shown}</text><text x=\"{middle:.1}\" y=\"154\">{label}</text>",
            left = x + 2.0,
            top = 140.0 - height,
            width = step - 4.0,
            above = 136.0 - height,
            shown = escaped(shown),
            label = escaped(label),
        );
        x += step;
    }
    html.push_str("</svg>");
}
