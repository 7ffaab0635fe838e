//! The encoding of a body by its `content-type`. RFC 9110, section 8.3.

/// Whether a request's values of `content-type` name no charset, or once UTF-8, of which ASCII is a part. Of two charsets
/// nobody knows which is meant.
pub(super) fn is_utf8<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut charset, mut count) = (Vec::new(), 0);
    for value in values.filter(|value| value.contains(&b';')) {
        let Some(parameters) = parameters(value) else { return false };
        for (_, value) in parameters.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"charset")) {
            (charset, count) = (value.to_ascii_lowercase(), count + 1);
        }
    }
    count == 0 || count == 1 && matches!(charset.as_slice(), b"utf-8" | b"utf8" | b"us-ascii" | b"ascii")
}

/// The parameters after a media type, with their values out of quotes; none if a quote has no end.
fn parameters(content_type: &[u8]) -> Option<Vec<(&[u8], Vec<u8>)>> {
    let mut parameters = Vec::new();
    let mut rest = after(content_type, b';').unwrap_or_default();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let (name, later) = rest.split_at_checked(end)?;
        rest = later;
        if let Some(value) = later.strip_prefix(b"=") {
            let (value, later) = read(value.trim_ascii_start())?;
            parameters.push((name.trim_ascii(), value));
            rest = later;
        }
        rest = after(rest, b';').unwrap_or_default();
    }
    Some(parameters)
}

/// Reads a value, up to the next semicolon outside quotes.
fn read(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.trim_ascii().to_vec(), rest));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
    let (more, rest) = read(bytes.as_slice().trim_ascii_start()).unwrap_or_default();
    value.extend(more);
    Some((value, rest))
}

/// The bytes after the first of these.
fn after(text: &[u8], byte: u8) -> Option<&[u8]> {
    text.get(text.iter().position(|it| *it == byte)? + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_read_outside_quotes_and_once() {
        for (values, expected) in [
            (&["application/json"][..], true),
            (&[], true),
            (&[""], true),
            (&["application/json;"], true),
            (&["application/json; charset=utf-8"], true),
            (&["application/json;charset=UTF-8;"], true),
            (&["application/json ; CHARSET = \"Utf-8\" ; a=b"], true),
            (&["application/json; charset=\"utf\\-8\""], true),
            (&["application/json; charset=us-ascii"], true),
            (&["application/json; note=\"a; charset=latin1\""], true),
            (&["application/json; note=\"a\\\"; charset=latin1\"; charset=utf-8"], true),
            (&["application/json; note=charset=latin1"], true),
            (&["application/json; xcharset=latin1; charset*=latin1; flag"], true),
            (&["application/json; flag; charset=utf-8"], true),
            (&["application/json", "application/json; charset=utf-8"], true),
            (&["application/json; charset=latin1"], false),
            (&["application/json; charset=\"latin1\""], false),
            (&["application/json; charset"], true),
            (&["application/json; charset="], false),
            (&["application/json; charset=\"\""], false),
            (&["application/json; charset='utf-8'"], false),
            (&["application/json; charset=\"utf-8"], false),
            (&["application/json; charset=\"utf-8\"x"], false),
            (&["application/json; charset=utf-8\"x\""], false),
            (&["application/json; charset=utf-8 utf-8"], false),
            (&["application/json; charset=utf-8; charset=latin1"], false),
            (&["application/json; charset=latin1; charset=utf-8"], false),
            (&["application/json; charset=utf-8; charset=utf-8"], false),
            (&["application/json; charset=utf-8; Charset=\"UTF-8\""], false),
            (&["application/json; charset=utf-8", "application/json; charset=utf-8"], false),
            (&["application/json; charset=utf-8", "application/json; charset=latin1"], false),
            (&["application/json; note=\"a; charset=latin1"], false),
            (&["application/json; note=\"a\\"], false),
            (&["application/json; note=\"a\"; charset=latin1"], false),
        ] {
            assert_eq!(is_utf8(values.iter().map(|value| value.as_bytes())), expected, "{values:?}");
        }
    }
}
