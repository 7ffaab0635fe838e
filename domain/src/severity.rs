//! Severities, and the order with the worst first.

use alloc::vec::Vec;

/// The severity of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Info,
    /// To be seen at the next opportunity.
    Moderate,
    /// To be seen today.
    High,
    /// To be seen now.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Severity; 4] = [Severity::Info, Severity::Moderate, Severity::High, Severity::Critical];

    /// The severity's name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Moderate => "moderate",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity with this name.
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// Sorts by rank, the highest first, and keeps the order of equal ranks. The lists are short, and the general sort
/// costs 4 KB of code per type.
pub(crate) fn worst_first<T, R: Ord>(found: impl Iterator<Item = T>, rank: impl Fn(&T) -> R) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::new();
    for one in found {
        let place = sorted.partition_point(|other| rank(other) >= rank(&one));
        sorted.insert(place, one);
    }
    sorted
}
