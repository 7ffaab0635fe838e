//! Silences: each is an entry of the document `silences`.

use domain::Timestamp;
use domain::alert::silence::Silence;
use domain::settings::Document;
use platform::redis::Redis;
use platform::{Error, Kind};
use serde_json::Value;

use crate::names;
use crate::settings::{self, Settings, Version};

/// The document.
pub const DOCUMENT: Document = Document::Silences;

/// The silences in force, and the version of the document; 0 if there is none.
///
/// # Errors
/// [`Kind::Unavailable`] when Redis or the store is unavailable, or the document cannot be read.
pub async fn read(redis: &Redis) -> Result<(Vec<Value>, Option<Version>), Error> {
    let settings = Settings::in_force(redis).await?;
    let Some(version) = settings.index().documents.get(DOCUMENT.as_str()) else { return Ok((Vec::new(), None)) };
    let key = names::config(DOCUMENT.as_str(), version.version);
    let bytes = settings::bytes(redis, &key).await?;
    let unreadable = || Error::new("settings", Kind::Unavailable, "the silences cannot be read");
    let list = bytes.and_then(|bytes| platform::json::read(&bytes).ok()).ok_or_else(unreadable)?;
    Ok((list, Some(version.clone())))
}

/// Whether a silence is in the future, active or over.
pub fn state(silence: &Silence, now: Timestamp) -> &'static str {
    match () {
        () if now < silence.start => "pending",
        () if now < silence.end => "active",
        () => "ended",
    }
}
