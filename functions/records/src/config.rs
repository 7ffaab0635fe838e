//! What reads and operations need to know, read once per instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use platform::auth::Keys;
use platform::config::{Faults, Reader, once};
use platform::identity::{IdentityKey, PseudonymKey};
use platform::redis::{PATIENCE, Redis};

use crate::services::{Place, Service};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    /// The key that seals identities, then those that did before.
    pub(crate) identities: Vec<IdentityKey>,
    pub(crate) identity_looks_per_minute: u32,
    pub(crate) pseudonyms: PseudonymKey,
    /// The parts of a patient's record.
    pub(crate) record_parts: Vec<Service>,
    /// The services, at most one, that know what a study is.
    pub(crate) study_service: Vec<Service>,
    /// The services of a study's monthly report.
    pub(crate) report_parts: Vec<Service>,
    pub(crate) ready_max_age: Duration,
    /// Between two self-checks; zero for none.
    pub(crate) self_check: Duration,
    /// Which hosts are asked whether their variables are sound; none where nobody hears it.
    pub(crate) replica: Option<String>,
}

/// The places in the URLs of services.
const PATIENT: &[Place] = &[("{patientId}", 512), ("{studyId}", 64), ("{siteId}", 64)];
const STUDY: &[Place] = &[("{studyId}", 64)];
const MONTH: &[Place] = &[("{studyId}", 64), ("{month}", 7)];

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

/// The configuration of this instance.
pub(crate) async fn get() -> Result<Rc<Config>, Faults> {
    once(&CONFIG, read).await
}

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let identity_key = IdentityKey::new(reader.key("identity_key", 32..=32).await);
    let older = reader.parsed("identity_keys_old", IdentityKey::read_list).await;
    Config {
        redis: Redis::patient(&reader.redis().await, PATIENCE),
        keys: reader.parsed("api_keys", Keys::read).await,
        identities: std::iter::once(identity_key).chain(older).collect(),
        identity_looks_per_minute: reader.number("identity_looks_per_minute", 1..=10_000).await,
        pseudonyms: PseudonymKey::new(reader.key("pseudonym_key", 32..=1024).await),
        record_parts: reader.parsed("record_parts", |text| Service::read_list(text, PATIENT)).await,
        study_service: reader.parsed("study_service", |text| Service::read_list(text, STUDY)).await,
        report_parts: reader.parsed("report_parts", |text| Service::read_list(text, MONTH)).await,
        ready_max_age: reader.seconds("ready_max_age_seconds", 1..=86_400).await,
        self_check: reader.seconds("self_check_seconds", 0..=86_400).await,
        replica: reader.parsed("replica", replica).await,
    }
}

/// Reads only the variables that it takes to ask the other components.
pub(crate) async fn asking() -> (Redis, Option<String>) {
    let mut reader = Reader::default();
    let redis = Redis::patient(&reader.redis().await, PATIENCE);
    (redis, reader.parsed("replica", replica).await)
}

fn replica(text: &str) -> Result<Option<String>, Vec<String>> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if text.len() > 253 || !plain {
        return Err(vec!["must be at most 253 letters, digits, hyphens and dots".to_owned()]);
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}
