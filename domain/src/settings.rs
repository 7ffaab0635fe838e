//! Configuration documents: the settings that operators change while Vigil runs.
//!
//! A document is one JSON value under a fixed name, checked as a whole before it is stored. Every document has a
//! default meaning if it is absent.

use alloc::vec::Vec;

use serde_json::Value;

use crate::access::Access;
use crate::alert::routes::Routes;
use crate::alert::silence::Silence;
use crate::deidentify::Policy;
use crate::patient_systems::PatientSystems;
use crate::retention::Retentions;
use crate::subscriptions::Subscriptions;
use crate::{Finding, study_rules};

/// A configuration document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// Receivers of alerts, times and channels.
    AlertRoutes,
    /// Alerts that are recorded and not sent for a while.
    Silences,
    /// Alert rules of studies, in addition to or instead of the instruments' own.
    AlertRules,
    /// The parts that are removed from the reports of a study.
    Deidentification,
    /// The systems that assign the patient ids of sites.
    PatientSystems,
    /// Systems that are told of events.
    Subscriptions,
    /// The grants of persons who sign in by an identity provider.
    Access,
    /// How long studies keep what they have, and what must not be erased.
    Retention,
}

impl Document {
    /// All documents.
    pub const ALL: [Document; 8] = [
        Document::AlertRoutes,
        Document::Silences,
        Document::AlertRules,
        Document::Deidentification,
        Document::PatientSystems,
        Document::Subscriptions,
        Document::Access,
        Document::Retention,
    ];

    /// The document's name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Document::AlertRoutes => "alert-routes",
            Document::Silences => "silences",
            Document::AlertRules => "alert-rules",
            Document::Deidentification => "deidentification",
            Document::PatientSystems => "patient-systems",
            Document::Subscriptions => "subscriptions",
            Document::Access => "access",
            Document::Retention => "retention",
        }
    }

    /// The document with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Document::ALL.into_iter().find(|document| document.as_str() == name)
    }

    /// The section of a study's document that decides for the study in place of this document.
    pub fn section(self) -> Option<&'static str> {
        match self {
            Document::AlertRules => Some("alertRules"),
            Document::Deidentification => Some("deidentification"),
            Document::PatientSystems => Some("patientSystems"),
            Document::AlertRoutes
            | Document::Silences
            | Document::Subscriptions
            | Document::Access
            | Document::Retention => None,
        }
    }

    /// All faults of a content for this document.
    pub fn check(self, content: &Value) -> Vec<Finding> {
        match self {
            Document::AlertRoutes => Routes::read(content).err().unwrap_or_default(),
            Document::Silences => Silence::read_all(content).err().unwrap_or_default(),
            Document::AlertRules => study_rules::read(content).err().unwrap_or_default(),
            Document::Deidentification => Policy::read(content).err().unwrap_or_default(),
            Document::PatientSystems => PatientSystems::read(content).err().unwrap_or_default(),
            Document::Subscriptions => Subscriptions::read(content).err().unwrap_or_default(),
            Document::Access => Access::read(content).err().unwrap_or_default(),
            Document::Retention => Retentions::read(content).err().unwrap_or_default(),
        }
    }
}
