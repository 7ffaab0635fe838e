//! `DELETE /v1/subjects/{pseudonym}`: removes everything that is known of a subject, for good: its submissions, its
//! analyses, its links and its identity.
//!
//! Guarantee: when the answer is 200, nothing of the subject is stored but tombstones, audit chains and the certificate
//! that the answer shows, and nothing that came before the request waits. An answer of 202 says that something is left: a
//! repeated request continues, also after a crash at any moment. The first request's time, actor and reason stand.
//!
//! Mechanism: each submission and analysis is erased as if it were erased alone, and leaves the subject's list last. What
//! still waits to be scored is waited for, until the queue has nothing of the site that came before the request; then it
//! is in the list. The keys of the subject are destroyed first; the identity goes last, in one transaction with the
//! certificate.
//!
//! The pseudonym is a keyed hash, so what the patient sends later makes the same subject anew; it can be erased again.

use std::time::Duration;

use domain::ids::{AnalysisId, KeyId, Pseudonym, SubmissionId};
use platform::deadline::Deadline;
use platform::http::Reply;
use platform::kv::{self, Store};
use platform::redis::Redis;
use platform::{Error, clock, log};
use serde::Serialize;
use state::edge::problem::Problem;
use state::edge::request::unavailable;
use state::edge::serve::{Call, within};
use state::erasure::subject::{self, Begun, Certificate, List, Progress};
use state::identity::is_pseudonym;
use state::imaging::{erasure, jobs};
use state::names::{self, Queue};
use state::queue;
use state::subjects::links::{self, Changed};
use state::subjects::timeline::{self, Filter};
use state::wire::entry::Subject;

use crate::config::Config;
use crate::erase::{self, Author, Target};

/// The number of submissions or analyses that are read from a list at once.
const PAGE: u32 = 50;
/// When less time than this is left, the request is answered.
const LAST: Duration = Duration::from_millis(700);
/// The pause before something that waits for a worker is looked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// A subject whose erasure has not ended.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Erasing<'a> {
    #[cfg_attr(feature = "schema", schemars(with = "domain::schema::Pseudonym"))]
    pseudonym: &'a Pseudonym,
    #[cfg_attr(feature = "schema", schemars(extend("const" = "erasing")))]
    state: &'static str,
    /// The submissions and analyses that are left, as far as they are known. Ask again.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    left: u64,
}

/// The outcome of a request.
enum Outcome {
    Erased(Certificate),
    Left(u64),
}

/// Erases a subject that the key covers, as far as there is time.
pub(crate) async fn erase(call: Call<Config>) -> Result<Reply, Problem> {
    let pseudonym = call.segment(0).to_owned();
    let Call { config, principal, incoming, deadline, .. } = call;
    let answer = async {
        let reason = erase::reason(incoming).await?;
        if !is_pseudonym(&pseudonym) {
            return Err(Problem::not_found());
        }
        let store = Store::open().await.map_err(|error| unavailable(&error))?;
        let key = names::subject(&pseudonym.as_str().into());
        let subject: Option<Subject> = store.get(&key).await.map_err(|error| unavailable(&error))?;
        let subject = subject.filter(|subject| principal.covers(&subject.study_id, &subject.site_id));
        let subject = subject.ok_or_else(Problem::not_found)?;
        let begun = Begun {
            at: clock::now().rfc3339(),
            by: principal.actor.clone(),
            reason,
            meaning: principal.meaning.clone(),
        };
        let work = Work { config: &config, store: &store, subject: &subject, deadline };
        match work.carry_out(begun).await.map_err(|error| unavailable(&error))? {
            Outcome::Erased(certificate) => {
                log::info("subject-erased").key(&principal.id).write();
                Ok(Reply::json(200, &certificate))
            }
            Outcome::Left(left) => {
                let (pseudonym, left) = (&subject.subject, left.max(1));
                Ok(Reply::json(202, &Erasing { pseudonym, state: "erasing", left }))
            }
        }
    };
    within(deadline, &config.redis, answer).await
}

/// The erasure of a subject, within a request.
struct Work<'a> {
    config: &'a Config,
    store: &'a Store,
    subject: &'a Subject,
    deadline: Deadline,
}

impl Work<'_> {
    async fn carry_out(&self, begun: Begun) -> Result<Outcome, Error> {
        let (redis, pseudonym) = (self.redis(), &self.subject.subject);
        if let Some(certificate) = subject::standing(redis, self.store, self.subject).await? {
            return Ok(Outcome::Erased(certificate));
        }
        let mut progress = subject::begin(redis, pseudonym, &begun).await?;
        loop {
            subject::destroy_keys(redis, self.store, pseudonym, &mut progress).await?;
            let left = self.round(&progress).await?;
            // New keys are those of a document that came in meanwhile: it is in the list now, or will be.
            let left = if left == 0 { u64::from(subject::has_keys(self.store, pseudonym).await?) } else { left };
            if left == 0 {
                return subject::end(redis, self.store, self.subject, &progress.begun).await.map(Outcome::Erased);
            }
            if self.is_late() {
                return Ok(Outcome::Left(left));
            }
            clock::sleep(PAUSE).await;
        }
    }

    fn redis(&self) -> &Redis {
        &self.config.redis
    }

    fn is_late(&self) -> bool {
        self.deadline.left() < LAST
    }

    /// Erases what is in the subject's lists, as far as there is time. Returns how much is left then, or waits.
    async fn round(&self, progress: &Progress) -> Result<u64, Error> {
        let (redis, pseudonym, begun) = (self.redis(), &self.subject.subject, &progress.begun);
        let author =
            Author { at: &begun.at, actor: &begun.by, reason: &begun.reason, meaning: begun.meaning.as_deref() };
        let open = self.submissions(&author).await? || self.analyses(&author).await? || self.links(&author).await?;
        if open {
            return Ok(subject::left(redis, pseudonym).await?.max(1));
        }
        subject::sweep(redis, pseudonym).await?;
        let waits = u64::from(self.scores_wait(progress.began_ms).await?) + subject::waiting(redis, pseudonym).await?;
        // Read last: what was waited for is in the list now.
        Ok(waits + subject::left(redis, pseudonym).await?)
    }

    /// Erases the submissions in the timeline. Returns whether there was no time for all. At least one is erased.
    async fn submissions(&self, author: &Author<'_>) -> Result<bool, Error> {
        let (redis, pseudonym) = (self.redis(), &self.subject.subject);
        let wanted = Filter { limit: PAGE as usize, ..Filter::default() };
        loop {
            let (listed, _) = timeline::list(redis, std::slice::from_ref(pseudonym), wanted).await?;
            if listed.is_empty() {
                return Ok(false);
            }
            for one in listed {
                let id = SubmissionId::from(one.id.as_str());
                if let Some(target) = Target::find(self.config, self.store, &id).await? {
                    erase::erase_one(self.config, self.store, &target, author).await?;
                }
                subject::took(redis, pseudonym, List::Submissions, &one.member()).await?;
                if self.is_late() {
                    return Ok(true);
                }
            }
        }
    }

    /// Erases the analyses of the subject. Returns whether there was no time for all. At least one is erased.
    async fn analyses(&self, author: &Author<'_>) -> Result<bool, Error> {
        let (redis, pseudonym) = (self.redis(), &self.subject.subject);
        loop {
            let ids: Vec<AnalysisId> = jobs::of_subject(redis, pseudonym, PAGE).await?;
            if ids.is_empty() {
                return Ok(false);
            }
            for id in ids {
                if let Some(tombstone) = erasure::tombstone(redis, self.store, &id, author.at).await? {
                    let why = (author.reason, author.meaning);
                    erasure::erase(redis, self.store, &tombstone, author.actor, why).await?;
                }
                subject::took(redis, pseudonym, List::Analyses, id.as_str()).await?;
                if self.is_late() {
                    return Ok(true);
                }
            }
        }
    }

    /// Takes back the links to other subjects. Returns whether others changed links meanwhile, so that some are left.
    async fn links(&self, author: &Author<'_>) -> Result<bool, Error> {
        let (redis, subject) = (self.redis(), self.subject);
        let links = links::of(self.store, &subject.subject).await?.links;
        let said = links::Author { at: author.at, by: author.actor, reason: author.reason };
        for link in links {
            let other: Option<Subject> = self.store.get(&names::subject(&link.to)).await?;
            let Some(other) = other else { continue };
            if links::change(redis, false, subject, &other, said).await? == Changed::Busy {
                return Ok(true);
            }
        }
        kv::remove_all(&[names::subject_links(&subject.subject)])?;
        Ok(false)
    }

    /// Whether something of the site that came in before the erasure began waits to be scored.
    async fn scores_wait(&self, began_ms: i64) -> Result<bool, Error> {
        let flow = names::flow(&KeyId::default(), &self.subject.study_id, &self.subject.site_id);
        let site = flow.split_once('|').map_or_else(String::new, |(_, site)| site.to_owned());
        let oldest = queue::oldest_of(self.redis(), Queue::Score, &[], &[site]).await?;
        Ok(oldest.into_iter().flatten().any(|oldest| oldest <= began_ms))
    }
}
