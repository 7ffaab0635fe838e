//! The configuration of this component, read once per instance.

use platform::redis::Redis;
use platform::variables::Reader;
use state::edge::auth::Keys;
use state::health::same_key;
use state::identity::{IdentityKey, PseudonymKey};
use state::variables;

use crate::ROUTES;
use crate::services::{Placeholder, Service};

pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
    pub(crate) signature_seconds: u32,
    /// The key that seals identities now, then the earlier keys.
    pub(crate) identities: Vec<IdentityKey>,
    pub(crate) identity_looks_per_minute: u32,
    pub(crate) pseudonyms: PseudonymKey,
    /// The services of a patient's record.
    pub(crate) record_parts: Vec<Service>,
    /// The service that describes studies, at most one.
    pub(crate) study_service: Vec<Service>,
    /// The services of a study's monthly report.
    pub(crate) report_parts: Vec<Service>,
}

/// The placeholders in the URLs of services.
const PATIENT: &[Placeholder] = &[("{patientId}", 512), ("{studyId}", 64), ("{siteId}", 64)];
const STUDY: &[Placeholder] = &[("{studyId}", 64)];
const MONTH: &[Placeholder] = &[("{studyId}", 64), ("{month}", 7)];

state::component!(Config, ROUTES, read, ENDS = false, LOOKS = true; signed signature_seconds);

/// Reads the variables.
pub(crate) async fn read(reader: &mut Reader) -> Config {
    let identity_key = IdentityKey::new(reader.read(&variables::IDENTITY_KEY).await);
    let older = reader.parsed(&variables::IDENTITY_KEYS_OLD, IdentityKey::read_list).await;
    let redis = variables::redis(reader).await;
    Config {
        pseudonyms: PseudonymKey::new(same_key::pseudonym_key(reader, &redis).await),
        redis,
        keys: Keys::of(reader, variables::OF_KEYS).await,
        signature_seconds: reader.read(&variables::SIGNATURE_SECONDS).await,
        identities: std::iter::once(identity_key).chain(older).collect(),
        identity_looks_per_minute: reader.read(&variables::IDENTITY_LOOKS_PER_MINUTE).await,
        record_parts: reader.parsed(&variables::RECORD_PARTS, |text| Service::read_list(text, PATIENT)).await,
        study_service: reader.parsed(&variables::STUDY_SERVICE, |text| Service::read_list(text, STUDY)).await,
        report_parts: reader.parsed(&variables::REPORT_PARTS, |text| Service::read_list(text, MONTH)).await,
    }
}
