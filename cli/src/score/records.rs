//! The records of comma-separated values.
//!
//! Guarantee: every line is in exactly one record, and every record is handed out. A line end in quotes is part of its
//! field (RFC 4180), if the quotes end within [`LONGEST`] bytes and the record has as many fields as the header. If not,
//! the line with the opening quote is a record that cannot be read, and the next line begins another.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};

use super::lines::{Input, LONGEST, Line, Lines};

/// Reads records.
pub(super) struct Records<R> {
    lines: Lines<BufReader<R>>,
    /// The lines that were read in search of a closing quote, each with the end of the line before it.
    waiting: VecDeque<(&'static str, Owned)>,
    /// The text of the record that was handed out.
    text: String,
    /// The number of fields of a record, if it is known.
    fields: Option<usize>,
}

/// A line that is kept.
enum Owned {
    Text(String),
    TooLong,
    NotUtf8,
}

impl<R: Read> Records<R> {
    pub(super) fn new(lines: Lines<BufReader<R>>) -> Self {
        Records { lines, waiting: VecDeque::new(), text: String::new(), fields: None }
    }

    /// Every record from now on has this many fields.
    pub(super) fn expect(&mut self, fields: usize) {
        self.fields = Some(fields);
    }

    /// Adds lines to `text` until its quotes are closed; whether they are. If not, the lines wait.
    fn close(&mut self, mut quotes: Quotes) -> io::Result<bool> {
        let (alone, mut taken) = (self.text.len(), 0);
        while quotes.are_open() {
            if taken == self.waiting.len() {
                let Some((end, line)) = self.lines.behind()? else {
                    // Blank lines at the end are none.
                    while self.waiting.back().is_some_and(|(_, line)| line.is_blank()) {
                        self.waiting.pop_back();
                    }
                    break;
                };
                let line = match line {
                    Line::TooLong => Owned::TooLong,
                    line => line.text().map_or(Owned::NotUtf8, |text| Owned::Text(text.to_owned())),
                };
                self.waiting.push_back((end, line));
            }
            let Some((end, Owned::Text(line))) = self.waiting.get(taken) else { break };
            if self.text.len() + end.len() + line.len() > LONGEST {
                break;
            }
            self.text.extend([*end, line.as_str()]);
            quotes.read(line);
            taken += 1;
        }
        let whole = quotes.are_closed() && self.fields.is_none_or(|fields| fields == quotes.fields);
        if whole {
            self.waiting.drain(..taken);
        } else {
            self.text.truncate(alone);
        }
        Ok(whole)
    }
}

impl<R: Read> Input for Records<R> {
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        match self.waiting.pop_front() {
            Some((_, Owned::Text(line))) => self.text = line,
            Some((_, Owned::TooLong)) => return Ok(Some(Line::TooLong)),
            Some((_, Owned::NotUtf8)) => return Ok(Some(Line::NotUtf8)),
            None => match self.lines.next()? {
                None => return Ok(None),
                Some(Line::Text(line)) => {
                    self.text.clear();
                    self.text.push_str(line);
                }
                Some(Line::TooLong) => return Ok(Some(Line::TooLong)),
                Some(Line::NotUtf8) => return Ok(Some(Line::NotUtf8)),
                Some(Line::Blank | Line::Unclosed) => return Ok(Some(Line::Blank)),
            },
        }
        if is_blank(&self.text) {
            return Ok(Some(Line::Blank));
        }
        if self.text.contains('"') {
            let quotes = Quotes::of(&self.text);
            if quotes.are_open() && !self.close(quotes)? {
                return Ok(Some(Line::Unclosed));
            }
        }
        Ok(Some(Line::Text(&self.text)))
    }

    fn would_wait(&self) -> bool {
        self.waiting.is_empty() && self.lines.would_wait()
    }
}

impl Owned {
    fn is_blank(&self) -> bool {
        matches!(self, Owned::Text(line) if is_blank(line))
    }
}

fn is_blank(line: &str) -> bool {
    line.trim_ascii().is_empty()
}

/// The position within a record, by the rules of RFC 4180.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the beginning of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote, which ends the field or is the first of two.
    Quote,
    /// In the blanks behind a field in quotes.
    Behind,
    /// Behind anything else after a closing quote.
    Broken,
}

/// The quotes of a record.
struct Quotes {
    at: At,
    fields: usize,
}

impl Quotes {
    fn of(line: &str) -> Self {
        let mut quotes = Quotes { at: At::Start, fields: 1 };
        quotes.read(line);
        quotes
    }

    fn read(&mut self, line: &str) {
        for byte in line.bytes() {
            self.at = match (self.at, byte) {
                (At::Start, b'"') | (At::Quote, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) => At::Quoted,
                (At::Start | At::Plain | At::Quote | At::Behind, b',') => {
                    self.fields += 1;
                    At::Start
                }
                (At::Start | At::Plain, _) => At::Plain,
                (At::Quote | At::Behind, b' ' | b'\t') => At::Behind,
                (At::Quote | At::Behind | At::Broken, _) => At::Broken,
            };
        }
    }

    fn are_open(&self) -> bool {
        self.at == At::Quoted
    }

    fn are_closed(&self) -> bool {
        !matches!(self.at, At::Quoted | At::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        for capacity in [1, 3, 4096] {
            let lines = Lines::new(BufReader::with_capacity(capacity, input.as_bytes()));
            let mut records = Records::new(lines);
            records.expect(2);
            for expected in expected {
                let record = records.next().unwrap();
                match *expected {
                    "!" => assert_eq!(record, Some(Line::Unclosed), "{input:?}"),
                    "" => assert_eq!(record, Some(Line::Blank), "{input:?}"),
                    text => assert_eq!(record, Some(Line::Text(text)), "{input:?}"),
                }
            }
            assert_eq!(records.next().unwrap(), None, "{input:?}");
        }
    }

    #[test]
    fn a_line_end_in_quotes_is_part_of_its_field() {
        for end in ["\n", "\r\n", "\r"] {
            let whole = format!("\"a{end}{end}b\",1");
            check(&format!("x,1{end}{whole}{end}y,2{end}{end}"), &["x,1", &whole, "y,2"]);
        }
        check("\"a\rb\nc\r\nd\",1\nx,1", &["\"a\rb\nc\r\nd\",1", "x,1"]);
        check("1,\"a\"\"\n\"\"b\" \nx,1", &["1,\"a\"\"\n\"\"b\" ", "x,1"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_spoils_one_line() {
        check("\"a,1\nb,2\n\nc,3\n\n", &["!", "b,2", "", "c,3"]);
        check("\"a,1\n\n \n", &["!"]);
        check("\"a,1\n\"b\",2\nc,3", &["!", "\"b\",2", "c,3"]);
        // Closed, but with more fields than there are.
        check("\"a,1\nb\",2,3\nc,3", &["!", "b\",2,3", "c,3"]);
        check("\"a\n\"b\n\"c\n\"d", &["!", "!", "!", "!"]);
        // A quote within a field opens nothing.
        check("a 5\" b,1\nc,2", &["a 5\" b,1", "c,2"]);
    }

    #[test]
    fn the_search_for_a_quote_is_bounded() {
        let input = format!("\"a\n{}\nb,1", vec!["x"; LONGEST].join("\n"));
        let mut records = Records::new(Lines::new(BufReader::new(input.as_bytes())));
        assert_eq!(records.next().unwrap(), Some(Line::Unclosed));
        let mut count = 0;
        while records.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, LONGEST + 1);
    }
}
