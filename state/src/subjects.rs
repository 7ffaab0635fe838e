//! What is known of a subject: its submissions, what precedes one, what is awaited, who is the same person.

pub mod expected;
pub mod links;
pub mod pages;
pub mod previous;
pub mod timeline;
