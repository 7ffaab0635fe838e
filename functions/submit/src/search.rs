//! `GET /fhir/QuestionnaireResponse`: a search for stored responses. It is here because a path belongs to one component
//! whole, and this one takes responses.
//!
//! Guarantee: a key finds what its study and site cover, and nothing else. Whoever follows `next` to the end sees every
//! response of a study once, in the order in which they were stored; the last page, sent again later, also has what is
//! new. With a subject the order is that in which the person wrote.

use std::time::Duration;

use domain::Code;
use domain::fhir::search::{Questionnaire, TIME, Times, reference};
use domain::ids::{Pseudonym, SiteId, StudyId, SubmissionId};
use futures::future::try_join_all;
use platform::Error;
use platform::deadline::{Deadline, HEADER};
use platform::http::{Incoming, Reply};
use platform::kv::Store;
use platform::redis::Redis;
use serde::Deserialize;
use state::edge::auth::{Action, Principal};
use state::edge::fhir::{Searchset, paging};
use state::edge::looks::{self, Whose};
use state::edge::problem::Problem;
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::within;
use state::identity::is_pseudonym;
use state::journal::{Kind, Position, Reader};
use state::names;
use state::settings::Settings;
use state::subjects::links;
use state::subjects::timeline::{self, Filter, Listed};
use state::wire::entry::{State, Subject};
use state::wire::resource;
use state::wire::sealed::{Opener, StoredSubmission};

use crate::config::Config;
use crate::fhir;

/// The time limit of a search.
const TOTAL: Duration = Duration::from_secs(3);
/// The number of records that are read at the same time.
const READS: usize = 16;
/// The most entries that a page looks at. A filter may leave few of them.
const MOST_LOOKED_AT: usize = 2_000;

/// A request for responses.
struct Asked {
    questionnaire: Option<Questionnaire>,
    authored: Times,
    updated: Times,
    source: Source,
}

/// The part of a stored submission that a search reads: no scores.
#[derive(Deserialize)]
struct Record {
    state: State,
    submission: StoredSubmission,
}

/// The place of the search, and the end of the page before.
enum Source {
    Study(StudyId, Position),
    Subject(Pseudonym, Option<Listed>),
}

/// The end of the page before.
enum After {
    Position(Position),
    Listed(Listed),
}

impl After {
    fn parse(text: &str) -> Option<Self> {
        Position::parse(text).map(After::Position).or_else(|| Listed::from_cursor(text).map(After::Listed))
    }
}

/// Answers a search.
pub(crate) async fn answer(incoming: &Incoming) -> Result<Reply, Problem> {
    let deadline = Deadline::after_or_sooner(TOTAL, incoming.header(HEADER));
    let config = crate::configured().await?;
    // As the edge of other components does: every role may follow, and a refusal of a role is recorded.
    let mut principal = config.keys.admit(&config.redis, incoming, Action::Follow).await?;
    let look = looks::Request::new(&mut principal, Action::Read, "GET", fhir::PATH);
    let answer = async {
        principal.must(&config.redis, Action::Read)?;
        page(incoming, &config, &principal, deadline).await
    };
    look.record(&config.redis, answer.await).await
}

/// A page of responses for a key that may read them.
async fn page(
    incoming: &Incoming,
    config: &Config,
    principal: &Principal,
    deadline: Deadline,
) -> Result<Reply, Problem> {
    let (asked, count) = asked(&incoming.query, principal)?;
    let mut page = Searchset::new(incoming, count);
    let find = async {
        let store = Store::open().await?;
        let settings = Settings::in_force(&config.redis).await?;
        let opener = Opener::new(&config.ring);
        let search = Search { redis: &config.redis, store, opener, settings, principal, asked: &asked };
        match &asked.source {
            Source::Study(study, after) => {
                let whose = Whose::default().study(study.as_str());
                principal.saw(principal.site().map_or(whose, |site| whose.site(site.as_str())));
                search.study(study, *after, &mut page).await
            }
            Source::Subject(subject, after) => {
                principal.saw(Whose::default().subject(subject.as_str()));
                search.subject(subject, after.clone(), &mut page).await
            }
        }
    };
    let next = within(deadline, &config.redis, async { find.await.map_err(|error| unavailable(&error)) }).await?;
    Ok(page.reply(next.as_deref()))
}

fn asked(query: &str, principal: &Principal) -> Result<(Asked, usize), Problem> {
    const KNOWN: &[&str] = &["questionnaire", "subject", "authored", "_lastUpdated", "_count", "cursor", "_format"];
    let mut query = Query::read_with(query, KNOWN, &["authored", "_lastUpdated"]);
    let questionnaire = query.take("questionnaire", "the canonical of an instrument, or its id", Questionnaire::parse);
    let is_named = query.has("subject");
    let subject = query.take("subject", "Patient/{pseudonym}", |text| {
        reference(text, "Patient", true).filter(|id| is_pseudonym(id)).map(Pseudonym::from)
    });
    let authored = query.all("authored", TIME, Times::default(), |times, text| times.and(text));
    let updated = query.all("_lastUpdated", TIME, Times::default(), |times, text| times.and(text));
    let count = paging(&mut query);
    let after = query.cursor(After::parse);
    let source = match (subject, principal.study(), after) {
        (Some(subject), _, None) => Some(Source::Subject(subject, None)),
        (Some(subject), _, Some(After::Listed(after))) => Some(Source::Subject(subject, Some(after))),
        (None, Some(study), None) => Some(Source::Study(study.clone(), Position::default())),
        (None, Some(study), Some(After::Position(after))) => Some(Source::Study(study.clone(), after)),
        (_, _, after) => {
            if !is_named && principal.study().is_none() {
                query.fault("subject", Code::Required, "is required: this key is for several studies");
            } else if after.is_some() {
                query.fault("cursor", Code::Conflict, "is of another search");
            }
            None
        }
    };
    query.finish()?;
    let source = source.ok_or_else(Problem::not_found)?;
    Ok((Asked { questionnaire, authored, updated, source }, count))
}

struct Search<'a> {
    redis: &'a Redis,
    store: Store,
    opener: Opener,
    settings: Settings,
    principal: &'a Principal,
    asked: &'a Asked,
}

impl Search<'_> {
    /// Fills a page from the journal of a study. Returns the cursor of the next page, if there is one.
    async fn study(&self, study: &StudyId, mut after: Position, page: &mut Searchset) -> Result<Option<String>, Error> {
        let mut journal = Reader::open(self.redis, &self.store, study).await?;
        let instrument = self.instrument();
        let may_take = |kind: Kind, site: &SiteId, what: &str| {
            kind.is_stored()
                && self.principal.covers(study, site)
                && instrument.is_none_or(|instrument| what == instrument)
        };
        let mut looked_at = 0;
        loop {
            let events = journal.after(after).await?;
            if events.is_empty() {
                return Ok(None);
            }
            for some in events.chunks(READS) {
                let wanted = some.iter().filter(|(_, event)| may_take(event.kind, &event.site, &event.what));
                let ids: Vec<&SubmissionId> = wanted.map(|(_, event)| &event.submission).collect();
                let mut records = self.records(&ids).await?.into_iter();
                for (at, event) in some {
                    if may_take(event.kind, &event.site, &event.what)
                        && let Some(record) = records.next().flatten()
                        // One that was scored after all has an entry of its own for that.
                        && (event.kind == Kind::Scored || record.state == State::Failed)
                    {
                        if page.is_full() {
                            return Ok(Some(after.to_string()));
                        }
                        self.show(record, page).await?;
                    }
                    after = *at;
                }
                looked_at += some.len();
                if looked_at >= MOST_LOOKED_AT {
                    return Ok(Some(after.to_string()));
                }
            }
        }
    }

    /// Fills a page from the timeline of a subject's person.
    async fn subject(
        &self,
        subject: &Pseudonym,
        mut after: Option<Listed>,
        page: &mut Searchset,
    ) -> Result<Option<String>, Error> {
        let known = self.store.get::<Subject>(&names::subject(subject)).await?;
        if let Some(it) = &known {
            self.principal.saw(Whose::at(&it.study_id, &it.site_id));
        }
        let Some(known) = known.filter(|it| self.principal.covers(&it.study_id, &it.site_id)) else {
            return Ok(None);
        };
        let covers = |site: &SiteId| self.principal.covers(&known.study_id, site);
        let subjects = links::covered(self.redis, subject, covers).await?;
        let mut looked_at = 0;
        loop {
            let wanted = Filter { what: self.instrument(), after: after.as_ref(), limit: READS, ..Filter::default() };
            let (listed, more) = timeline::list(self.redis, &subjects, wanted).await?;
            let ids: Vec<SubmissionId> = listed.iter().map(|it| it.id.as_str().into()).collect();
            let records = self.records(&ids.iter().collect::<Vec<_>>()).await?;
            looked_at += listed.len();
            for (one, record) in listed.into_iter().zip(records) {
                if let Some(record) = record {
                    if page.is_full() {
                        return Ok(after.as_ref().map(Listed::cursor));
                    }
                    self.show(record, page).await?;
                }
                after = Some(one);
            }
            if !more {
                return Ok(None);
            }
            if looked_at >= MOST_LOOKED_AT {
                return Ok(after.as_ref().map(Listed::cursor));
            }
        }
    }

    fn instrument(&self) -> Option<&str> {
        self.asked.questionnaire.as_ref().map(|it| it.instrument.as_str())
    }

    /// The records of submissions that the search takes, in the given order.
    async fn records(&self, ids: &[&SubmissionId]) -> Result<Vec<Option<Record>>, Error> {
        let reads = ids.iter().map(async |id| self.store.get::<Record>(&names::submission(id)).await);
        let records = try_join_all(reads).await?.into_iter();
        Ok(records.map(|record| record.filter(|record| self.takes(record))).collect())
    }

    fn takes(&self, record: &Record) -> bool {
        let it = &record.submission;
        record.state != State::Erased
            && self.principal.covers(&it.study_id, &it.site_id)
            && it.instrument.is_some()
            && self.asked.questionnaire.as_ref().is_none_or(|asked| {
                it.instrument.as_ref().is_some_and(|own| *own == asked.instrument.as_str())
                    && (asked.version.is_none() || asked.version == it.instrument_version)
            })
            && self.asked.authored.contain(&it.authored_at)
            && self.asked.updated.contain(&it.received_at)
    }

    async fn show(&self, record: Record, page: &mut Searchset) -> Result<(), Error> {
        let Some(id) = &record.submission.instrument else { return Ok(()) };
        let version = record.submission.instrument_version.as_deref();
        if let Some(instrument) = self.settings.instrument(self.redis, id.as_str(), version).await? {
            // Without the keys of its subject it is being erased.
            if let Some(content) = self.opener.content(&self.store, &record.submission).await? {
                page.push(&resource::response(&record.submission.map(|_| content), &instrument));
            }
        }
        Ok(())
    }
}
