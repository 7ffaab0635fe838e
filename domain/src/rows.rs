//! Splits a batch into rows while it is still arriving: a JSON array, or one JSON text per line.
//!
//! Guarantee: the rows do not depend on how the bytes are cut into pieces. Each row is returned once and complete. A byte
//! order mark before the first row is no part of it. At
//! most one row is buffered. Only the frame is parsed here; the consumer parses the row. Therefore invalid JSON in one
//! row does not affect its neighbours, as long as its brackets and quotes are closed.

use alloc::vec::Vec;

/// The framing of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON array of rows.
    Array,
    /// One row per line, blank lines between them.
    Lines,
}

/// A row of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Its bytes, without surrounding white space.
    Whole(Vec<u8>),
    /// It exceeded the maximum length; its bytes are dropped.
    TooLong,
}

/// The frame of the array is broken, so the following rows cannot be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the opening bracket.
    Start,
    /// After the opening bracket.
    First,
    /// After a comma.
    Next,
    /// In a row, outside of texts, at this bracket depth.
    Inside(usize),
    /// In a text of a row.
    Text { depth: usize, escaped: bool },
    /// After the closing bracket.
    End,
}

/// Splits a batch that arrives in pieces.
#[derive(Debug)]
pub struct Splitter {
    format: Format,
    longest: usize,
    state: State,
    row: Vec<u8>,
    too_long: bool,
    /// The number of bytes of a byte order mark that have come; none if the body has begun.
    mark: Option<usize>,
}

/// The byte order mark, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

impl Splitter {
    /// Takes rows of at most `longest` bytes.
    pub fn new(format: Format, longest: usize) -> Self {
        Splitter { format, longest, state: State::Start, row: Vec::new(), too_long: false, mark: Some(0) }
    }

    /// Takes the next piece and adds the rows that end in it.
    ///
    /// # Errors
    /// The frame is broken. The rows before the break have been added.
    pub fn push(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<(), Broken> {
        let Some(before) = self.mark else { return self.add(piece, rows) };
        let rest = MARK.get(before..).unwrap_or_default();
        let same = rest.iter().zip(piece).take_while(|(mark, byte)| mark == byte).count();
        if same == piece.len() && same < rest.len() {
            self.mark = Some(before + same);
            return Ok(());
        }
        self.mark = None;
        if same < rest.len() {
            // It only began like a mark.
            self.add(MARK.get(..before).unwrap_or_default(), rows)?;
            return self.add(piece, rows);
        }
        self.add(piece.get(same..).unwrap_or_default(), rows)
    }

    fn add(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<(), Broken> {
        match self.format {
            Format::Lines => {
                let mut lines = piece.split(|b| *b == b'\n');
                // The bytes after the last line break are the beginning of the next line.
                let rest = lines.next_back().unwrap_or_default();
                for line in lines {
                    self.keep(line);
                    rows.extend(self.take());
                }
                self.keep(rest);
                Ok(())
            }
            Format::Array => self.array(piece, rows),
        }
    }

    /// Ends the batch. Returns the last row, if it ends with the batch.
    ///
    /// # Errors
    /// The array is not closed.
    pub fn finish(mut self) -> Result<Option<Row>, Broken> {
        if let Some(before @ 1..) = self.mark {
            // Not enough for a row of its own to end in it.
            self.add(MARK.get(..before).unwrap_or_default(), &mut Vec::new())?;
        }
        match self.format {
            Format::Lines => Ok(self.take()),
            Format::Array if self.state == State::End => Ok(None),
            Format::Array => Err(Broken),
        }
    }

    fn array(&mut self, piece: &[u8], rows: &mut Vec<Row>) -> Result<(), Broken> {
        // The start of the row's part in this piece.
        let mut from = 0;
        let (mut state, mut next) = (self.state, 0);
        while let Some(rest) = piece.get(next..) {
            // Most bytes of a row do not change the state.
            let quiet = match state {
                State::Inside(1..) => rest.iter().position(|b| matches!(b | 0x20, b'"' | b'{' | b'}')),
                State::Text { escaped: false, .. } => rest.iter().position(|b| matches!(b, b'"' | b'\\')),
                _ => Some(0),
            };
            let Some(at) = quiet.map(|quiet| next + quiet) else { break };
            let Some(&b) = piece.get(at) else { break };
            next = at + 1;
            let space = is_space(&b);
            state = match state {
                State::Start | State::First | State::Next | State::End if space => continue,
                State::Start if b == b'[' => State::First,
                State::First if b == b']' => State::End,
                State::First | State::Next if !matches!(b, b',' | b']' | b'}') => {
                    from = at;
                    match b {
                        b'[' | b'{' => State::Inside(1),
                        b'"' => State::Text { depth: 0, escaped: false },
                        _ => State::Inside(0),
                    }
                }
                State::Start | State::First | State::Next | State::End => return Err(Broken),
                State::Inside(0) if matches!(b, b',' | b']') => {
                    self.keep(piece.get(from..at).unwrap_or_default());
                    rows.extend(self.take());
                    from = at;
                    if b == b',' { State::Next } else { State::End }
                }
                State::Inside(depth) => match b {
                    b'"' => State::Text { depth, escaped: false },
                    b'[' | b'{' => State::Inside(depth + 1),
                    b']' | b'}' => State::Inside(depth.checked_sub(1).ok_or(Broken)?),
                    _ => continue,
                },
                State::Text { depth, escaped: true } => State::Text { depth, escaped: false },
                State::Text { depth, escaped: false } => match b {
                    b'\\' => State::Text { depth, escaped: true },
                    b'"' => State::Inside(depth),
                    _ => continue,
                },
            };
        }
        self.state = state;
        if matches!(state, State::Inside(_) | State::Text { .. }) {
            self.keep(piece.get(from..).unwrap_or_default());
        }
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) {
        if self.too_long || self.row.len() + part.len() > self.longest {
            self.too_long = true;
            self.row = Vec::new();
        } else {
            self.row.extend_from_slice(part);
        }
    }

    fn take(&mut self) -> Option<Row> {
        let mut row = core::mem::take(&mut self.row);
        if core::mem::take(&mut self.too_long) {
            return Some(Row::TooLong);
        }
        let blank = row.iter().take_while(|b| is_space(b)).count();
        row.drain(..blank);
        while row.last().is_some_and(is_space) {
            row.pop();
        }
        (!row.is_empty()).then_some(Row::Whole(row))
    }
}

/// JSON white space (RFC 8259); a form feed is not white space.
fn is_space(b: &u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;
    use serde_json::Value;

    /// The rows of a batch that arrives in pieces of these lengths, and whether its frame was valid.
    fn split(format: Format, bytes: &[u8], cuts: &[usize]) -> (Vec<Row>, bool) {
        let (mut splitter, mut rows, mut rest) = (Splitter::new(format, 1000), Vec::new(), bytes);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let cut = cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
            let (piece, later) = rest.split_at(cut);
            if splitter.push(piece, &mut rows).is_err() {
                return (rows, false);
            }
            rest = later;
        }
        match splitter.finish() {
            Ok(last) => {
                rows.extend(last);
                (rows, true)
            }
            Err(Broken) => (rows, false),
        }
    }

    fn whole(texts: &[&str]) -> Vec<Row> {
        texts.iter().map(|text| Row::Whole(text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn frames_are_told_from_what_only_looks_like_them() {
        for (format, text, rows, held) in [
            (Format::Array, "[]", &[][..], true),
            (Format::Array, " [ 1 , \"a,]\\\"\" ,{\"x\":[1,2]} ] \n", &["1", "\"a,]\\\"\"", "{\"x\":[1,2]}"], true),
            (Format::Array, "[1,{bad},2]", &["1", "{bad}", "2"], true),
            (Format::Array, "[1,2", &["1"], false),
            (Format::Array, "[1,]", &["1"], false),
            (Format::Array, "[,1]", &[], false),
            (Format::Array, "[1]2", &["1"], false),
            (Format::Array, "[{]},2]", &[], false),
            (Format::Array, "{\"a\":1}", &[], false),
            (Format::Array, "", &[], false),
            (Format::Array, "\u{feff}[1]", &["1"], true),
            (Format::Array, "[\u{feff}1]", &["\u{feff}1"], true),
            (Format::Array, "\u{feff}\u{feff}[1]", &[], false),
            (Format::Array, "\u{feff}", &[], false),
            (Format::Lines, "\u{feff}", &[], true),
            (Format::Lines, "\u{feff}\n1\n\u{feff}2", &["1", "\u{feff}2"], true),
            (Format::Lines, "\u{feff}1\n2", &["1", "2"], true),
            (Format::Lines, "\u{fefe}1", &["\u{fefe}1"], true),
            (Format::Lines, "", &[], true),
            (Format::Lines, "1\r\n\n  \n {\"a\":\n2", &["1", "{\"a\":", "2"], true),
        ] {
            assert_eq!(split(format, text.as_bytes(), &[]), (whole(rows), held), "{text}");
            assert_eq!(split(format, text.as_bytes(), &[1]), (whole(rows), held), "{text} byte by byte");
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_dropped_and_its_neighbours_are_kept() {
        let long = "9".repeat(1001);
        let expected = [whole(&["1"]), Vec::from([Row::TooLong]), whole(&["2"])].concat();
        assert_eq!(split(Format::Lines, alloc::format!("1\n{long}\n2").as_bytes(), &[7]), (expected.clone(), true));
        assert_eq!(split(Format::Array, alloc::format!("[1,{long},2]").as_bytes(), &[7]), (expected, true));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~陈\\\\\"\\[\\]{},\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\,\\]}]{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn parsed(rows: &[Row]) -> Vec<Value> {
        let text = |row: &Row| match row {
            Row::Whole(bytes) => serde_json::from_slice(bytes).unwrap(),
            Row::TooLong => Value::from("too long"),
        };
        rows.iter().map(text).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_are_the_same_however_the_batch_is_cut(
            values in prop::collection::vec(any_value(), 0..6),
            cuts in prop::collection::vec(1usize..40, 1..5),
            pretty in any::<bool>(),
        ) {
            let array = Value::from(values.clone());
            let array = if pretty { alloc::format!("{array:#}") } else { array.to_string() };
            let (rows, held) = split(Format::Array, array.as_bytes(), &cuts);
            prop_assert!(held);
            prop_assert_eq!(parsed(&rows), values.clone());
            let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
            let (rows, held) = split(Format::Lines, lines.join("\n").as_bytes(), &cuts);
            prop_assert!(held);
            prop_assert_eq!(parsed(&rows), values);
        }

        #[test]
        fn an_array_is_held_exactly_if_its_rows_make_it_one(
            text in "[\\[\\]{},:\"\\\\0-9 a]{0,24}",
            cuts in prop::collection::vec(1usize..9, 1..4),
        ) {
            let text = alloc::format!("[{text}");
            let (rows, held) = split(Format::Array, text.as_bytes(), &cuts);
            prop_assert_eq!(&rows, &split(Format::Array, text.as_bytes(), &[]).0);
            let good = |row: &Row| match row {
                Row::Whole(bytes) => serde_json::from_slice::<Value>(bytes).is_ok(),
                Row::TooLong => false,
            };
            let valid = serde_json::from_str::<Vec<Value>>(&text).is_ok();
            prop_assert_eq!(valid, held && rows.iter().all(good), "{}", text);
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..300), lines in any::<bool>()) {
            let format = if lines { Format::Lines } else { Format::Array };
            prop_assert_eq!(split(format, &bytes, &[1]), split(format, &bytes, &[]));
        }
    }
}
