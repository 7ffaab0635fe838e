//! Subjects: their submissions, the ones before a given one, the expected ones, and the subjects that are one person.

pub mod course;
pub mod expected;
pub mod links;
pub mod pages;
pub mod previous;
pub mod timeline;
