//! Finds the component that answers a path.
//!
//! Guarantee: the most specific route wins, decided segment by segment from the left: a literal before a parameter
//! before the rest of the path. Slashes at both ends of a path are ignored.
//!
//! Not for: anything but the path. Method and host do not affect the choice.

use std::cmp::Ordering;

/// A route: literal segments, `:name` segments, and at the end optionally `...` for the rest of the path.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest,
}

/// The values that a pattern found in a path.
#[derive(Debug, Default, PartialEq)]
pub struct Captures<'p> {
    /// The values of the parameters, in the order of [`Pattern::parameters`].
    pub parameters: Vec<&'p str>,
    /// The value of `...`: empty or beginning with a slash.
    pub rest: &'p str,
}

impl Pattern {
    /// Reads a route as spin.toml writes it.
    pub fn parse(source: &str) -> Result<Self, String> {
        let path = source.trim_matches('/');
        let mut segments = Vec::new();
        for part in path.split('/').filter(|_| !path.is_empty()) {
            if segments.last() == Some(&Segment::Rest) {
                return Err("nothing may follow `...`".to_owned());
            }
            segments.push(match (part, part.strip_prefix(':')) {
                ("...", _) => Segment::Rest,
                ("", _) | (_, Some("")) => return Err("has an empty segment".to_owned()),
                (_, Some(name)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => {
                    Segment::Parameter(name.to_owned())
                }
                (_, Some(_)) => return Err("a parameter name is letters, digits, `-` and `_`".to_owned()),
                (literal, None) if literal.contains(['*', ':']) => {
                    return Err("`*` and `:` inside a segment are not honoured by this host".to_owned());
                }
                (literal, None) => Segment::Literal(literal.to_owned()),
            });
        }
        Ok(Self { source: source.to_owned(), segments })
    }

    /// The route as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) | Segment::Rest => None,
        })
    }

    /// Whether two routes match the same paths.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(one), Segment::Literal(other)) => one == other,
                _ => true,
            })
    }

    /// Orders routes so that the first match is the most specific one.
    pub fn compare(&self, other: &Self) -> Ordering {
        fn rank(segment: &Segment) -> u8 {
            match segment {
                Segment::Literal(_) => 0,
                Segment::Parameter(_) => 1,
                Segment::Rest => 2,
            }
        }
        self.segments.iter().map(rank).cmp(other.segments.iter().map(rank))
    }

    /// Matches a path.
    pub fn matches<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        let mut captures = Captures::default();
        // The rest of the path, still to match; each segment removes its own part and one slash before it.
        let mut left = path.trim_matches('/');
        let mut first = true;
        for segment in &self.segments {
            if *segment == Segment::Rest {
                // Spin keeps the slash before the rest and the one at the end of the path, and drops all others.
                captures.rest = rest_of(path, left.strip_prefix('/').unwrap_or(left));
                return Some(captures);
            }
            if !first {
                left = left.strip_prefix('/')?;
            }
            first = false;
            let (part, after) = left.split_at(left.find('/').unwrap_or(left.len()));
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Parameter(_) if !part.is_empty() => captures.parameters.push(part),
                _ => return None,
            }
            left = after;
        }
        left.is_empty().then_some(captures)
    }
}

/// The tail of `path` that begins with the slash before `rest`.
fn rest_of<'p>(path: &'p str, rest: &'p str) -> &'p str {
    let trimmed = path.trim_end_matches('/');
    // Of the slashes at the end, one is kept.
    let end = if path.len() > trimmed.len() { trimmed.len() + 1 } else { trimmed.len() };
    let path = path.get(..end).unwrap_or(path);
    if rest.is_empty() {
        return if path.ends_with('/') { "/" } else { "" };
    }
    let tail = rest.len() + 1 + usize::from(path.ends_with('/'));
    path.len().checked_sub(tail).and_then(|start| path.get(start..)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(routes: &[&str], path: &str, expected: Option<(&str, &[&str], &str)>) {
        let mut patterns: Vec<_> = routes.iter().map(|route| Pattern::parse(route).unwrap()).collect();
        patterns.sort_by(Pattern::compare);
        let found = patterns.iter().find_map(|pattern| Some((pattern.source(), pattern.matches(path)?)));
        let found = found.as_ref().map(|(source, captures)| (*source, captures.parameters.as_slice(), captures.rest));
        assert_eq!(found, expected, "{path} among {routes:?}");
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = ["/...", "/v1/...", "/v1/:a", "/v1/b", "/v1/:a/c", "/v1/b/..."];
        check(&routes, "/v1/b", Some(("/v1/b", &[], "")));
        check(&routes, "/v1/x", Some(("/v1/:a", &["x"], "")));
        check(&routes, "/v1/x/c", Some(("/v1/:a/c", &["x"], "")));
        check(&routes, "/v1/b/c", Some(("/v1/b/...", &[], "/c")));
        check(&routes, "/v1/x/d", Some(("/v1/...", &[], "/x/d")));
        check(&routes, "/v1", Some(("/v1/...", &[], "")));
        check(&routes, "/", Some(("/...", &[], "/")));
        check(&routes, "/z/y/", Some(("/...", &[], "/z/y/")));
    }

    #[test]
    fn a_path_without_a_route_finds_nothing() {
        check(&["/a", "/a/:b"], "/", None);
        check(&["/a", "/a/:b"], "/a/b/c", None);
        check(&["/a", "/a/:b"], "/a//b", None);
        check(&["/"], "/a", None);
        check(&["/"], "/", Some(("/", &[], "")));
    }

    #[test]
    fn slashes_at_the_ends_mean_nothing() {
        check(&["/a/b"], "/a/b/", Some(("/a/b", &[], "")));
        check(&["/a/..."], "/a/", Some(("/a/...", &[], "/")));
        check(&["/a/..."], "/a/b//", Some(("/a/...", &[], "/b/")));
        check(&["/a/..."], "/a//b", Some(("/a/...", &[], "//b")));
        check(&["/..."], "//a", Some(("/...", &[], "/a")));
    }

    #[test]
    fn patterns_this_host_does_not_know_are_refused() {
        for route in ["/a/*", "/.../a", "/a//b", "/:", "/a:b", "/:a.json"] {
            assert!(Pattern::parse(route).is_err(), "{route}");
        }
    }
}
