//! Character sets: decodes the bytes of a text (DICOM PS3.3, C.12.1.1.2; PS3.5, 6.1).

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use encoding_rs::{
    EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

/// The encoding of texts. Without a declaration it is ASCII, and UTF-8 is a superset of ASCII.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charset(&'static Encoding);

impl Default for Charset {
    fn default() -> Self {
        Charset(UTF_8)
    }
}

impl Charset {
    /// The encoding for the value of Specific Character Set (0008,0005); none if it is unknown. If there are several,
    /// which switch by escape sequences, the last one that is more than ASCII decides: its encoding contains the
    /// characters of the others.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut charset = Charset::default();
        for term in value.split('\\').map(str::trim).filter(|term| !term.is_empty()) {
            let number = term.strip_prefix("ISO_IR ").or_else(|| term.strip_prefix("ISO 2022 IR ")).unwrap_or(term);
            charset.0 = match number {
                "6" => continue,
                "100" => WINDOWS_1252,
                "101" => ISO_8859_2,
                "109" => ISO_8859_3,
                "110" => ISO_8859_4,
                "144" => ISO_8859_5,
                "127" => ISO_8859_6,
                "126" => ISO_8859_7,
                "138" => ISO_8859_8,
                "148" => WINDOWS_1254,
                "166" => WINDOWS_874,
                // JIS X 0201: its katakana have the same codes as in Shift JIS.
                "13" if charset.0 != ISO_2022_JP => SHIFT_JIS,
                "13" => continue,
                "87" | "159" => ISO_2022_JP,
                "149" => EUC_KR,
                "58" | "GBK" => GBK,
                "192" => UTF_8,
                "GB18030" => GB18030,
                _ => return None,
            };
        }
        Some(charset)
    }

    /// Decodes these bytes. Bytes that are invalid in this encoding become U+FFFD.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        // Only the Japanese decoder understands escape sequences. In other encodings they give no new information and
        // are removed.
        let bytes = if self.0 != ISO_2022_JP && bytes.contains(&ESCAPE) {
            Cow::Owned(without_escapes(bytes))
        } else {
            Cow::Borrowed(bytes)
        };
        self.0.decode_without_bom_handling(&bytes).0.to_string()
    }
}

const ESCAPE: u8 = 0x1b;

/// An escape sequence is ESC, intermediate bytes 0x20 to 0x2F, a final byte (ISO/IEC 2022).
fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let (mut text, mut escaped) = (Vec::with_capacity(bytes.len()), false);
    for &byte in bytes {
        if byte == ESCAPE {
            escaped = true;
        } else if escaped {
            escaped = (0x20..0x30).contains(&byte);
        } else {
            text.push(byte);
        }
    }
    text
}
