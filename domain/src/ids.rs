//! Identifiers: their kinds, and the forms they may have.

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
