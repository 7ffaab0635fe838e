//! Writes the document so that people can read it and see what a change changes: short values on one line, and members
//! in a fixed order.

use serde_json::Value;

/// The longest line that holds several members.
const WIDTH: usize = 120;

/// Members that come first, in this order; all others follow by their names.
const FIRST: [&str; 18] = [
    "openapi",
    "info",
    "security",
    "tags",
    "paths",
    "operationId",
    "summary",
    "name",
    "in",
    "required",
    "type",
    "description",
    "parameters",
    "requestBody",
    "headers",
    "schema",
    "status",
    "code",
];

/// The text of a document.
pub(crate) fn write(document: &Value) -> String {
    let mut text = String::new();
    value(document, 0, 0, &mut text);
    text.push('\n');
    text
}

fn members(value: &Value) -> Vec<(Option<&String>, &Value)> {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, member)| (Some(name), member)).collect();
            let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            members.sort_by_key(|(name, _)| name.map(|name| (rank(name), name)));
            members
        }
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        _ => Vec::new(),
    }
}

/// Writes a value at this depth, behind so many characters of its line.
fn value(it: &Value, depth: usize, behind: usize, text: &mut String) {
    let members = members(it);
    let line = flat(it);
    if members.is_empty() || behind + line.len() <= WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close) = if it.is_array() { ('[', ']') } else { ('{', '}') };
    text.push(open);
    for (number, (name, member)) in members.into_iter().enumerate() {
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        let name = name.map(|name| format!("{}: ", Value::from(name.as_str()))).unwrap_or_default();
        let begin = format!("{}{name}", "  ".repeat(depth + 1));
        text.push_str(&begin);
        value(member, depth + 1, begin.len(), text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

/// A value on one line.
fn flat(it: &Value) -> String {
    let parts = members(it).into_iter().map(|(name, member)| match name {
        Some(name) => format!("{}: {}", Value::from(name.as_str()), flat(member)),
        None => flat(member),
    });
    match it {
        Value::Object(_) => format!("{{{}}}", parts.collect::<Vec<_>>().join(", ")),
        Value::Array(_) => format!("[{}]", parts.collect::<Vec<_>>().join(", ")),
        _ => it.to_string(),
    }
}
