//! Looks at persons' data: who saw whose content, identity, record or export, and who was kept from it.
//!
//! Guarantee: a request that looks leaves one line, and no answer is given before Redis has the line on disk. A line names
//! pseudonyms and ids, never a patient's id or a name: it has the pattern of the path, not the path.
//!
//! Mechanism: handlers tell what they look at by [`Principal::saw`], and what they are asked for by [`Principal::asks`].
//! The edge appends a line for an answer of 2xx of which a handler said that it saw something, for every 403, and for a 404
//! of what would have been a look. The lines are a journal beside those of studies ([`crate::journal`]): the clock seals it
//! into the store, where it stays for ever. A message about an event that shows persons' data is a look of its subscription
//! ([`record_all`]).
//!
//! The document `access` may name studies whose reads by keys and clients are not recorded. The script that would append the line asks the
//! settings in force for them, so no request makes a call more. Other looks are recorded in these studies as well.
//!
//! Not for: 304, which gives nothing that the client did not have, nor counts and figures of no single person.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use domain::ids::{SiteId, StudyId};
use domain::{Code, Finding};
use platform::deadline::{Deadline, TimedOut};
use platform::http::{Incoming, Reply};
use platform::percent::{decode, encode};
use platform::redis::{Parameter, Redis, nothing};
use platform::{Error, clock};
use spin_sdk::redis::RedisParameter;

use crate::edge::auth::{Action, Principal};
use crate::edge::problem::{Problem, ProblemType};
use crate::edge::request::{line, unavailable};
use crate::names;

/// The longest time to append a look.
const APPEND: Duration = Duration::from_secs(2);
/// Stands for what is not known.
const UNKNOWN: &str = "-";
/// The header with the reason of a look at an identity.
const REASON: &str = "x-look-reason";

script! {
    AppendScript<'a> = "edge/looks/append.lua",
    keys { journals: &'static str, journal: String, settings: &'static str }
    args { name: &'static str, again: Again, of_service: &'a str, lines: &'a [String] }
    reply (), by nothing
}

impl<'a> AppendScript<'a> {
    /// Appends these lines. `of_service` is the study that a program read, which may not want its reads recorded; empty for
    /// looks that are recorded always.
    fn new(lines: &'a [String], of_service: &'a str) -> Self {
        let (journals, journal, settings) =
            (names::JOURNALS, names::journal(&StudyId::from(names::LOOKS)), names::SETTINGS);
        AppendScript { journals, journal, settings, name: names::LOOKS, again: Again::default(), of_service, lines }
    }
}

/// Appends looks at once.
///
/// # Errors
/// When Redis is unavailable. The looks may have been appended.
pub async fn record_all(redis: &Redis, looks: &[Look]) -> Result<(), Error> {
    let lines: Vec<String> = looks.iter().map(Look::line).collect();
    if lines.is_empty() { Ok(()) } else { AppendScript::new(&lines, "").run(redis).await }
}

/// Whether the script is sent for the second time, because there was no reply.
#[derive(Default)]
struct Again(Cell<bool>);

impl Parameter for Again {
    fn add_to(&self, into: &mut Vec<RedisParameter>) {
        self.0.replace(true).add_to(into);
    }
}

/// Whose data a request looks at, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whose<'a> {
    study: Option<&'a str>,
    site: Option<&'a str>,
    subject: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Whose<'a> {
    /// Data of a site of a study.
    pub fn at(study: &'a StudyId, site: &'a SiteId) -> Self {
        Whose::default().study(study.as_str()).site(site.as_str())
    }

    /// Data of a study.
    #[must_use]
    pub fn study(self, study: &'a str) -> Self {
        Whose { study: Some(study), ..self }
    }

    /// Data of a site.
    #[must_use]
    pub fn site(self, site: &'a str) -> Self {
        Whose { site: Some(site), ..self }
    }

    /// Data of a subject, by its pseudonym. What was erased has none.
    #[must_use]
    pub fn subject(self, pseudonym: &'a str) -> Self {
        Whose { subject: Some(pseudonym).filter(|it| !it.is_empty()), ..self }
    }

    /// A submission, an alert or an analysis.
    #[must_use]
    pub fn id(self, id: &'a str) -> Self {
        Whose { id: Some(id), ..self }
    }
}

/// The facts that handlers have told of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Rc<RefCell<Told>>);

#[derive(Debug, Default)]
struct Told {
    study: Option<String>,
    site: Option<String>,
    subject: Option<String>,
    id: Option<String>,
    reason: Option<String>,
    /// Whether it is about persons' data, so that a 404 is a look that was refused.
    asks: bool,
    /// Whether the answer shows persons' data.
    saw: bool,
}

impl Told {
    fn add(&mut self, whose: Whose<'_>) {
        let Whose { study, site, subject, id } = whose;
        let places = [&mut self.study, &mut self.site, &mut self.subject, &mut self.id];
        for (place, known) in places.into_iter().zip([study, site, subject, id]) {
            if let Some(known) = known {
                *place = Some(known.to_owned());
            }
        }
    }
}

impl Principal {
    /// Tells whose data the answer of this request shows.
    pub fn saw(&self, whose: Whose<'_>) {
        let mut told = self.seen.0.borrow_mut();
        told.saw = true;
        told.add(whose);
    }

    /// Tells whose data this request asks for, before it is known whether the key covers them.
    pub fn asks(&self, whose: Whose<'_>) {
        let mut told = self.seen.0.borrow_mut();
        told.asks = true;
        told.add(whose);
    }

    /// Takes the reason of a look at an identity from its request. A program may give one.
    ///
    /// # Errors
    /// 422 when a person gives none, and when it is empty, too long, or not one line.
    pub fn gives_reason(&self, incoming: &Incoming) -> Result<(), Problem> {
        let reason = line(incoming, REASON)?;
        if reason.is_none() && self.is_person() {
            let rule = "the header x-look-reason must say in 1 to 500 characters why you look at an identity";
            return Err(Problem::invalid(vec![Finding::new("", Code::Required, rule)]));
        }
        self.seen.0.borrow_mut().reason = reason;
        Ok(())
    }

    /// The reason that [`Principal::gives_reason`] found.
    pub fn look_reason(&self) -> Option<String> {
        self.seen.0.borrow().reason.clone()
    }
}

/// A request that may be a look.
pub struct Request {
    principal: Principal,
    action: Action,
    method: &'static str,
    path: &'static str,
}

impl Request {
    /// A request of this key's holder for a route, which tells from now on what it sees.
    pub fn new(principal: &mut Principal, action: Action, method: &'static str, path: &'static str) -> Self {
        let asks = matches!(action, Action::Read | Action::Treat | Action::Identify | Action::Export);
        principal.seen = Seen(Rc::new(RefCell::new(Told { asks, ..Told::default() })));
        Request { principal: principal.clone(), action, method, path }
    }

    /// Gives the answer, once it is recorded if it is a look.
    ///
    /// # Errors
    /// Those of the answer; 503 when the look cannot be recorded.
    pub async fn record(self, redis: &Redis, answer: Result<Reply, Problem>) -> Result<Reply, Problem> {
        let status = answer.as_ref().map_or_else(Problem::status, Reply::status);
        let Some(look) = self.look(status) else { return answer };
        let is_content = matches!(self.action, Action::Read | Action::Follow);
        let is_read = status < 300 && is_content && !self.principal.is_person();
        let of_service = look.study.as_deref().filter(|_| is_read).unwrap_or_default();
        let lines = [look.line()];
        let script = AppendScript::new(&lines, of_service);
        match Deadline::after(APPEND).run(script.run(redis)).await {
            Ok(Ok(())) => answer,
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(TimedOut) => {
                redis.forget();
                Err(Problem::new(ProblemType::Unavailable, "the look cannot be recorded"))
            }
        }
    }

    /// The look that an answer of this status is, if it is one.
    fn look(&self, status: u16) -> Option<Look> {
        let told = self.principal.seen.0.take();
        let is_look = match status {
            200..300 => told.saw,
            403 => true,
            404 => told.asks || told.saw,
            _ => false,
        };
        if !is_look {
            return None;
        }
        let Told { mut study, mut site, subject, id, reason, .. } = told;
        if study.is_none() {
            // A request whose place nobody told counts for the place of its key.
            study = self.principal.study().map(|own| own.as_str().to_owned());
            site = site.or_else(|| self.principal.site().map(|own| own.as_str().to_owned()));
        }
        let at_ms = clock::now().millis();
        let (actor, role) = (self.principal.actor.as_str().to_owned(), Some(self.principal.role().as_str().to_owned()));
        let (method, path) = (self.method.to_owned(), self.path.to_owned());
        Some(Look { at_ms, actor, role, method, path, study, site, subject, id, status, reason })
    }
}

/// A look, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Who: the id of a key, a person with their session, or `subscription:` and its id.
    pub actor: String,
    /// In which role; none for a subscription.
    pub role: Option<String>,
    /// The method of the request; `GET` for `HEAD` as well.
    pub method: String,
    /// The pattern of the path; the type of the event of which a subscription is told.
    pub path: String,
    /// The study, if it is known.
    pub study: Option<String>,
    /// The site, if it is known and one.
    pub site: Option<String>,
    /// The pseudonym of the subject, if it is about one.
    pub subject: Option<String>,
    /// The submission, alert or analysis, if it is about one.
    pub id: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Why, if it was said.
    pub reason: Option<String>,
}

impl Look {
    /// A message that tells a subscription of an event, as a look at the data in it.
    pub fn of_subscription(subscription: &str, event: &str, whose: Whose<'_>) -> Self {
        let known = |part: Option<&str>| part.map(str::to_owned);
        let Whose { study, site, subject, id } = whose;
        Look {
            at_ms: clock::now().millis(),
            actor: ["subscription:", subscription].concat(),
            role: None,
            method: "POST".to_owned(),
            path: event.to_owned(),
            study: known(study),
            site: known(site),
            subject: known(subject),
            id: known(id),
            status: 200,
            reason: None,
        }
    }

    /// The look as it is stored: words between single blanks.
    fn line(&self) -> String {
        let known = |part: &Option<String>| match part.as_deref() {
            None => UNKNOWN.to_owned(),
            Some(UNKNOWN) => "%2D".to_owned(),
            Some(part) => encode(part),
        };
        let Look { at_ms, actor, role, method, path, study, site, subject, id, status, reason } = self;
        let [role, study, site, subject, id, reason] = [role, study, site, subject, id, reason].map(known);
        let (at, actor, status) = (at_ms.to_string(), encode(actor), status.to_string());
        [&at, &actor, &role, method, path, &study, &site, &subject, &id, &status, &reason].map(String::as_str).join(" ")
    }

    /// Reads a line of the journal; none if another version wrote it.
    pub fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        // Lines of earlier versions have no reason.
        let [at, actor, role, method, path, study, site, subject, id, status, reason @ ..] = words.as_slice() else {
            return None;
        };
        let reason = match reason {
            [] => UNKNOWN,
            [reason] => reason,
            _ => return None,
        };
        let known = |word: &str| if word == UNKNOWN { Some(None) } else { decode(word).map(Some) };
        Some(Look {
            at_ms: at.parse().ok()?,
            actor: decode(actor)?,
            role: known(role)?,
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            study: known(study)?,
            site: known(site)?,
            subject: known(subject)?,
            id: known(id)?,
            status: status.parse().ok()?,
            reason: known(reason)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_read_as_it_was_written() {
        let look = Look {
            at_ms: 1_772_352_000_000,
            actor: "https://id.example|a b|s-0123456789abcdef".to_owned(),
            role: Some("clinician".to_owned()),
            method: "GET".to_owned(),
            path: "/v1/subjects/{pseudonym}/identity".to_owned(),
            study: Some("-".to_owned()),
            site: None,
            subject: Some("0123456789abcdef0123456789abcdef".to_owned()),
            id: None,
            status: 404,
            reason: Some("the ward called 复查".to_owned()),
        };
        let line = look.line();
        assert!(line.contains(" %2D - 0123456789abcdef0123456789abcdef - 404 the%20ward%20called%20"), "{line}");
        assert_eq!(Look::read(&line), Some(look.clone()));
        assert_eq!(Look::read(&[line.as_str(), " more"].concat()), None);
        // As it was written before looks had reasons.
        let (before, _) = line.rsplit_once(' ').unwrap();
        assert_eq!(Look::read(before), Some(Look { reason: None, ..look }));
        assert_eq!(Look::read("scored S-01 phq-9 a b"), None);
        let (study, site) = ("S".into(), "1".into());
        let whose = Whose::at(&study, &site).id("a");
        let look = Look::of_subscription("edc", "submission.scored", whose);
        assert!(look.line().ends_with(" subscription%3Aedc - POST submission.scored S 1 - a 200 -"), "{}", look.line());
        assert_eq!(Look::read(&look.line()), Some(look));
    }
}
