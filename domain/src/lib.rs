//! Vigil's rules: the meaning of a report, its scores, its alerts, and the times of retries.
//!
//! Guarantee: every function here is a pure function of its arguments. There is no IO, no clock, no randomness and no
//! async. Time, random numbers and earlier results are arguments; the result is a decision with its reason.
#![no_std]

extern crate alloc;

pub mod access;
pub mod alert;
pub mod audit;
pub mod canonical;
pub mod codebook;
pub mod deidentify;
pub mod dicom;
pub mod fhir;
mod finding;
mod hex;
pub mod ids;
mod instrument;
pub mod intake;
pub mod lab;
pub mod library;
mod number;
pub mod paper;
pub mod patient_systems;
pub mod reading;
pub mod report;
pub mod retention;
pub mod rows;
mod rule;
#[cfg(feature = "schema")]
pub mod schema;
mod score;
pub mod scrub;
pub mod selection;
pub mod self_check;
pub mod settings;
mod severity;
pub mod spreadsheet;
pub mod study;
pub mod subscriptions;
mod time;
pub mod url;

pub use finding::{Code, Finding};
pub use hex::{hex, push_hex};
pub use instrument::{Instrument, parameter::Parameters, rules::Rule};
pub use number::whole;
pub use rule::{Alert, overdue, report as report_rules, studies as study_rules};
pub use score::{Answers, History, Reason, Score, ScoreValue, Status};
pub use severity::Severity;
pub use time::Timestamp;
