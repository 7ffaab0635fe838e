//! `GET /fhir/Observation`: the scores of a subject or of one response, as FHIR R4 Observations.
//!
//! Guarantee: a key finds what its study and site cover, and nothing else. A subject's scores are in the order in which the
//! person wrote; those of a submission whose place another took are left out, as in the course of a score.

use domain::Code;
use domain::fhir::search::{Codes, TIME, Times, reference};
use domain::ids::{Pseudonym, SubmissionId};
use futures::future::try_join_all;
use platform::Error;
use platform::http::Reply;
use platform::kv::Store;
use serde::de::IgnoredAny;
use serde_json::Value;
use state::edge::auth::Principal;
use state::edge::fhir::{Searchset, paging};
use state::edge::looks::Whose;
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::is_pseudonym;
use state::names;
use state::settings::Settings;
use state::subjects::timeline::{self, Filter, Listed};
use state::wire::entry::{Outline, State, Superseded};
use state::wire::resource;

use crate::config::Config;
use crate::{fhir, subject};

/// The number of records that are read at the same time.
const READS: usize = 16;
/// The most submissions that a page looks at. A filter may leave few of their scores.
const MOST_LOOKED_AT: usize = 2_000;

/// A request for scores.
struct Asked {
    source: Source,
    code: Option<Codes>,
    date: Times,
}

/// The place of the search, and the end of the page before.
enum Source {
    Response(String),
    Subject(Pseudonym, Option<Place>),
}

/// The place of a score: its submission, and its position in that.
struct Place {
    listed: Listed,
    position: usize,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (listed, position) = text.split_once('.')?;
        Some(Place { listed: Listed::from_cursor(listed)?, position: position.parse().ok()? })
    }

    fn show(&self) -> String {
        format!("{}.{}", self.listed.cursor(), self.position)
    }
}

/// Answers a search.
pub(crate) async fn search(call: Call<Config>) -> Result<Reply, Problem> {
    let (config, principal) = (&call.config, &call.principal);
    let (asked, count) = asked(&call.incoming.query)?;
    let found = within(call.deadline, &config.redis, async {
        let settings = Settings::in_force(&config.redis).await.map_err(|error| unavailable(&error))?;
        let scores = Scores { config, settings, asked: &asked };
        match &asked.source {
            Source::Response(id) => {
                let mut page = Searchset::new(&call.incoming, usize::MAX);
                let record = fhir::stored::<IgnoredAny>(principal, id).await?;
                let record = record.filter(|record| record.state != State::Erased);
                scores.of_response(record, &mut page).await.map_err(|error| unavailable(&error))?;
                Ok(page.reply(None))
            }
            Source::Subject(subject, after) => {
                principal.saw(Whose::default().subject(subject.as_str()));
                let mut page = Searchset::new(&call.incoming, count);
                let next = scores.of_subject(principal, subject, after.as_ref(), &mut page).await;
                Ok(page.reply(next.map_err(|error| unavailable(&error))?.as_deref()))
            }
        }
    });
    found.await
}

fn asked(query: &str) -> Result<(Asked, usize), Problem> {
    const KNOWN: &[&str] = &["subject", "derived-from", "code", "date", "_count", "cursor", "_format"];
    let mut query = Query::read_with(query, KNOWN, &["date"]);
    let (by_subject, by_response) = (query.has("subject"), query.has("derived-from"));
    let subject = query.take("subject", "Patient/{pseudonym}", |text| {
        reference(text, "Patient", true).filter(|id| is_pseudonym(id)).map(Pseudonym::from)
    });
    let response = query.take("derived-from", "QuestionnaireResponse/{submissionId}", |text| {
        reference(text, "QuestionnaireResponse", false).map(str::to_owned)
    });
    let code = query.take("code", "codes as <code> or <system>|<code>, with commas between them", Codes::parse);
    let date = query.all("date", TIME, Times::default(), |times, text| times.and(text));
    let count = paging(&mut query);
    let after = query.cursor(Place::parse);
    match (by_subject, by_response) {
        (false, false) => query.fault("subject", Code::Required, "or derived-from is required"),
        (true, true) => query.fault("derived-from", Code::Conflict, "and subject exclude each other"),
        (false, true) if after.is_some() => query.fault("cursor", Code::Conflict, "goes with subject"),
        _ => {}
    }
    query.finish()?;
    let source = match (subject, response) {
        (Some(subject), _) => Source::Subject(subject, after),
        (None, Some(response)) => Source::Response(response),
        (None, None) => return Err(Problem::not_found()),
    };
    Ok((Asked { source, code, date }, count))
}

struct Scores<'a> {
    config: &'a Config,
    settings: Settings,
    asked: &'a Asked,
}

impl Scores<'_> {
    /// Puts the scores of a submission onto a page.
    async fn of_response(&self, record: Option<Outline>, page: &mut Searchset) -> Result<(), Error> {
        if let Some(record) = record {
            self.of(&record).await?.iter().for_each(|(_, score)| page.push(score));
        }
        Ok(())
    }

    /// Fills a page with the scores of a subject's person. Returns the cursor of the next page, if there is one.
    async fn of_subject(
        &self,
        principal: &Principal,
        subject: &Pseudonym,
        after: Option<&Place>,
        page: &mut Searchset,
    ) -> Result<Option<String>, Error> {
        let store = Store::open().await?;
        let subjects = subject::covered(self.config, &store, principal, subject).await?;
        let Some(subjects) = subjects else { return Ok(None) };
        // The page before may have ended among the scores of its last submission.
        let mut listed: Vec<Listed> = after.map(|place| place.listed.clone()).into_iter().collect();
        let mut shown = after.map(|place| place.position);
        let (mut last, mut more, mut looked_at): (Option<Place>, bool, usize) = (None, true, 0);
        let cursor = |last: Option<Place>| last.as_ref().map(Place::show);
        loop {
            let records = records(&store, &listed).await?;
            looked_at += listed.len();
            for (listed, record) in listed.into_iter().zip(records) {
                let scores = match record.filter(|record| subjects.contains(&record.submission.subject)) {
                    Some(record) => self.of(&record).await?,
                    None => Vec::new(),
                };
                for (position, score) in scores {
                    if shown.is_some_and(|shown| position <= shown) {
                        continue;
                    }
                    if page.is_full() {
                        return Ok(cursor(last));
                    }
                    page.push(&score);
                    last = Some(Place { listed: listed.clone(), position });
                }
                shown = None;
                last = Some(Place { listed, position: usize::from(u16::MAX) });
            }
            if !more || looked_at >= MOST_LOOKED_AT {
                return Ok(cursor(last).filter(|_| more));
            }
            let after = last.as_ref().map(|place| &place.listed);
            let wanted = Filter { after, limit: READS, ..Filter::default() };
            (listed, more) = timeline::list(&self.config.redis, &subjects, wanted).await?;
        }
    }

    /// The scores of a submission that the search takes, with their positions.
    async fn of(&self, record: &Outline) -> Result<Vec<(usize, Value)>, Error> {
        let Some(name) = record.submission.instrument.as_ref() else { return Ok(Vec::new()) };
        if !self.asked.date.contain(&record.submission.authored_at) {
            return Ok(Vec::new());
        }
        let version = record.scored_with.as_ref().map(|with| with.version.as_str());
        let definition = self.settings.instrument(&self.config.redis, name.as_str(), version).await?;
        let scores = resource::observations(record, definition.as_deref()).into_iter().enumerate();
        Ok(scores.filter(|(_, score)| self.asked.code.as_ref().is_none_or(|code| code.take(score))).collect())
    }
}

/// The records of submissions in the given order; none for one that is unknown, erased or superseded.
async fn records(store: &Store, listed: &[Listed]) -> Result<Vec<Option<Outline>>, Error> {
    let reads = listed.iter().map(async |one| {
        let id = SubmissionId::from(one.id.as_str());
        if store.get::<Superseded>(&names::superseded(&id)).await?.is_some() {
            return Ok(None);
        }
        let record: Option<Outline> = store.get(&names::submission(&id)).await?;
        Ok(record.filter(|record| record.state != State::Erased))
    });
    try_join_all(reads).await
}
