//! Draws a series as a small picture: one line, with a mark on its last value.

use std::fmt::Write as _;

const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 40.0;
const MARGIN: f64 = 4.0;

/// The picture of values over time (milliseconds since the epoch), in the given order.
#[expect(clippy::cast_precision_loss, reason = "times of this age are far below 2^52")]
pub(crate) fn line(points: &[(i64, f64)]) -> String {
    let times = points.iter().map(|(at, _)| *at as f64);
    let values = points.iter().map(|(_, value)| *value);
    let (left, right) = (times.clone().fold(f64::MAX, f64::min), times.fold(f64::MIN, f64::max));
    let (low, high) = (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max));
    let place = |value: f64, from: f64, to: f64, length: f64| {
        // A single time or value is drawn in the middle.
        let share = if to > from { (value - from) / (to - from) } else { 0.5 };
        MARGIN + share * (length - 2.0 * MARGIN)
    };
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#
    );
    // Writing to a string does not fail.
    let _ = write!(svg, "<title>{} values", points.len());
    if let Some((_, last)) = points.last() {
        let _ = write!(svg, ", from {low} to {high}, last {last}");
    }
    svg.push_str("</title>");
    let placed: Vec<(f64, f64)> = points
        .iter()
        .map(|(at, value)| (place(*at as f64, left, right, WIDTH), HEIGHT - place(*value, low, high, HEIGHT)))
        .collect();
    if let Some((x, y)) = placed.last() {
        let path: Vec<String> = placed.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = write!(svg, r##"<polyline points="{path}" fill="none" stroke="#0b6e99" stroke-width="1.5"/>"##);
        let _ = write!(svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="2.5" fill="#0b6e99"/>"##);
    }
    svg.push_str("</svg>");
    svg
}
