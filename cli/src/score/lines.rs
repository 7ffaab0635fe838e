//! The lines of an input.
//!
//! Guarantee: no more than one line is kept, and of a line no more than [`LONGEST`]. Every line is handed out, except
//! blank ones at the end. A byte order mark and `\r\n` are no part of a line.

use std::io::{self, BufRead};

/// The longest line that is read.
pub(super) const LONGEST: usize = 1 << 20;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a str),
    Blank,
    TooLong,
    NotUtf8,
}

impl<'a> Line<'a> {
    /// The text, or why there is none, in words.
    pub(super) fn text(self) -> Result<&'a str, String> {
        match self {
            Line::Text(text) => Ok(text),
            Line::Blank => Err("a blank line".into()),
            Line::TooLong => Err(format!("a line of more than {LONGEST} bytes")),
            Line::NotUtf8 => Err("not UTF-8".into()),
        }
    }
}

/// Reads lines.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Blank lines that were read and not handed out: at the end they are none.
    blank: u64,
    /// `line` is read and waits behind the blank ones.
    ahead: bool,
    first: bool,
    too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Lines { input, line: Vec::new(), blank: 0, ahead: false, first: true, too_long: false }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        while !self.ahead {
            if !self.read()? {
                return Ok(None);
            }
            if !self.too_long && self.line.trim_ascii().is_empty() {
                self.blank += 1;
            } else {
                self.ahead = true;
            }
        }
        if self.blank > 0 {
            self.blank -= 1;
            return Ok(Some(Line::Blank));
        }
        self.ahead = false;
        if self.too_long {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(std::str::from_utf8(&self.line).map_or(Line::NotUtf8, Line::Text)))
    }

    /// Reads one line into `line`; whether there was one.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.too_long = false;
        let mut any = false;
        loop {
            let piece = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            if piece.is_empty() {
                break;
            }
            any = true;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            if self.line.len() + part.len() > LONGEST {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if any && std::mem::take(&mut self.first) && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(any)
    }
}

impl<R: io::Read> Lines<io::BufReader<R>> {
    /// Whether the next line is not in the buffer, so that reading it may wait.
    pub(super) fn would_wait(&self) -> bool {
        self.blank == 0 && !self.input.buffer().contains(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[Line<'_>]) {
        for capacity in [1, 2, 3, 4096] {
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, input));
            for expected in expected {
                assert_eq!(lines.next().unwrap().as_ref(), Some(expected));
            }
            assert_eq!(lines.next().unwrap(), None);
        }
    }

    #[test]
    fn lines_are_what_stands_between_line_ends() {
        check(b"", &[]);
        check(b"\n \n\n", &[]);
        check(b"\xef\xbb\xbfa\r\nb", &[Line::Text("a"), Line::Text("b")]);
        check(b"a\n\n \nb\n\n", &[Line::Text("a"), Line::Blank, Line::Blank, Line::Text("b")]);
        check(b"\xff\nb\xef\xbb\xbf\n", &[Line::NotUtf8, Line::Text("b\u{feff}")]);
    }

    #[test]
    fn what_is_too_long_is_one_line_and_leaves_nothing() {
        let mut input = vec![b'x'; LONGEST];
        input.push(b'\n');
        input.extend_from_slice(&vec![b'y'; 3 * LONGEST]);
        input.extend_from_slice(b"\nz");
        let whole = "x".repeat(LONGEST);
        let mut lines = Lines::new(io::BufReader::new(input.as_slice()));
        assert_eq!(lines.next().unwrap(), Some(Line::Text(&whole)));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::Text("z")));
    }
}
