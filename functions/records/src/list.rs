//! `GET /v1/studies/{study}/submissions`: the submissions of a study in the order in which they were stored, as pages, as
//! a stream of lines or as a table.
//!
//! Guarantee: whoever follows the cursor sees every submission that the key covers, however many hosts write meanwhile,
//! because the order is that of the journal (`state::journal`). Every row carries its cursor, so a list that broke off
//! goes on after its last whole row. A stream ends with a line that counts and hashes its rows; one without it broke off.

use std::time::Instant;

use domain::Code;
use domain::ids::{InstrumentId, StudyId, SubmissionId, is_name};
use futures::FutureExt as _;
use futures::future::try_join_all;
use platform::digest::{Hasher, hex};
use platform::http::{Reply, Rows, accept};
use platform::kv::Store;
use platform::redis::Redis;
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::looks::Whose;
use state::edge::problem::{Problem, ProblemType};
use state::edge::query::Query;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::identity::is_pseudonym;
use state::journal::{Event, Kind, Position, Reader};
use state::settings::Settings;
use state::wire::row::{Include, ListState, Row, StreamEnd, superseded};
use state::wire::sealed::Opener;
use state::wire::table::{Layout, Table};

use crate::config::Config;

/// The number of records that are read at the same time.
const READS: usize = 16;
/// A stream rests for so many times as long as it worked: a list is not urgent, and leaves the processor to those who wait.
const RESTS: u32 = 2;
/// The most entries of the journal that a page looks at. A filter may leave few of them.
const MOST_LOOKED_AT: usize = 5_000;

/// The filter of a list.
#[derive(Default)]
struct Filter {
    kind: Option<String>,
    instrument: Option<InstrumentId>,
    site: Option<String>,
    subject: Option<String>,
    state: Option<ListState>,
    since: Option<i64>,
    until: Option<i64>,
    include: Include,
}

/// A page of a study's submissions.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StudyPage {
    submissions: Vec<Row>,
    /// The cursor after the last entry that was looked at. It stays valid: sent again later, it gives what is new.
    cursor: String,
    /// Whether there is another page now.
    more: bool,
}

/// The forms of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Lines,
    Table,
}

/// Lists the submissions of a study that the key covers.
pub(crate) async fn show(call: Call<Config>) -> Result<Reply, Problem> {
    let (principal, config, incoming) = (&call.principal, &call.config, &call.incoming);
    let study = call.segment(0);
    if !is_name(study) {
        return Err(Problem::not_found());
    }
    principal.asks(Whose::default().study(study));
    if principal.study().is_some_and(|own| own != study) {
        return Err(Problem::not_found());
    }
    let study = StudyId::from(study);
    let media = ["application/json", "application/x-ndjson", "text/csv"];
    let form = match accept::media_type(incoming.header("accept"), &media) {
        Some("application/x-ndjson") => Form::Lines,
        Some("text/csv") => Form::Table,
        _ => Form::Page,
    };
    let mut query = Query::read(
        &incoming.query,
        &[
            "kind",
            "instrument",
            "site",
            "subject",
            "state",
            "since",
            "until",
            "include",
            "cursor",
            "limit",
            "layout",
            "bom",
        ],
    );
    let mut filter = filter(&mut query);
    let after = query.cursor(Position::parse).unwrap_or_default();
    let layout = query.take("layout", "wide or long", Layout::parse);
    let bom = query.flag("bom");
    if form != Form::Table && (layout.is_some() || bom) {
        query.fault("layout", Code::Conflict, "and bom are for text/csv");
    }
    if layout == Some(Layout::Wide) && filter.instrument.is_none() {
        query.fault("layout", Code::Conflict, "wide needs an instrument: only responses to one have the same columns");
    }
    let limit = match form {
        Form::Page => Some(query.limit()),
        Form::Lines | Form::Table => {
            query.take("limit", "a number from 1", |text| text.parse().ok().filter(|it| *it > 0))
        }
    };
    query.finish()?;
    if form == Form::Table {
        filter.include = Include::TABLE;
    }
    if let Some(own) = principal.site() {
        if filter.site.as_ref().is_some_and(|site| own != site.as_str()) {
            return Err(Problem::not_found());
        }
        filter.site = Some(own.as_str().to_owned());
    }
    let mut whose = Whose::default().study(study.as_str());
    whose = filter.site.as_deref().map_or(whose, |site| whose.site(site));
    principal.saw(filter.subject.as_deref().map_or(whose, |subject| whose.subject(subject)));
    let (redis, deadline) = (config.redis.clone(), call.deadline);
    let store = Store::open().await.map_err(|error| unavailable(&error))?;
    let opener = Opener::new(&config.ring);
    let list = List { redis, store, opener, study, filter };
    let lists = |reply: Reply| reply.header("vary", "accept").header("cache-control", "no-store");
    match form {
        Form::Page => {
            within(deadline, &config.redis, async {
                let page = list.page(after, limit.unwrap_or_default()).await.map_err(|error| unavailable(&error))?;
                Ok(lists(Reply::json(200, &page)))
            })
            .await
        }
        Form::Lines => Ok(lists(Reply::rows(200, "application/x-ndjson", move |rows| {
            async move { whole(list.lines(after, limit, rows).await) }.boxed_local()
        }))),
        Form::Table => {
            let table = within(deadline, &config.redis, list.table(layout.unwrap_or(Layout::Long), bom)).await?;
            Ok(lists(
                Reply::rows(200, "text/csv; charset=utf-8", move |rows| {
                    async move { whole(list.cells(after, limit, table, rows).await) }.boxed_local()
                })
                .header("x-content-type-options", "nosniff"),
            ))
        }
    }
}

/// Whether a stream was made to its end. If not, its client sees the connection break off.
pub(crate) fn whole(made: Result<(), Error>) -> bool {
    made.inspect_err(|error| log::error("rows-broken-off").cause(error).write()).is_ok()
}

fn filter(query: &mut Query) -> Filter {
    let name = |text: &str| is_name(text).then(|| text.to_owned());
    let [content, scores, alerts] = query.parts("include", ["content", "scores", "alerts"]);
    Filter {
        kind: query.take("kind", "response or a kind of report", name),
        instrument: query.take("instrument", "the id of an instrument", InstrumentId::parse),
        site: query.take("site", "the name of a site", name),
        subject: query.take("subject", "a pseudonym", |text| is_pseudonym(text).then(|| text.to_owned())),
        state: query.take("state", "scored, failed, superseded or erased", ListState::parse),
        since: query.since(),
        until: query.until(),
        include: Include { content, scores, alerts },
    }
}

impl Filter {
    /// Whether the journal's entry does not rule it out.
    fn may_take(&self, event: &Event) -> bool {
        event.kind.is_stored()
            && self.site.as_ref().is_none_or(|site| event.site == site.as_str())
            && self.instrument.as_ref().is_none_or(|instrument| event.what == instrument.as_str())
    }

    fn takes(&self, row: &Row) -> bool {
        let received = row.received_ms();
        self.state.is_none_or(|state| row.state == state)
            && self.kind.as_ref().is_none_or(|kind| row.kind.as_ref() == Some(kind))
            && self.instrument.as_ref().is_none_or(|instrument| row.instrument.as_ref() == Some(instrument))
            && self
                .subject
                .as_ref()
                .is_none_or(|subject| row.subject.as_ref().is_some_and(|own| own == subject.as_str()))
            && self.since.is_none_or(|since| received >= since)
            && self.until.is_none_or(|until| received < until)
    }
}

struct List {
    redis: Redis,
    store: Store,
    opener: Opener,
    study: StudyId,
    filter: Filter,
}

impl List {
    async fn page(&self, mut after: Position, limit: usize) -> Result<StudyPage, Error> {
        let mut journal = Reader::open(&self.redis, &self.store, &self.study).await?;
        let (mut submissions, mut looked_at) = (Vec::new(), 0);
        loop {
            let events = journal.after(after).await?;
            if events.is_empty() {
                return Ok(StudyPage { submissions, cursor: after.to_string(), more: false });
            }
            for some in events.chunks(READS) {
                for (at, row) in self.rows(some).await? {
                    if submissions.len() == limit {
                        return Ok(StudyPage { submissions, cursor: after.to_string(), more: true });
                    }
                    after = at;
                    submissions.extend(row);
                }
                looked_at += some.len();
            }
            if looked_at >= MOST_LOOKED_AT {
                return Ok(StudyPage { submissions, cursor: after.to_string(), more: true });
            }
        }
    }

    /// The rows of entries: none for an entry that the filter leaves out.
    async fn rows(&self, events: &[(Position, Event)]) -> Result<Vec<(Position, Option<Row>)>, Error> {
        let wanted: Vec<&(Position, Event)> = events.iter().filter(|(_, event)| self.filter.may_take(event)).collect();
        let ids: Vec<&SubmissionId> = wanted.iter().map(|(_, event)| &event.submission).collect();
        let superseded = superseded(&self.redis, &ids).await?;
        let reads = wanted.iter().zip(superseded).map(|((at, Event { kind, submission, .. }), by)| {
            let entry = (submission, *kind == Kind::Failed);
            Row::load((&self.store, &self.opener), self.filter.include, entry, by, at.to_string())
        });
        let mut rows = try_join_all(reads).await?.into_iter();
        let mut all = Vec::with_capacity(events.len());
        for (at, event) in events {
            let row = if self.filter.may_take(event) { rows.next().flatten() } else { None };
            all.push((*at, row.filter(|row| self.filter.takes(row))));
        }
        Ok(all)
    }

    /// Calls `take` for each row up to the end of the journal. It says whether to go on.
    async fn each(
        &self,
        mut after: Position,
        limit: Option<usize>,
        mut take: impl AsyncFnMut(&Row) -> bool,
    ) -> Result<Position, Error> {
        let mut journal = Reader::open(&self.redis, &self.store, &self.study).await?;
        let mut left = limit.unwrap_or(usize::MAX);
        loop {
            let events = journal.after(after).await?;
            if events.is_empty() {
                return Ok(after);
            }
            for some in events.chunks(READS) {
                let began = Instant::now();
                for (at, row) in self.rows(some).await? {
                    if let Some(row) = row {
                        if left == 0 || !take(&row).await {
                            return Ok(after);
                        }
                        left -= 1;
                    }
                    after = at;
                }
                clock::sleep(RESTS * began.elapsed()).await;
            }
        }
    }

    async fn lines(self, after: Position, limit: Option<usize>, mut rows: Rows) -> Result<(), Error> {
        let (mut hash, mut count) = (Hasher::default(), 0_u64);
        let cursor = self.each(after, limit, async |row| {
            let mut line = platform::json::document(row);
            line.push(b'\n');
            hash.update(&line);
            count += 1;
            rows.push(&line).await
        });
        let cursor = cursor.await?;
        let end = StreamEnd::of(count, hex(&hash.finish()), cursor.to_string());
        let mut line = platform::json::document(&end);
        line.push(b'\n');
        rows.push(&line).await;
        rows.end().await;
        Ok(())
    }

    async fn table(&self, layout: Layout, bom: bool) -> Result<Table, Problem> {
        let Some(id) = self.filter.instrument.as_ref().filter(|_| layout == Layout::Wide) else {
            return Ok(Table::new(None, bom));
        };
        let settings = Settings::in_force(&self.redis).await.map_err(|error| unavailable(&error))?;
        let found = settings.instrument(&self.redis, id.as_str(), None).await.map_err(|error| unavailable(&error))?;
        let unknown = || Problem::new(ProblemType::NotFound, "there is no such instrument");
        Ok(Table::new(Some(found.ok_or_else(unknown)?), bom))
    }

    async fn cells(self, after: Position, limit: Option<usize>, table: Table, mut rows: Rows) -> Result<(), Error> {
        rows.push(table.head().as_bytes()).await;
        self.each(after, limit, async |row| rows.push(table.lines(row).as_bytes()).await).await?;
        rows.end().await;
        Ok(())
    }
}
