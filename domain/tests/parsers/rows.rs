//! Rows of a batch: accepted exactly if a reader of the whole batch would accept it, and independent of the pieces.

use domain::rows::{Format, Row, Splitter};
use proptest::prelude::*;
use serde_json::Value;

use crate::choices::{Choices, bytes};
use crate::config;

/// Pieces of JSON, and pieces that only look like JSON.
const PIECES: [&str; 32] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"a\":1",
    "1",
    "-0.5e3",
    "true",
    "null",
    " ",
    "\n",
    "\t",
    "\r\n",
    "{}",
    "[]",
    "\\",
    "\"\\\"\"",
    "\"]\"",
    "\",\"",
    "{\"x\":[1,{}]}",
    "é",
    "\u{c}",
    "\u{b}",
    "\u{85}",
    "\"\n\"",
    "0",
    "01",
    "\"\\u00e9\"",
];

/// The rows of a batch that arrives in pieces; none if its frame is invalid.
fn split(format: Format, batch: &[u8], choices: &mut Choices<'_>) -> Option<Vec<Vec<u8>>> {
    let (mut splitter, mut rows, mut rest) = (Splitter::new(format, 1 << 20), Vec::new(), batch);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((1 + choices.below(40)).min(rest.len()));
        splitter.push(piece, &mut rows).ok()?;
        rest = later;
    }
    rows.extend(splitter.finish().ok()?);
    let whole = rows.into_iter().map(|row| match row {
        Row::Whole(bytes) => bytes,
        Row::TooLong => panic!("no row is that long"),
    });
    Some(whole.collect())
}

fn parsed(rows: Option<Vec<Vec<u8>>>) -> Option<Vec<Value>> {
    rows?.iter().map(|row| serde_json::from_slice(row).ok()).collect()
}

fn batch(choices: &mut Choices<'_>) -> String {
    let sound = choices.once_in(2);
    let count = choices.below(24);
    let piece = |choices: &mut Choices<'_>| choices.one_of(&PIECES);
    if sound {
        // Often the whole batch is valid, or has only one fault.
        let rows: Vec<&str> =
            (0..count % 6).map(|_| choices.one_of(&["1", "{}", "[2, \"]\"]", "{\"x\":[1,{}]}", "\"\\\"\""])).collect();
        let mut text = format!("[{}]", rows.join(choices.one_of(&[",", " ,\n", ",\t"])));
        if choices.once_in(2) {
            let mut at = choices.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, piece(choices));
        }
        return text;
    }
    (0..count).map(|_| piece(choices)).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_array_is_split_exactly_where_it_is_an_array(seed in bytes(64)) {
        let mut choices = Choices::of(&seed);
        let text = batch(&mut choices);
        let whole: Option<Vec<Value>> = serde_json::from_str(&text).ok();
        prop_assert_eq!(parsed(split(Format::Array, text.as_bytes(), &mut choices)), whole, "{:?}", text);
    }

    #[test]
    fn lines_are_split_exactly_at_their_ends(seed in bytes(64)) {
        let mut choices = Choices::of(&seed);
        let text = batch(&mut choices);
        let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        let lines = text.split('\n').map(|line| line.trim_matches(is_space)).filter(|line| !line.is_empty());
        let lines: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).collect();
        prop_assert_eq!(split(Format::Lines, text.as_bytes(), &mut choices), Some(lines), "{:?}", text);
    }
}
