//! Callable addresses: the one check of every URL that Vigil gets from configuration or messages.
//!
//! Guarantee: all calls take a [`Url`], and only the checks below create one. So an address that the host would refuse
//! to call is already refused when it is stored. `Debug` and `Display` show neither path nor query, which may hold
//! secrets.
//!
//! Mechanism: `http::Uri`, which hosts also use to read the parts of a request, plus stricter rules where hosts differ:
//! RFC 3986 (characters), RFC 1123 (names) and the WHATWG URL standard (a host that ends in a number is an IPv4
//! address).
//!
//! Not for: whether the host grants the address, or whether a server answers there.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

pub mod networks;

/// The longest URL, bytes.
pub const LONGEST: usize = 2048;
/// The longest URL that a template may produce. RFC 9110, section 4.1, requires every recipient to accept 8,000 bytes.
const LONGEST_FILLED: usize = 8000;

/// An absolute `http` or `https` URL without user, password and fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    https: bool,
    authority: String,
    path: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Url::read(text, LONGEST)
    }

    /// Reads an address that allows everything below it: it ends in a slash and has no query. Without the slash,
    /// `https://h` would also allow `https://h.example`.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn parse_prefix(text: &str) -> Result<Self, &'static str> {
        match Url::parse(text)? {
            url if text.ends_with('/') && !url.path.contains('?') => Ok(url),
            _ => Err("an address that ends in a slash, without a query"),
        }
    }

    fn read(text: &str, longest: usize) -> Result<Self, &'static str> {
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("an absolute URL that begins with https:// or http://, in small letters"),
        };
        if text.len() > longest {
            return Err("a URL of at most 2048 bytes");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a URL without user and password");
        }
        server(authority)?;
        if path.contains('#') {
            return Err("a URL without fragment (#)");
        }
        characters(path, b"/?:@")?;
        let uri = Uri::try_from(text).map_err(|_| "a URL")?;
        let authority = uri.authority().ok_or("a URL with a host")?.to_string();
        let path = if path.starts_with('/') { path.into() } else { ["/", path].concat() };
        Ok(Url { text: text.into(), https, authority, path })
    }

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it uses TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host, and the port if there is one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query; the path begins with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is an address below `prefix`, which ends in a slash, however a server reads its path: dots, doubled
    /// slashes, backslashes, parameters (`;`) and any number of percent-encodings are resolved first.
    pub fn is_below(&self, prefix: &Url) -> bool {
        let server = |url: &Url| {
            let (host, port) = split(&url.authority);
            let port = port.map_or(if url.https { "443" } else { "80" }, |port| port);
            (url.https, host.to_ascii_lowercase(), port.to_string())
        };
        if server(self) != server(prefix) || !prefix.path.ends_with('/') {
            return false;
        }
        let above = segments(prefix.path.as_bytes()).unwrap_or_default();
        let mut path = self.path.split('?').next().unwrap_or_default().as_bytes().to_vec();
        if !path.starts_with(prefix.path.as_bytes()) {
            return false;
        }
        // Each round decodes once more; what is still encoded after them is not worth an answer.
        for _ in 0..ENCODINGS {
            if !segments(&path).is_some_and(|segments| segments.starts_with(&above)) {
                return false;
            }
            let decoded = decoded(&path);
            if decoded == path {
                return true;
            }
            path = decoded;
        }
        false
    }

    /// Whether its host is this same machine.
    pub fn is_loopback(&self) -> bool {
        self.number().is_some_and(|number| number.is_loopback())
    }

    /// The address of its host, where the host is no name. The names of this same machine (RFC 6761) are one, too.
    fn number(&self) -> Option<IpAddr> {
        let (host, _) = split(&self.authority);
        let lower = host.to_ascii_lowercase();
        if lower == "localhost" || lower.ends_with(".localhost") {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// The number of times that a path may be percent-encoded.
const ENCODINGS: usize = 4;

/// The segments of a path without those that are empty, and with dots resolved; none if it leads above the root.
fn segments(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => {
                found.pop()?;
            }
            _ => found.push(segment),
        }
    }
    Some(found)
}

/// A path with its percent-encodings decoded once.
fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut rest, mut found) = (path, Vec::with_capacity(path.len()));
    while let [first, after @ ..] = rest {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (digit(0), digit(1)) {
            (Some(high), Some(low)) if *first == b'%' => {
                found.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                found.push(*first);
                rest = after;
            }
        }
    }
    found
}

/// A percent-encoded text; none if it is not well-formed.
pub fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    encodings(text).ok()?;
    String::from_utf8(decoded(text.as_bytes())).ok()
}

/// A URI in which no character is percent-encoded that needs it not (RFC 3986, section 6.2.2; RFC 3987 for characters
/// beyond ASCII); none if it is not well-formed, or has a control character.
pub(crate) fn normal(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    encodings(text).ok()?;
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, encoded)) = rest.split_once('%') {
        normal.push_str(plain);
        // Two digits, and as many encoded bytes as follow.
        let more = encoded.get(2..).unwrap_or_default().as_bytes().chunks(3);
        let length = 2 + 3 * more.take_while(|byte| byte.len() == 3 && byte.starts_with(b"%")).count();
        let (run, later) = encoded.split_at_checked(length)?;
        for piece in decoded(["%", run].concat().as_bytes()).utf8_chunks() {
            for c in piece.valid().chars() {
                if c.is_control() {
                    return None;
                } else if !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') {
                    normal.push(c);
                } else {
                    normal.push_str(&format!("%{:02X}", c as u32));
                }
            }
            piece.invalid().iter().for_each(|byte| normal.push_str(&format!("%{byte:02X}")));
        }
        rest = later;
    }
    normal.push_str(rest);
    Some(normal)
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(...)")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/...", if self.https { "https" } else { "http" }, self.authority)
    }
}

/// A URL template with placeholders in braces, such as `https://host/{patientId}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Parses a template. `places` lists the allowed placeholders and the maximum bytes of each value.
    ///
    /// # Errors
    /// The violated rule, in words.
    pub fn parse(text: &str, places: &[(&str, usize)]) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("a URL of at most 2048 bytes");
        }
        // The worst case: every placeholder has its maximum length, and every character is escaped.
        let worst =
            places.iter().fold(text.to_string(), |url, (place, longest)| url.replace(place, &"%C3".repeat(*longest)));
        if worst.contains(['{', '}']) {
            return Err("a URL with no other places than these");
        }
        Url::read(&worst, LONGEST_FILLED).map(|_| Template(text.into()))
    }

    /// The URL with its placeholders filled. The values are percent-encoded and not longer than [`Template::parse`] was
    /// told.
    ///
    /// # Errors
    /// The rule that a longer or invalid value violates.
    pub fn fill<'a>(&self, values: impl IntoIterator<Item = (&'a str, String)>) -> Result<Url, &'static str> {
        let fill = |url: String, (place, value): (&str, String)| url.replace(place, &value);
        Url::read(&values.into_iter().fold(self.0.clone(), fill), LONGEST_FILLED)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(...)")
    }
}

/// Checks the address of a Redis server: `redis://` or `rediss://`, optional user and password, host, and port. Nothing
/// may follow, because other addresses are built from it.
///
/// # Errors
/// The violated rule, in words.
pub fn check_redis(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
    let rest = rest.ok_or("must begin with redis:// or rediss://")?;
    let (credentials, authority) = rest.rsplit_once('@').unwrap_or(("", rest));
    characters(credentials, b":").map_err(|_| "must have user and password percent-encoded")?;
    if authority.contains(['/', '?', '#']) {
        return Err("must end with its port");
    }
    server(authority).map_err(|_| "must name a host, and a port from 1 to 65535")
}

/// Checks that the text has only characters that a URL allows, those in `beside`, and percent signs before two hex
/// digits.
fn characters(text: &str, beside: &[u8]) -> Result<(), &'static str> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte) || beside.contains(&byte);
    if !text.bytes().all(allowed) {
        return Err("a URL whose other characters are percent-encoded (RFC 3986)");
    }
    encodings(text)
}

/// Checks that two hex digits follow each percent sign.
fn encodings(text: &str) -> Result<(), &'static str> {
    let mut encoded = text.split('%').skip(1).map(str::as_bytes);
    let fits =
        encoded.all(|rest| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()));
    if fits { Ok(()) } else { Err("a URL in which two hex digits follow each percent sign") }
}

/// Splits `host[:port]`; the port is none if there is no colon.
fn split(authority: &str) -> (&str, Option<&str>) {
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    let (literal, rest) = authority.split_at(after_host);
    match rest.find(':') {
        Some(colon) => (authority.get(..after_host + colon).unwrap_or(literal), rest.get(colon + 1..)),
        None => (authority, None),
    }
}

/// Checks `host[:port]`.
fn server(authority: &str) -> Result<(), &'static str> {
    let (host, port) = split(authority);
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|it| it > 0);
    if !port.is_none_or(is_port) {
        return Err("a URL whose port, if any, is a number from 1 to 65535");
    }
    if host.is_empty() {
        return Err("a URL with a host");
    }
    if !host.is_ascii() {
        return Err("a host in its punycode form (xn--...)");
    }
    if let Some(rest) = host.strip_prefix('[') {
        let literal = rest.strip_suffix(']').and_then(|literal| literal.parse::<Ipv6Addr>().ok());
        return literal.map(|_| ()).ok_or("an IPv6 address in brackets, without a zone");
    }
    // RFC 1123, plus the underscore, which names inside a cluster use.
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--") && label.len() == 4)
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err("a host of at most 253 letters, digits, dots, '-' and '_', with 1 to 63 between two dots");
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("a host that ends in a number is an IPv4 address: four numbers from 0 to 255");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
