//! The configuration of this component, read once per instance.

use std::rc::Rc;

use platform::redis::Redis;
use platform::variables::Reader;
use state::edge::auth::Keys;
use state::edge::services::{Placeholder, Service};
use state::health::same_key;
use state::identity::{KeyRing, PseudonymKey};
use state::variables;

use crate::ROUTES;

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    /// The keys of identities and of subjects' keys.
    pub(crate) ring: Rc<KeyRing>,
    pub(crate) identity_looks_per_minute: u32,
    pub(crate) pseudonyms: PseudonymKey,
    /// The services of a patient's record.
    pub(crate) record_parts: Vec<Service>,
    /// The services of a study's monthly report.
    pub(crate) report_parts: Vec<Service>,
}

/// The placeholders in the URLs of services.
const PATIENT: &[Placeholder] = &[("{patientId}", 512), ("{studyId}", 64), ("{siteId}", 64)];
const MONTH: &[Placeholder] = &[("{studyId}", 64), ("{month}", 7)];

state::component!(Config, ROUTES, read, ENDS = false, LOOKS = true; signed signature_seconds);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let redis = variables::redis(reader).await;
    Config {
        pseudonyms: PseudonymKey::new(same_key::pseudonym_key(reader, &redis).await),
        redis,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        signature_seconds: reader.read(&variables::SIGNATURE_SECONDS).await,
        ring: Rc::new(KeyRing::read(reader, &variables::IDENTITY_KEY, &variables::IDENTITY_KEYS_OLD).await),
        identity_looks_per_minute: reader.read(&variables::IDENTITY_LOOKS_PER_MINUTE).await,
        record_parts: reader.parsed(&variables::RECORD_PARTS, |text| Service::read_list(text, PATIENT)).await,
        report_parts: reader.parsed(&variables::REPORT_PARTS, |text| Service::read_list(text, MONTH)).await,
    }
}
