//! Configuration documents: what operators change while Vigil runs.
//!
//! A document is one JSON value under a fixed name, checked as a whole before it is stored. What is not stored is as
//! Vigil comes: every document has a meaning when it is absent.

use alloc::vec::Vec;

use serde_json::Value;

use crate::alert::routes::Routes;
use crate::alert::silence::Silence;
use crate::deidentify::Policy;
use crate::patient_systems::PatientSystems;
use crate::{Finding, study_rules};

/// A configuration document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// Who is told about alerts, when and how.
    AlertRoutes,
    /// Which alerts are recorded and not sent for a while.
    Silences,
    /// Alert rules of studies, beside or in place of the instruments' own.
    AlertRules,
    /// What is taken out of the reports of a study.
    Deidentification,
    /// Which systems give out the patient ids of sites.
    PatientSystems,
}

impl Document {
    /// All documents.
    pub const ALL: [Document; 5] = [
        Document::AlertRoutes,
        Document::Silences,
        Document::AlertRules,
        Document::Deidentification,
        Document::PatientSystems,
    ];

    /// The document's name, as paths spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Document::AlertRoutes => "alert-routes",
            Document::Silences => "silences",
            Document::AlertRules => "alert-rules",
            Document::Deidentification => "deidentification",
            Document::PatientSystems => "patient-systems",
        }
    }

    /// The document of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Document::ALL.into_iter().find(|document| document.as_str() == name)
    }

    /// Every fault of a content for this document.
    pub fn check(self, content: &Value) -> Vec<Finding> {
        match self {
            Document::AlertRoutes => Routes::read(content).err().unwrap_or_default(),
            Document::Silences => Silence::read_all(content).err().unwrap_or_default(),
            Document::AlertRules => study_rules::read(content).err().unwrap_or_default(),
            Document::Deidentification => Policy::read(content).err().unwrap_or_default(),
            Document::PatientSystems => PatientSystems::read(content).err().unwrap_or_default(),
        }
    }
}
