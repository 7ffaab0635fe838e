//! Writes a report as CSV and as a web page with charts. All text from services is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::iter::once;

use domain::paper::{STYLE, escaped};
use domain::spreadsheet::line;
use serde_json::Value;

use state::edge::services::OWN;

/// A row of a report: section, label, value.
type Row = (String, String, String);

/// A site: its submissions, and the expected number, if that is known.
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

/// The sites with submissions in Vigil, or with expectations by a service: `sites` with `siteId` and `expected`.
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
    /// The share of the expected submissions that arrived.
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

fn rows(report: &Value) -> impl Iterator<Item = Row> + '_ {
    let row = |section: &str, what: &str, value: String| (section.to_owned(), what.to_owned(), value);
    let parts = || report.get("parts").and_then(Value::as_object).into_iter().flatten();
    let sites = sites(report).into_iter().flat_map(move |(site, counted)| {
        let expected = counted.expected.map(|expected| row("site-expected", &site, expected.to_string()));
        let completion = counted.completion().map(|share| row("site-completion", &site, format!("{share:.4}")));
        let submissions = row("site-submissions", &site, counted.submissions.to_string());
        [Some(submissions), expected, completion].into_iter().flatten()
    });
    let said = parts().filter(|(name, _)| *name != OWN).flat_map(move |(name, part)| {
        let members = part.get("data").and_then(Value::as_object).into_iter().flatten();
        members.filter_map(move |(member, value)| Some(row(name, member, plain(value)?)))
    });
    parts()
        .map(move |(name, part)| row("part", name, text(part, "status").to_owned()))
        .chain(days(report).into_iter().map(move |(day, count)| row("submissions", &day, count.to_string())))
        .chain(sites)
        .chain(alerts(report).into_iter().map(move |(severity, count)| row("alerts", &severity, count.to_string())))
        .chain(said)
}

/// The pieces of a report as CSV (RFC 4180).
pub(crate) fn csv(report: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    let line = |(section, what, value): Row| line([&section, &what, &value]);
    Box::new(once("section,what,value\r\n".to_owned()).chain(rows(report).map(line)))
}

/// The pieces of a report as a web page. The page loads nothing and runs no script.
pub(crate) fn html(report: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    let row = |(section, what, value): Row| {
        let cells = [section, what, value].map(|cell| format!("<td>{}</td>", escaped(&cell)));
        format!("<tr>{}</tr>", cells.concat())
    };
    let table = "<h2>Figures</h2><table><thead><tr><th>section</th><th>what</th><th>value</th></tr></thead>";
    let end = once("</table></main></body></html>".to_owned());
    Box::new(
        once(head(report)).chain(charts(report)).chain(once(table.to_owned())).chain(rows(report).map(row)).chain(end),
    )
}

fn head(report: &Value) -> String {
    let title = escaped(&format!("Study {}, {}", text(report, "studyId"), text(report, "month")));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>"
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of a month are far below 2^52")]
fn charts(report: &Value) -> impl Iterator<Item = String> {
    let completion: Vec<Bar> = sites(report)
        .into_iter()
        .map(|(label, site)| match site.completion() {
            Some(value) => Bar { label, value, shown: format!("{:.0} %", value * 100.0) },
            None => Bar { label, value: 0.0, shown: format!("{} of ?", site.submissions) },
        })
        .collect();
    let counted = |(label, count): (String, u64)| Bar { label, value: count as f64, shown: count.to_string() };
    let days: Vec<Bar> = days(report).into_iter().map(counted).collect();
    let alerts: Vec<Bar> = alerts(report).into_iter().map(counted).collect();
    let charts = [
        ("Submissions per day", columns("Submissions per day", &days)),
        ("Completion per site", bars(&completion, 1.0)),
        ("Alerts by severity", bars(&alerts, 0.0)),
    ];
    charts.into_iter().map(|(heading, chart)| format!("<h2>{heading}</h2>{chart}"))
}

/// A bar of a chart.
struct Bar {
    label: String,
    value: f64,
    shown: String,
}

/// The highest value, or `full` if that is more.
fn highest(bars: &[Bar], full: f64) -> f64 {
    bars.iter().map(|bar| bar.value).fold(full.max(f64::MIN_POSITIVE), f64::max)
}

/// A column for each day of a month, as wide as it is, whatever its page: on a narrow one it scrolls.
fn columns(title: &str, days: &[Bar]) -> String {
    const HEIGHT: f64 = 120.0;
    const STEP: f64 = 26.0;
    let highest = highest(days, 0.0);
    let width = days.iter().map(|_| STEP).sum::<f64>().max(STEP);
    let mut html = format!(
        "<div class=\"days\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\">\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"160\" role=\"img\"><title>{title}</title>"
    );
    let mut x = 0.0;
    for Bar { label, value, shown } in days {
        let (height, middle) = (value / highest * HEIGHT, x + STEP / 2.0);
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>\
             <text x=\"{middle:.1}\" y=\"{above:.1}\">{shown}</text>\
             <text class=\"day\" x=\"{middle:.1}\" y=\"154\">{day}</text>",
            left = x + 2.0,
            top = 140.0 - height,
            width = STEP - 4.0,
            above = 136.0 - height,
            shown = if *value > 0.0 { escaped(shown) } else { String::new() },
            day = escaped(label.get(8..).unwrap_or_default()),
        );
        x += STEP;
    }
    html.push_str("</svg></div>");
    html
}

/// A row for each bar: its label, the bar, its value. `full` is the least value that a whole bar stands for.
fn bars(bars: &[Bar], full: f64) -> String {
    const WIDTH: f64 = 160.0;
    let highest = highest(bars, full);
    let mut html = "<table class=\"bars\">".to_owned();
    for Bar { label, value, shown } in bars {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{label}</th><td><svg width=\"{WIDTH}\" height=\"12\" aria-hidden=\"true\">\
             <rect class=\"track\" width=\"{WIDTH}\" height=\"12\" rx=\"2\"/>\
             <rect width=\"{width:.1}\" height=\"12\" rx=\"2\"/></svg></td><td>{shown}</td></tr>",
            width = value / highest * WIDTH,
            label = escaped(label),
            shown = escaped(shown),
        );
    }
    html.push_str("</table>");
    html
}
