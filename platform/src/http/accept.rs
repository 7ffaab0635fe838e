//! The preferences of a client: the headers `Accept`, `Accept-Language` and `Accept-Encoding`. RFC 9110, section 12.5.

/// The offered media type that a client wants most; the first of them if it does not say, or likes several alike.
pub fn media_type<'a>(accept: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    best(accept, offered, |range, offered| {
        let group = offered.split('/').next().unwrap_or_default();
        match range.split_once('/')? {
            ("*", "*") => Some(0),
            (kind, "*") if kind.eq_ignore_ascii_case(group) => Some(1),
            _ if range.eq_ignore_ascii_case(offered) => Some(2),
            _ => None,
        }
    })
}

/// The offered language that a client wants most; the first if it wants none of them.
pub fn language<'a>(accept: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    best(accept, offered, |range, offered| {
        let primary = range.split('-').next().unwrap_or_default();
        match range {
            "*" => Some(0),
            // Whoever reads `zh-CN` reads `zh`.
            _ if primary.eq_ignore_ascii_case(offered) => Some(1),
            _ => None,
        }
    })
}

/// The offered coding of a content that a client wants most, the first of those that it likes alike. `identity` is wanted,
/// though least, unless it is refused.
pub fn coding<'a>(accept: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let plain = [accept.unwrap_or_default(), "identity;q=0.001"].join(",");
    best(Some(&plain), offered, |range, offered| match range {
        "*" => Some(0),
        _ => range.eq_ignore_ascii_case(offered).then_some(1),
    })
}

/// The most preferences that are looked at.
const MOST: usize = 100;

/// `matches` says how closely a range names what is offered. For each offer its closest range counts, with its quality.
fn best<'a>(accept: Option<&str>, offered: &[&'a str], matches: impl Fn(&str, &str) -> Option<u8>) -> Option<&'a str> {
    let ranges: Vec<(&str, u16)> = accept.unwrap_or_default().split(',').take(MOST).filter_map(range).collect();
    let quality = |offer: &str| {
        let matching = ranges.iter().filter_map(|(range, quality)| Some((matches(range, offer)?, *quality)));
        // Of two languages of one primary tag the one that is liked more.
        matching.max().map_or(0, |(_, quality)| quality)
    };
    let mut chosen = offered.first().copied();
    let mut highest = chosen.map_or(0, quality);
    for &offer in offered.iter().skip(1) {
        let quality = quality(offer);
        if quality > highest {
            (chosen, highest) = (Some(offer), quality);
        }
    }
    chosen
}

/// A range and its quality in thousandths; none if it is not well-formed.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let quality = match weight {
        None => 1000,
        Some(text) => text
            .parse::<f32>()
            .ok()
            .filter(|quality| (0.0..=1.0).contains(quality))
            .map(|quality| (quality * 1000.0) as u16)?,
    };
    Some((range, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";
    const HTML: &str = "text/html";

    #[test]
    fn a_page_is_for_those_who_prefer_one() {
        for (accept, expected) in [
            (None, JSON),
            (Some(""), JSON),
            (Some("*/*"), JSON),
            (Some("application/json"), JSON),
            (Some("application/json, text/html"), JSON),
            (Some("text/html;q=0.8, application/json;q=0.9"), JSON),
            (Some("text/html;q=0, */*"), JSON),
            (Some("text/html;q=2"), JSON),
            (Some("text/htmlx, nonsense, ;;, text"), JSON),
            (Some("application/json;q=0.5, text/*;q=0.4"), JSON),
            (Some("text/html"), HTML),
            (Some("TEXT/HTML ; Q=0.3"), HTML),
            (Some("text/html;charset=utf-8"), HTML),
            (Some("text/*"), HTML),
            (Some("application/json;q=0.1,text/html;q=0.2"), HTML),
            (Some("*/*;q=0.1, text/html;q=0.2"), HTML),
            // The headers of browsers.
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"), HTML),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), HTML),
        ] {
            assert_eq!(media_type(accept, &[JSON, HTML]), Some(expected), "{accept:?}");
        }
        assert_eq!(media_type(Some("text/csv, text/html;q=0.5"), &[JSON, "text/csv", HTML]), Some("text/csv"));
        assert_eq!(media_type(Some("*/*"), &[]), None);
    }

    #[test]
    fn a_coding_is_used_only_for_those_who_know_it() {
        for (accept, expected) in [
            (None, "identity"),
            (Some(""), "identity"),
            (Some("deflate"), "identity"),
            (Some("gzip"), "gzip"),
            (Some("gzip, deflate, br, zstd"), "br"),
            (Some("GZIP;q=1.0, br;q=0.5"), "gzip"),
            (Some("br;q=0, gzip;q=0"), "identity"),
            (Some("*"), "br"),
        ] {
            assert_eq!(coding(accept, &["br", "gzip", "identity"]), Some(expected), "{accept:?}");
        }
    }

    #[test]
    fn a_language_is_found_by_its_primary_tag() {
        for (accept, expected) in [
            (None, "en"),
            (Some("fr"), "en"),
            (Some("*"), "en"),
            (Some("zh"), "zh"),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), "zh"),
            (Some("en-GB,en;q=0.9,zh;q=0.8"), "en"),
            (Some("fr, zh-Hant-TW;q=0.2, en;q=0.1"), "zh"),
            (Some("zh;q=0"), "en"),
            (Some("en;q=0, *;q=0.5"), "zh"),
        ] {
            assert_eq!(language(accept, &["en", "zh"]), Some(expected), "{accept:?}");
        }
    }
}
