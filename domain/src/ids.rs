//! Identifiers: their kinds, and the forms they may have.
//!
//! Each kind is a type of its own, so that a subject cannot be passed for a site. A type says what an identifier is
//! for, not that its form was checked: see [`is_name`] and [`is_identifier`].

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
        pub struct $id(String);

        impl $id {
            /// As a text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it is absent.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The text itself.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl From<String> for $id {
            fn from(text: String) -> Self {
                $id(text)
            }
        }

        impl From<&str> for $id {
            fn from(text: &str) -> Self {
                $id(text.to_owned())
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $id {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $id {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

ids! {
    /// A study.
    StudyId
    /// A site of a study.
    SiteId
    /// A submission, or an analysis of an image: a UUID, as Vigil gave it.
    SubmissionId
    /// A subject's pseudonym: 64 hex digits.
    Pseudonym
    /// An alert.
    AlertId
}

/// Longest identifier of a study or a site, in characters.
const LONGEST_NAME: usize = 64;
/// Longest identifier of a patient or a document, in characters.
const LONGEST_ID: usize = 128;

/// Whether a text can be the identifier of a study, a site or an instrument.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a text can be the identifier of a patient or of a client's document.
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= LONGEST_ID
        && !text.chars().any(char::is_control)
        && text.trim().len() == text.len()
}

/// Whether a text has the form of a submission's id: a UUID in lower case.
pub fn is_submission_id(text: &str) -> bool {
    let hyphen = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match byte {
            b'-' => hyphen(index),
            b'0'..=b'9' | b'a'..=b'f' => !hyphen(index),
            _ => false,
        })
}
