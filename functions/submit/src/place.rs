//! Where a refused document belongs in the counters: as much of study, site and kind as is known.
//!
//! Guarantee: a study or a site that a document names is counted only if the key covers it, so that nobody writes into
//! the figures of others. All this happens after a refusal is decided: an accepted document pays nothing for it.

use domain::intake::{ReportKind, is_name};
use platform::auth::Principal;
use platform::problem::Problem;
use platform::tally::{self, UNKNOWN};
use serde_json::Value;

use crate::config;
use crate::document::Target;

/// As much as is known.
#[derive(Default)]
pub(crate) struct Place {
    kind: Option<&'static str>,
    scope: Option<(String, String)>,
}

impl Place {
    /// What the path tells.
    pub(crate) fn of_path(&mut self, target: &Target<'_>) {
        self.kind = match target {
            Target::Survey(_) => Some("response"),
            Target::Reports => None,
        };
    }

    /// What a document with faults tells all the same.
    pub(crate) fn of_document(&mut self, body: &[u8], principal: &Principal) {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return };
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
        let Ok(config) = config::get().await else { return };
        let (study, site) =
            self.scope.as_ref().map_or((UNKNOWN, UNKNOWN), |(study, site)| (study.as_str(), site.as_str()));
        tally::refused(&config.redis, problem, study, site, self.kind.unwrap_or(UNKNOWN));
    }
}
