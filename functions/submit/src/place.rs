//! Where a refused document belongs in the counters: as much of study, site and kind as is known.
//!
//! Guarantee: a study or a site that a document names is counted only if the key covers it, so that nobody writes into
//! the figures of others. All this happens after a refusal is decided: an accepted document pays nothing for it.

use domain::intake::{ReportKind, is_name};
use domain::reading::{Json, Limits};
use domain::rows::Row;
use platform::auth::Principal;
use platform::problem::{Problem, ProblemType};
use platform::redis::Redis;
use platform::tally::{self, UNKNOWN};
use serde_json::{Map, Value};

use crate::config;
use crate::document::Target;
use crate::row;

/// The members of a document, whatever else is wrong with it.
fn members(text: &[u8]) -> Option<Map<String, Value>> {
    match Json::read(text, Limits::DOCUMENT) {
        Ok(Json { value: Value::Object(members), .. }) => Some(members),
        _ => None,
    }
}

/// As much as is known.
#[derive(Default)]
pub(crate) struct Place {
    kind: Option<&'static str>,
    /// Whether it is only checked. What is wrong with it is no rejection then; a key that is refused counts all the same.
    checked: bool,
    scope: Option<(String, String)>,
}

impl Place {
    /// What the path tells.
    pub(crate) fn of_path(&mut self, target: &Target<'_>) {
        self.kind = match target {
            Target::Survey(_) | Target::Fhir => Some("response"),
            Target::Reports => None,
        };
    }

    /// Of what is only checked.
    pub(crate) fn checked() -> Self {
        Place { checked: true, ..Place::default() }
    }

    /// What a document with faults tells all the same.
    pub(crate) fn of_document(&mut self, body: &[u8], principal: &Principal) {
        if let Some(members) = members(body) {
            self.of_members(&members, principal);
        }
    }

    fn of_members(&mut self, members: &Map<String, Value>, principal: &Principal) {
        let said = |name: &str| members.get(name).and_then(Value::as_str);
        if self.kind.is_none() {
            self.kind = ReportKind::ALL.into_iter().map(ReportKind::as_str).find(|kind| said("kind") == Some(kind));
        }
        if let (Some(study), Some(site)) = (said("studyId"), said("siteId"))
            && is_name(study)
            && is_name(site)
            && principal.covers(study, site)
        {
            self.scope = Some((study.to_owned(), site.to_owned()));
        }
    }

    /// What a row of a batch with faults tells all the same.
    pub(crate) fn of_row(row: &Row, principal: &Principal) -> Self {
        let mut place = Place::default();
        let Row::Whole(bytes) = row else { return place };
        let Some(members) = members(bytes) else { return place };
        if row::is_response(&members) {
            place.kind = Some("response");
        }
        place.of_members(&members, principal);
        place
    }

    /// What the key tells whose scope is not that of the document.
    pub(crate) fn of_key(&mut self, principal: &Principal) {
        let (study, site) = principal.scope();
        self.scope = Some((study.to_owned(), site.to_owned()));
    }

    /// A whole document, `study|site`.
    pub(crate) fn of_scope(&mut self, scope: &str, kind: &'static str) {
        self.kind = Some(kind);
        self.scope = scope.split_once('|').map(|(study, site)| (study.to_owned(), site.to_owned()));
    }

    /// Counts the refusal.
    pub(crate) async fn count(&self, problem: &Problem) {
        if self.checked && !matches!(problem.kind(), ProblemType::Unauthenticated | ProblemType::Forbidden) {
            return;
        }
        let Ok(config) = config::get().await else { return };
        let (study, site) = self.scope();
        tally::refused(&config.redis, problem, study, site, self.kind.unwrap_or(UNKNOWN));
    }

    /// Counts a rejected row.
    pub(crate) fn count_row(&self, redis: &Redis) {
        let (study, site) = self.scope();
        tally::count(redis, "rejected", study, site, self.kind.unwrap_or(UNKNOWN), 1);
    }

    fn scope(&self) -> (&str, &str) {
        self.scope.as_ref().map_or((UNKNOWN, UNKNOWN), |(study, site)| (study, site))
    }
}
