//! Tests Vigil from outside: real components in the host, a real Redis, real HTTP receivers.
//!
//! Every test has a Redis, a port, a folder and a receiver of its own, so all run in parallel. No test sleeps for luck:
//! it waits on a condition with a deadline. With the variable `SPIN` naming a `spin` binary, the same tests run on it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod addresses;
mod ai;
mod alerting;
mod amend;
mod amended_whose;
mod analyses;
mod analyses_end;
mod app;
mod attend;
mod audit;
mod batch;
mod bulkheads;
mod client;
mod clock;
mod content;
mod deadline;
mod deidentify;
mod delivery;
mod derived;
mod dicom;
mod erase;
mod errors;
mod evaluation;
mod faults;
mod fhir;
mod fhir_amend;
mod fhir_named;
mod fhir_out;
mod history;
mod hostile;
mod hosts;
mod identity;
mod import;
mod journey;
mod laboratory;
mod limits;
mod links;
mod monthly;
mod names;
mod newcomer;
mod notifications;
mod once;
mod openapi;
mod operate;
mod ops;
mod overdue;
mod patients;
mod persons;
mod policy;
mod queues;
mod receiver;
mod reindex;
mod reports;
mod reseal;
mod risk;
mod roles;
mod routes;
mod scarce;
mod selection;
mod self_check;
mod settings;
mod shared_entries;
mod stats;
mod studies;
mod study_admin;
mod subjects;
mod trace;
mod twice;
mod upstreams;
mod variables;
