//! The settings that a study has of its own, in place of the installation's documents.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::ids::StudyId;
use domain::study::as_document;
use platform::redis::{Redis, string, text};
use platform::{Error, log};
use serde_json::{Map, Value};

use crate::names;
use crate::settings::contents::Content;
use crate::settings::{Settings, unreadable};

/// The most studies that an instance knows at once.
const MOST_KNOWN: usize = 1000;
/// For how long a caller believes what nothing compares.
const BELIEVED: Duration = Duration::from_secs(1);

/// One state of a study's own settings.
#[derive(Clone, Default)]
pub struct Own(Rc<State>);

#[derive(Default)]
struct State {
    study: StudyId,
    /// Empty if the study has no settings of its own.
    revision: String,
    sections: Map<String, Value>,
}

thread_local! {
    /// What this instance knows, and when it asked for it.
    static KNOWN: RefCell<BTreeMap<StudyId, (Own, Instant)>> = const { RefCell::new(BTreeMap::new()) };
}

/// Keeps what was asked for at this time, unless what is known was asked for later.
fn know(own: &Own, asked: Instant) {
    KNOWN.with_borrow_mut(|known| {
        if known.get(&own.0.study).is_some_and(|(_, later)| *later > asked) {
            return;
        }
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(own.0.study.clone(), (own.clone(), asked));
    });
}

impl Own {
    /// What this instance knows of a study; nothing, if it never looked. It may be old: a caller that decides by it lets a
    /// script compare the revision.
    pub fn known(study: &StudyId) -> Self {
        KNOWN.with_borrow(|known| known.get(study).map(|(own, _)| own.clone())).unwrap_or_default()
    }

    /// What was in force within the last second.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn recent(redis: &Redis, study: &StudyId) -> Result<Self, Error> {
        Own::believed(redis, study, None).await
    }

    /// What was in force within the last second, and not before this moment: whatever was stored before it is seen.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn since(redis: &Redis, study: &StudyId, moment: Instant) -> Result<Self, Error> {
        Own::believed(redis, study, Some(moment)).await
    }

    async fn believed(redis: &Redis, study: &StudyId, since: Option<Instant>) -> Result<Self, Error> {
        let known = KNOWN.with_borrow(|known| known.get(study).cloned());
        match known {
            Some((own, at)) if at.elapsed() < BELIEVED && since.is_none_or(|since| at >= since) => Ok(own),
            _ => Own::in_force(redis, study).await,
        }
    }

    /// What is in force.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`].
    pub async fn in_force(redis: &Redis, study: &StudyId) -> Result<Self, Error> {
        Own::asked(redis, study).await?.ok_or_else(unreadable)
    }

    /// What is in force; none if it cannot be read.
    async fn asked(redis: &Redis, study: &StudyId) -> Result<Option<Self>, Error> {
        let asked = Instant::now();
        let fields = [text(names::study(study)), text("own"), text("settings")];
        let reply = redis.command("HMGET", fields.into()).await?;
        let [revision, sections] = reply.as_slice() else { return Err(unreadable()) };
        let revision = string(revision).unwrap_or_default();
        let sections = match string(sections).filter(|_| !revision.is_empty()) {
            Some(sections) => match platform::json::read(sections.as_bytes()) {
                Ok(sections) => sections,
                Err(_) => {
                    log::error("setting-unreadable").outcome("unreadable").write();
                    return Ok(None);
                }
            },
            None => Map::new(),
        };
        let own = Own(Rc::new(State { study: study.clone(), revision, sections }));
        know(&own, asked);
        Ok(Some(own))
    }

    /// The revision, for scripts; empty if the study has no settings of its own.
    pub fn revision(&self) -> &str {
        &self.0.revision
    }

    /// The version of the study's document that has these settings; none if it has none.
    pub fn version(&self) -> Option<u64> {
        self.0.revision.split('.').next()?.parse().ok()
    }

    /// The study's own settings of this type, in the form of the configuration document; none if the study has none.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`] when they cannot be read. Deciding without them would be wrong.
    pub fn section<T: Content>(&self) -> Result<Option<Rc<T>>, Error> {
        let State { study, revision, sections } = &*self.0;
        let Some(section) = T::DOCUMENT.section().and_then(|name| sections.get(name)) else { return Ok(None) };
        let key = [names::STUDY, study.as_str(), "/", revision].concat();
        if let Some(known) = T::known().with_borrow(|all| all.get(&key).cloned()) {
            return Ok(Some(known));
        }
        let Some(read) = T::read(&as_document(study.as_str(), section)).map(Rc::new) else {
            log::error("setting-unreadable").outcome("unreadable").write();
            return Err(unreadable());
        };
        T::known().with_borrow_mut(|all| all.insert(key, Rc::clone(&read)));
        Ok(Some(read))
    }

    /// The settings of this type in force for the study: its own, or else those of the installation's document.
    ///
    /// # Errors
    /// [`platform::Kind::Unavailable`] when they cannot be loaded or read.
    pub async fn document<T: Content>(&self, redis: &Redis, settings: &Settings) -> Result<Option<Rc<T>>, Error> {
        match self.section()? {
            Some(own) => Ok(Some(own)),
            None => settings.document(redis).await,
        }
    }
}

/// What is in force of those of these studies that have settings of their own; none where it cannot be read.
///
/// # Errors
/// [`platform::Kind::Unavailable`].
pub async fn of_all(redis: &Redis, studies: &BTreeSet<&StudyId>) -> Result<BTreeMap<StudyId, Option<Own>>, Error> {
    let mut found = BTreeMap::new();
    if studies.is_empty() {
        return Ok(found);
    }
    let fields = [text(names::STUDIES_OWN)].into_iter().chain(studies.iter().map(|study| text(study.as_str())));
    let revisions = redis.command("HMGET", fields.collect()).await?;
    for (study, revision) in studies.iter().zip(&revisions) {
        let Some(revision) = string(revision) else { continue };
        let known = Own::known(study);
        let own = if known.revision() == revision { Some(known) } else { Own::asked(redis, study).await? };
        found.insert((*study).clone(), own);
    }
    Ok(found)
}
