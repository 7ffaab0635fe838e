//! XML, an element at a time.

use std::borrow::Cow;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// The attributes of an element.
pub(super) type Attributes<'a> = [(&'a str, &'a str)];

/// Writes XML.
pub(super) struct Xml<W>(Writer<W>);

impl<W: Write> Xml<W> {
    pub(super) fn new(out: W) -> Self {
        Xml(Writer::new(out))
    }

    pub(super) fn declare(&mut self) -> io::Result<()> {
        self.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
    }

    pub(super) fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        self.0.write_event(Event::Start(start(name, attributes)))
    }

    pub(super) fn close(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    pub(super) fn empty(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        self.0.write_event(Event::Empty(start(name, attributes)))
    }

    /// An element with a text in it.
    pub(super) fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.open(name, &[])?;
        self.0.write_event(Event::Text(BytesText::new(&legal(text))))?;
        self.close(name)
    }

    /// Elements that were written before.
    pub(super) fn raw(&mut self, elements: &str) -> io::Result<()> {
        self.0.get_mut().write_all(elements.as_bytes())
    }

    /// A line end between elements.
    pub(super) fn line(&mut self) -> io::Result<()> {
        self.raw("\n")
    }

    pub(super) fn into_inner(self) -> W {
        self.0.into_inner()
    }
}

fn start<'a>(name: &'a str, attributes: &Attributes<'_>) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (name, value) in attributes {
        start.push_attribute((*name, &*legal(value)));
    }
    start
}

/// A text without the characters that XML does not have: U+FFFD stands for them.
pub(super) fn legal(text: &str) -> Cow<'_, str> {
    let is_legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(is_legal) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if is_legal(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_from_an_attribute() {
        let mut xml = Xml::new(Vec::new());
        xml.empty("a", &[("v", "<&>\"'\r\n\t \u{0}\u{b}\u{ffff}好\u{1f600}")]).unwrap();
        xml.text("b", "<&>").unwrap();
        let text = String::from_utf8(xml.into_inner()).unwrap();
        let value = "&lt;&amp;&gt;&quot;&apos;&#13;&#10;&#9; \u{fffd}\u{fffd}\u{fffd}好\u{1f600}";
        assert_eq!(text, format!("<a v=\"{value}\"/><b>&lt;&amp;&gt;</b>"));
    }
}
