//! Signatures: the meaning that a person declares with an act (21 CFR 11.50), and the authentication before it (11.200).
//!
//! Guarantee: a person does what a route marked [`Signing`] does only within `signature_seconds` after they authenticated at
//! their identity provider, and only with a meaning. The record of the act keeps the meaning beside the person and the time.
//!
//! Mechanism: a session knows when its person authenticated, from the token that began it. The edge checks that time and
//! the header before it calls the handler, and leaves the meaning in the [`Principal`].
//!
//! Not for: keys and clients. Programs sign nothing.

use domain::{Code, Finding, scrub};
use platform::clock;
use platform::http::Incoming;

use crate::edge::auth::Principal;
use crate::edge::problem::{Problem, ProblemType};
use crate::edge::request::header;

/// The header with the meaning of a signature.
const MEANING: &str = "x-signature-meaning";
/// The longest meaning, characters.
const LONGEST_MEANING: usize = 200;
/// For how long an authentication is fresh in a component that does not read the variable, seconds.
pub const DEFAULT_SECONDS: u32 = 300;

/// Which requests of a route a person signs.
#[derive(Clone, Copy)]
pub enum Signing {
    /// None.
    Never,
    /// All.
    Always,
    /// Those for which this holds.
    When(fn(&Incoming) -> bool),
}

impl Signing {
    /// Whether a person signs this request.
    pub fn covers(self, incoming: &Incoming) -> bool {
        match self {
            Signing::Never => false,
            Signing::Always => true,
            Signing::When(holds) => holds(incoming),
        }
    }
}

impl Principal {
    /// Whether it is a person: neither a key nor a client, which are programs.
    pub fn is_person(&self) -> bool {
        self.person.as_ref().is_some_and(|person| !person.is_client())
    }
}

/// The meaning of the signature under a request; none for a program. Where `seconds` is 0, nobody must sign, and a meaning that
/// is given is kept. The identities that are found in it are taken out: a record forgets nothing.
///
/// # Errors
/// 403 when the person authenticated longer ago than so many seconds, or when nothing proves when; 422 without a meaning.
pub fn of(principal: &Principal, incoming: &Incoming, seconds: u32) -> Result<Option<String>, Problem> {
    if !principal.is_person() {
        return Ok(None);
    }
    if seconds > 0 && !is_fresh(principal.authenticated, clock::now().millis() / 1000, seconds) {
        let detail = format!("sign in again: you must have authenticated within the last {seconds} seconds");
        return Err(Problem::new(ProblemType::SignatureRequired, detail));
    }
    let meaning = match header(incoming, MEANING)? {
        None if seconds == 0 => return Ok(None),
        meaning => meaning.unwrap_or_default().trim(),
    };
    if (1..=LONGEST_MEANING).contains(&meaning.chars().count()) && !meaning.chars().any(char::is_control) {
        return Ok(Some(scrub::free_text(meaning.to_owned())));
    }
    let code = if meaning.is_empty() { Code::Required } else { Code::Format };
    let rule = "the header x-signature-meaning must say in 1 to 200 characters what you declare";
    Err(Problem::invalid(vec![Finding::new("", code, rule)]))
}

/// Whether an authentication at this time, seconds since the epoch, is not older than so many seconds.
fn is_fresh(authenticated: Option<i64>, now: i64, seconds: u32) -> bool {
    authenticated.is_some_and(|at| now.saturating_sub(at) <= i64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authentication_is_fresh_for_its_seconds_and_unproven_without_a_time() {
        for (authenticated, expected) in
            [(Some(1000), true), (Some(700), true), (Some(699), false), (Some(1060), true), (None, false)]
        {
            assert_eq!(is_fresh(authenticated, 1000, 300), expected, "{authenticated:?}");
        }
    }
}
