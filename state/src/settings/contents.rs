//! The types that decisions use: what a configuration document is read as, and the contents that this instance has read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread::LocalKey;

use domain::access::Access;
use domain::alert::routes::Routes;
use domain::alert::silence::Silence;
use domain::deidentify::Policy;
use domain::patient_systems::PatientSystems;
use domain::retention::Retentions;
use domain::settings::Document;
use domain::study_rules::{self, StudyRules};
use domain::subscriptions::Subscriptions;
use serde_json::Value;

/// The contents of one type that this instance has read, by their keys in the store. They never become stale, because a
/// version never changes.
pub(super) type Known<T> = RefCell<BTreeMap<String, Rc<T>>>;

/// A type that a configuration document is read as.
///
/// Decisions need it: they must never see JSON, and must never read one document as another. So the type names the
/// document, its reader and its cache, and [`Settings::document`](super::Settings::document) needs nothing else.
pub trait Content: Sized + 'static {
    /// The document.
    const DOCUMENT: Document;

    /// Reads a stored version. Never returns `None`: the document was validated before it was stored.
    fn read(document: &Value) -> Option<Self>;

    /// The versions that this instance has read.
    #[doc(hidden)]
    fn known() -> &'static LocalKey<RefCell<BTreeMap<String, Rc<Self>>>>;
}

macro_rules! contents {
    ($($document:ident as $type:ty, by $read:expr;)+) => {$(
        impl Content for $type {
            const DOCUMENT: Document = Document::$document;

            fn read(document: &Value) -> Option<Self> {
                $read(document)
            }

            fn known() -> &'static LocalKey<Known<Self>> {
                thread_local! {
                    static KNOWN: Known<$type> = const { RefCell::new(BTreeMap::new()) };
                }
                &KNOWN
            }
        }
    )+};
}

contents! {
    AlertRoutes as Routes, by Routes::read_stored;
    Silences as Vec<Silence>, by |it| Silence::read_all(it).ok();
    AlertRules as StudyRules, by |it| study_rules::read(it).ok();
    Deidentification as Policy, by |it| Policy::read(it).ok();
    PatientSystems as PatientSystems, by |it| PatientSystems::read(it).ok();
    Retention as Retentions, by |it| Retentions::read(it).ok();
    Access as Access, by |it| Access::read(it).ok();
    Subscriptions as Subscriptions, by |it| Subscriptions::read(it).ok();
}
