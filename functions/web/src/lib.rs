//! The screens: one page, its modules and styles, embedded in the component; and the description of the API.
//!
//! Guarantee: it holds no state and reads no variables, no Redis and no store. The page runs nothing but its own files,
//! talks to nobody but this server, and stands in no frame. A file's address contains a hash of all files, so a file may be
//! kept for ever; the page is asked for each time, and costs 304 if it is the same.
//!
//! Not for: data. The page gets them from the public API with the key that a person gave it, or with the session that an
//! identity provider led to.

#[cfg(feature = "schema")]
mod describe;

#[cfg(feature = "schema")]
pub use describe::describe;
use domain::paper::STYLE;
use platform::http::{Incoming, Reply, accept, style_source};
use state::edge::problem::Problem;
use state::edge::serve::Described;

include!(concat!(env!("OUT_DIR"), "/table.rs"));

platform::serve!(handle);

/// The path of the API description.
const DESCRIBED: &str = "/openapi.json";

/// The paths of the API that this component has.
pub fn routes() -> Vec<Described> {
    vec![Described { method: "GET", path: DESCRIBED, action: None, signed: false }]
}

/// A file in its codings.
struct File {
    /// Its path below the folder.
    path: &'static str,
    /// Its media type.
    kind: &'static str,
    plain: &'static [u8],
    br: &'static [u8],
    gzip: &'static [u8],
}

/// The policy of the page. Nothing inline, nothing foreign, no forms, no frames. Going to an identity provider is none of
/// these: the browser leaves the page, and Vigil itself asks the provider for what the code stands for. The one style sheet within a page
/// is that of a page to print, which a screen opens in a window of its own: such a window has this policy.
fn policy() -> String {
    let printed = style_source(STYLE);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' {printed}; img-src 'self' data:; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}

/// The codings that are there; the first is the smallest.
const CODINGS: [&str; 3] = ["br", "gzip", "identity"];

async fn handle(incoming: Incoming) -> Reply {
    let reply = if incoming.method == "GET" { answer(&incoming) } else { Problem::method_not_allowed("GET").into() };
    let reply = reply.header("content-security-policy", policy()).header("referrer-policy", "no-referrer");
    reply.header("x-content-type-options", "nosniff")
}

fn answer(incoming: &Incoming) -> Reply {
    let asked_coding = incoming.header("accept-encoding");
    if incoming.path == "/assets" || incoming.path.starts_with("/assets/") {
        let path = incoming.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
        let Some(file) = FILES.iter().find(|file| Some(file.path) == path) else { return Problem::not_found().into() };
        return file.reply(200, asked_coding).header("cache-control", "public, max-age=31536000, immutable");
    }
    if incoming.path == DESCRIBED {
        return DESCRIPTION.reply(200, asked_coding);
    }
    let tag = format!("W/\"{TAG}\"");
    let status = if is_screen(&incoming.path) { 200 } else { 404 };
    let reply = match incoming.header("if-none-match") {
        Some(known) if status == 200 && names(known, &tag) => Reply::empty(304).header("vary", "accept-encoding"),
        _ => PAGE.reply(status, asked_coding),
    };
    reply.header("etag", tag).header("cache-control", "no-cache")
}

/// Whether a path is an address of a screen. Others get the page as well, which says that there is nothing.
fn is_screen(path: &str) -> bool {
    let first = path.trim_matches('/').split('/').next().unwrap_or_default();
    first.is_empty() || SCREENS.contains(&first)
}

/// Whether `if-none-match` names this tag. RFC 9110, section 13.1.2: tags are compared weakly.
fn names(known: &str, tag: &str) -> bool {
    let bare = tag.trim_start_matches("W/");
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == bare)
}

impl File {
    fn reply(&self, status: u16, asked: Option<&str>) -> Reply {
        let coding = accept::coding(asked, &CODINGS);
        let (body, coding) = match coding {
            Some("br") => (self.br, Some("br")),
            Some("gzip") => (self.gzip, Some("gzip")),
            _ => (self.plain, None),
        };
        let reply = Reply::new(status, self.kind, body).header("vary", "accept-encoding");
        match coding {
            Some(coding) => reply.header("content-encoding", coding),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_named_by_its_file() {
        assert!(SCREENS.contains(&"inbox"), "{SCREENS:?}");
        for path in ["/", "/inbox", "/inbox/", "/alerts/1f0c"] {
            assert!(is_screen(path), "{path}");
        }
        for path in ["/wp-login.php", "/index.html", "/inboxes"] {
            assert!(!is_screen(path), "{path}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for known in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
            assert!(names(known, "W/\"a\""), "{known}");
        }
        for known in ["", "a", "\"b\"", "W/\"aa\""] {
            assert!(!names(known, "W/\"a\""), "{known}");
        }
    }
}
