//! Character sets: decodes the bytes of a text (DICOM PS3.3, C.12.1.1.2; PS3.5, 6.1.2).
//!
//! Mechanism: a text begins in the character set of the first value of Specific Character Set. Each escape sequence of
//! DICOM designates the character set of one half of the codes: below 0x80 or above. A delimiter ends that: the text
//! continues in the first character set (PS3.5, 6.1.2.5.3).

use alloc::string::String;
use alloc::vec::Vec;

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7,
    ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

use super::vr::Vr;

/// The meaning of the codes from 0x21 to 0x7E.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Low {
    Ascii,
    /// Two codes each. The bytes of EUC-JP before the character, whose codes have the highest bit set there.
    Kanji(&'static [u8]),
}

/// A character set in force. Without a declaration it is ASCII, and UTF-8 is a superset of ASCII.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Charset {
    low: Low,
    /// The encoding of the codes from 0x80.
    high: &'static Encoding,
    /// Whether a character that begins with a code from 0x80 may contain codes below: GBK, GB18030.
    mixed: bool,
}

impl Default for Charset {
    fn default() -> Self {
        Charset::of(UTF_8)
    }
}

/// The final byte of an escape sequence that designates codes from 0x80, after `ESC -` for one byte each, after `ESC $ )`
/// for two bytes each, and after `ESC )` for katakana (PS3.3, tables C.12-3 and C.12-4); and the number of the set.
const HIGH: [(&[u8], &str, &Encoding); 14] = [
    (b"-A", "100", WINDOWS_1252),
    (b"-B", "101", ISO_8859_2),
    (b"-C", "109", ISO_8859_3),
    (b"-D", "110", ISO_8859_4),
    (b"-L", "144", ISO_8859_5),
    (b"-G", "127", ISO_8859_6),
    (b"-F", "126", ISO_8859_7),
    (b"-H", "138", ISO_8859_8),
    (b"-M", "148", WINDOWS_1254),
    (b"-b", "203", ISO_8859_15),
    (b"-T", "166", WINDOWS_874),
    (b")I", "13", SHIFT_JIS),
    (b"$)C", "149", EUC_KR),
    (b"$)A", "58", GBK),
];

/// The escape sequences that designate codes below 0x80. Vigil reads the Roman set of JIS X 0201 as ASCII.
/// `ESC $ @` is the older form of `ESC $ B`.
const LOW: [(&[u8], Low); 5] = [
    (b"(B", Low::Ascii),
    (b"(J", Low::Ascii),
    (b"$B", Low::Kanji(b"")),
    (b"$@", Low::Kanji(b"")),
    (b"$(D", Low::Kanji(b"\x8f")),
];

const ESCAPE: u8 = 0x1b;

impl Charset {
    fn of(high: &'static Encoding) -> Self {
        Charset { low: Low::Ascii, high, mixed: high == GBK || high == GB18030 }
    }

    /// The character set at the beginning of a text, by the value of Specific Character Set (0008,0005); none if a term
    /// in it is unknown. A text may use codes from 0x80 without an escape sequence although the first value has none.
    /// Then another value decides, if only one has some.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (mut first, mut other, mut several) = (None, None, false);
        for (at, term) in value.split('\\').map(str::trim).enumerate() {
            // Devices spell the terms with other spaces, hyphens and cases.
            let named = term.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
            let named = named.collect::<String>();
            let number = named.strip_prefix("ISOIR").or_else(|| named.strip_prefix("ISO2022IR")).unwrap_or(&named);
            let charset = match number {
                // ASCII, and sets that only an escape sequence puts into force.
                "" if named.is_empty() => continue,
                "6" | "87" | "159" => continue,
                "192" => Charset::of(UTF_8),
                "GB18030" => Charset::of(GB18030),
                "GBK" => Charset::of(GBK),
                number => {
                    let (.., high) = HIGH.iter().find(|(_, known, _)| *known == number)?;
                    // Without an escape sequence, IR 58 is read as GBK, which contains it.
                    Charset { mixed: at == 0 && *high == GBK, ..Charset::of(high) }
                }
            };
            if at == 0 {
                first = Some(charset);
            } else {
                several |= other.replace(charset).is_some_and(|before| before != charset);
            }
        }
        Some(first.or(other.filter(|_| !several)).unwrap_or_default())
    }

    /// Decodes a value of this representation. Bytes that are invalid in the character set in force become U+FFFD.
    pub(super) fn decode(self, vr: Vr, bytes: &[u8]) -> String {
        let (mut text, mut now, mut rest) = (String::new(), self, bytes);
        while let Some((&first, after)) = rest.split_first() {
            let taken = if first == ESCAPE {
                1 + now.escaped(after)
            } else if first >= 0x80 || now.mixed {
                let all = |byte: &u8| *byte != ESCAPE && (now.mixed || *byte >= 0x80);
                let run = rest.iter().take_while(|byte| all(byte)).count();
                text.push_str(&now.high.decode_without_bom_handling(rest.get(..run).unwrap_or_default()).0);
                run
            } else if let (Low::Kanji(prefix), 0x21..=0x7e) = (now.low, first) {
                let run = rest.iter().take_while(|byte| (0x21..=0x7e).contains(*byte)).count();
                text.push_str(&kanji(prefix, rest.get(..run).unwrap_or_default()));
                run
            } else {
                text.push(char::from(first));
                if ends_sets(vr, first) {
                    now = self;
                }
                1
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        text
    }

    /// Puts the escape sequence behind ESC into force, and returns its length. An escape sequence that DICOM does not
    /// define changes nothing. It consists of bytes from 0x20 to 0x2F and a final byte (ISO/IEC 2022).
    fn escaped(&mut self, rest: &[u8]) -> usize {
        if let Some((sequence, low)) = LOW.iter().find(|(sequence, _)| rest.starts_with(sequence)) {
            *self = Charset { low: *low, mixed: false, ..*self };
            return sequence.len();
        }
        if let Some((sequence, _, high)) = HIGH.iter().find(|(sequence, ..)| rest.starts_with(sequence)) {
            // Many writers do not designate ASCII again after characters of two codes below 0x80.
            *self = Charset { low: Low::Ascii, high, mixed: false };
            return sequence.len();
        }
        let between = rest.iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
        let last = rest.get(between).is_some_and(|byte| (0x30..0x7f).contains(byte));
        between + usize::from(last)
    }
}

/// Whether this code is a delimiter, after which the first character set is in force again.
fn ends_sets(vr: Vr, code: u8) -> bool {
    match code {
        b'\t' | b'\n' | 0x0c | b'\r' => true,
        b'\\' => !matches!(vr, Vr::LT | Vr::ST | Vr::UT),
        b'^' | b'=' => vr == Vr::PN,
        _ => false,
    }
}

/// Decodes characters of two codes each. A code that is left over becomes U+FFFD.
fn kanji(prefix: &[u8], codes: &[u8]) -> String {
    let (pairs, left) = codes.as_chunks::<2>();
    let mut bytes = Vec::with_capacity(2 * codes.len());
    for [one, two] in pairs {
        bytes.extend_from_slice(prefix);
        bytes.extend([one | 0x80, two | 0x80]);
    }
    let mut text = String::from(EUC_JP.decode_without_bom_handling(&bytes).0);
    if !left.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: &str, vr: Vr, bytes: &[u8], expected: &str) {
        assert_eq!(Charset::parse(declared).unwrap().decode(vr, bytes), expected, "{declared} {vr:?} {bytes:x?}");
    }

    #[test]
    fn names_of_the_standard_are_read() {
        let names: [(&str, &[u8], &str); 5] = [
            (
                r"\ISO 2022 IR 87",
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ),
            (
                r"ISO 2022 IR 13\ISO 2022 IR 87",
                b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
            ),
            (
                r"\ISO 2022 IR 149",
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
                "Hong^Gildong=洪^吉洞=홍^길동",
            ),
            (r"\ISO 2022 IR 58", b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
            ("GB18030", b"Wang=\xcd\xf5^\x95\x5e\x95\x5c", "Wang=王^昢昞"),
        ];
        for (declared, bytes, expected) in names {
            check(declared, Vr::PN, bytes, expected);
        }
    }

    #[test]
    fn a_delimiter_brings_the_first_character_set_back() {
        let declared = r"ISO 2022 IR 100\ISO 2022 IR 144\ISO 2022 IR 149\ISO 2022 IR 87";
        let cyrillic = |delimiter: &[u8]| [b"\xe9\x1b-L\xbb\xee", delimiter, b"\xe9"].concat();
        for (vr, delimiter, back) in [
            (Vr::PN, "^", true),
            (Vr::PN, "=", true),
            (Vr::LO, "^", false),
            (Vr::LO, "=", false),
            (Vr::LO, "\\", true),
            (Vr::UC, "\\", true),
            (Vr::LT, "\\", false),
            (Vr::UT, "\\", false),
            (Vr::ST, "\r\n", true),
            (Vr::LT, "\n", true),
            (Vr::UT, "\u{c}", true),
            (Vr::SH, "\t", true),
            (Vr::SH, " ", false),
        ] {
            let last = if back { 'é' } else { 'щ' };
            check(declared, vr, &cyrillic(delimiter.as_bytes()), &alloc::format!("éЛю{delimiter}{last}"));
        }
        // Codes below 0x80 that are half of a character are no delimiters: 5E 5C, 3D 5E.
        check(declared, Vr::PN, b"\x1b$B^\\=^\x1b(B^\xe9", "湃殉^é");
        // Hangul fall back, too.
        check(declared, Vr::PN, b"\x1b$)C\xc8\xab^\xe9", "홍^é");
    }

    #[test]
    fn codes_without_their_escape_sequence_are_read_if_one_character_set_has_them() {
        check(r"\ISO 2022 IR 149", Vr::LO, b"\xc8\xab", "홍");
        check(r"\ISO 2022 IR 87\ISO 2022 IR 144", Vr::LO, b"\xbb", "Л");
        check(r"\ISO 2022 IR 149\ISO 2022 IR 144", Vr::LO, b"\xbb", "\u{fffd}");
    }

    #[test]
    fn terms_are_known_in_the_spellings_of_devices() {
        for term in ["ISO_IR 144", "ISO-IR 144", "ISO IR 144", "iso_ir_144", "ISO 2022 IR 144", "ISO2022IR144"] {
            check(term, Vr::LO, b"\xbb", "Л");
        }
        for term in ["NONE", "ISO_IR", "ISO_IR 7", r"ISO_IR 100\X", "UTF-7"] {
            assert_eq!(Charset::parse(term), None, "{term}");
        }
    }

    #[test]
    fn escape_sequences_that_are_cut_off_or_unknown_end_the_text_or_give_nothing() {
        let texts: [(&[u8], &str); 6] = [
            (b"a\x1b", "a"),
            (b"a\x1b$", "a"),
            (b"a\x1b$)", "a"),
            (b"a\x1b$BB", "a\u{fffd}"),
            (b"a\x1b*Zb", "ab"),
            (b"a\x1b\x1bZb", "ab"),
        ];
        for (bytes, expected) in texts {
            check(r"ISO 2022 IR 100\ISO 2022 IR 87", Vr::LO, bytes, expected);
        }
    }
}
