//! The lines of an input.
//!
//! Guarantee: no more than one line is kept, and of a line no more than [`LONGEST`]. Every line is handed out, except
//! blank ones at the end. A line ends with `\n`, `\r\n` or `\r`, in one input with several of them. The line end and a
//! byte order mark are no part of a line.

use std::io::{self, BufRead};

/// The longest line that is read.
pub(super) const LONGEST: usize = 1 << 20;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Text(&'a str),
    Blank,
    TooLong,
    NotUtf8,
    /// A quote of comma-separated values that is not closed.
    Unclosed,
}

impl<'a> Line<'a> {
    /// The text, or why there is none, in words.
    pub(super) fn text(self) -> Result<&'a str, String> {
        match self {
            Line::Text(text) => Ok(text),
            Line::Blank => Err("a blank line".into()),
            Line::TooLong => Err(format!("a line of more than {LONGEST} bytes")),
            Line::NotUtf8 => Err("not UTF-8".into()),
            Line::Unclosed => Err("a quote that is not closed".into()),
        }
    }
}

/// An input, line by line.
pub(crate) trait Input {
    /// The next line; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Line<'_>>>;
    /// Whether the next line is not in the buffer, so that reading it may wait.
    fn would_wait(&self) -> bool;
}

/// Reads lines.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The end of the line before `line`.
    before: &'static str,
    /// The end of `line`; after `\r` the next byte may still belong to it.
    end: &'static str,
    /// Blank lines that were read and not handed out: at the end they are none.
    blank: u64,
    /// `line` is read and waits behind the blank ones.
    ahead: bool,
    first: bool,
    too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        let (before, end) = ("", "");
        Lines { input, line: Vec::new(), before, end, blank: 0, ahead: false, first: true, too_long: false }
    }

    /// The next line; `None` at the end.
    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
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
        Ok(Some(self.line()))
    }

    fn line(&self) -> Line<'_> {
        if self.too_long {
            return Line::TooLong;
        }
        std::str::from_utf8(&self.line).map_or(Line::NotUtf8, Line::Text)
    }

    /// The line behind the one that `next` gave, blank or not, and how that one ended; `None` at the end.
    pub(super) fn behind(&mut self) -> io::Result<Option<(&'static str, Line<'_>)>> {
        if !self.read()? {
            return Ok(None);
        }
        Ok(Some((self.before, self.line())))
    }

    /// Reads one line into `line`; whether there was one.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.too_long = false;
        self.before = std::mem::take(&mut self.end);
        let mut any = false;
        while self.end.is_empty() {
            let piece = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            if piece.is_empty() {
                break;
            }
            if !any && self.before == "\r" && piece.first() == Some(&b'\n') {
                self.before = "\r\n";
                self.input.consume(1);
                continue;
            }
            any = true;
            let part = piece.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            self.end = match piece.get(part.len()..) {
                Some([b'\r', b'\n', ..]) => "\r\n",
                Some([b'\r', ..]) => "\r",
                Some([b'\n', ..]) => "\n",
                _ => "",
            };
            if self.line.len() + part.len() > LONGEST {
                self.too_long = true;
                self.line.clear();
            } else if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + self.end.len();
            self.input.consume(taken);
        }
        if any && std::mem::take(&mut self.first) && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(any)
    }
}

impl<R: io::Read> Input for Lines<io::BufReader<R>> {
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.next_line()
    }

    fn would_wait(&self) -> bool {
        let mut buffer = self.input.buffer();
        if let (true, Some((b'\n', rest))) = (self.end == "\r", buffer.split_first()) {
            buffer = rest;
        }
        self.blank == 0 && !buffer.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
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
    fn a_line_ends_in_every_spelling() {
        let lines = [Line::Text("a"), Line::Text("b"), Line::Text("c")];
        for input in ["a\nb\nc", "a\r\nb\r\nc\r\n", "a\rb\rc", "a\rb\nc\r\n\r\r\n\n", "\u{feff}a\rb\r\nc\r"] {
            check(input.as_bytes(), &lines);
        }
        check(b"a\r\rb", &[Line::Text("a"), Line::Blank, Line::Text("b")]);
        check(b"a\n\rb", &[Line::Text("a"), Line::Blank, Line::Text("b")]);
        check(b"\ra", &[Line::Blank, Line::Text("a")]);
        // These end no line.
        let data = "a\u{85}b\u{2028}c\u{b}d\u{c}e";
        check(data.as_bytes(), &[Line::Text(data)]);
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
