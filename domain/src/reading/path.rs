//! A place in a document, and its JSON pointer (RFC 6901).

use alloc::string::{String, ToString as _};

/// A place in a document, as steps from the root.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// The JSON pointer.
    pub(crate) fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, into: &mut String) {
        match self {
            Path::Root => {}
            Path::Key(parent, key) => {
                parent.write(into);
                into.push('/');
                into.push_str(&escape(key));
            }
            Path::Index(parent, index) => {
                parent.write(into);
                into.push('/');
                into.push_str(&index.to_string());
            }
        }
    }
}

/// The longest token of a pointer, in characters.
const LONGEST_TOKEN: usize = 64;

/// A member name as a token of a JSON pointer.
///
/// A sender's own name is cut after 64 characters: a finding states the place, it does not carry content.
pub(crate) fn escape(key: &str) -> String {
    let mut token = String::with_capacity(key.len().min(LONGEST_TOKEN));
    for c in key.chars().take(LONGEST_TOKEN) {
        match c {
            '~' => token.push_str("~0"),
            '/' => token.push_str("~1"),
            c => token.push(c),
        }
    }
    token
}

/// The JSON pointer of a member of the root. A long name is cut.
pub fn pointer(member: &str) -> String {
    String::from("/") + &escape(member)
}
