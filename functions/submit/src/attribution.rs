//! Attribution: the labels under which a refusal is counted, as much of study, site and kind as is known.
//!
//! Guarantee: a study or a site that a document names is counted only if the key covers it, so that nobody changes the
//! figures of others. All this happens after the refusal is decided: it costs an accepted document nothing.

use domain::ids::{SiteId, StudyId, is_name};
use domain::intake::ReportKind;
use domain::reading::{Json, Limits};
use domain::rows::Row;
use platform::redis::Redis;
use serde_json::{Map, Value};
use state::edge::auth::Principal;
use state::edge::problem::{Problem, ProblemType};
use state::figures::refusals::{self, UNKNOWN};

use crate::config;
use crate::document::Target;
use crate::row;

/// Reads the members of a document, whatever other faults it has.
fn members(text: &[u8]) -> Option<Map<String, Value>> {
    match Json::read(text, Limits::DOCUMENT) {
        Ok(Json { value: Value::Object(members), .. }) => Some(members),
        _ => None,
    }
}

/// The labels, as far as they are known.
#[derive(Default)]
pub(crate) struct Attribution {
    kind: Option<&'static str>,
    /// True for a validation only. Its faults are not counted as rejections; a refused key is counted all the same.
    checked: bool,
    scope: Option<(String, String)>,
}

impl Attribution {
    /// Takes the labels from the path.
    pub(crate) fn of_path(&mut self, target: &Target<'_>) {
        self.kind = match target {
            Target::Survey(_) | Target::Fhir => Some("response"),
            Target::Reports => None,
        };
    }

    /// The labels of a request that only validates.
    pub(crate) fn checked() -> Self {
        Attribution { checked: true, ..Attribution::default() }
    }

    /// Takes the labels from a document that has faults.
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
            && principal.covers(&StudyId::from(study), &SiteId::from(site))
        {
            self.scope = Some((study.to_owned(), site.to_owned()));
        }
    }

    /// Takes the labels from a row of a batch that has faults.
    pub(crate) fn of_row(row: &Row, principal: &Principal) -> Self {
        let mut place = Attribution::default();
        let Row::Whole(bytes) = row else { return place };
        let Some(members) = members(bytes) else { return place };
        if row::is_response(&members) {
            place.kind = Some("response");
        }
        place.of_members(&members, principal);
        place
    }

    /// Takes the labels from a key whose scope does not cover the document.
    pub(crate) fn of_key(&mut self, principal: &Principal) {
        let (study, site) = principal.scope();
        self.scope = Some((study.to_owned(), site.to_owned()));
    }

    /// Takes the labels of a document without faults from its scope, `study|site`.
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
        refusals::refused(&config.redis, problem.outcome(), study, site, self.kind.unwrap_or(UNKNOWN));
    }

    /// Counts a rejected row.
    pub(crate) fn count_row(&self, redis: &Redis) {
        let (study, site) = self.scope();
        refusals::count(redis, "rejected", study, site, self.kind.unwrap_or(UNKNOWN), 1);
    }

    fn scope(&self) -> (&str, &str) {
        self.scope.as_ref().map_or((UNKNOWN, UNKNOWN), |(study, site)| (study, site))
    }
}
