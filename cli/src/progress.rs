//! A bar of progress, for a person at a terminal.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

/// The time between two reports.
const PERIOD: Duration = Duration::from_millis(200);
/// The length of the bar.
const BAR: usize = 30;

/// A bar. Where nobody watches it does nothing.
pub(crate) struct Progress {
    /// The name of the counted things.
    what: &'static str,
    /// The number of all of them; it may be estimated.
    all: u64,
    /// The time of the next report; never if nobody watches.
    next: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, all: u64) -> Self {
        Progress { what, all, next: io::stderr().is_terminal().then(Instant::now) }
    }

    /// Shows how far it is: how much of everything is done, and how many things that is.
    pub(crate) fn show(&mut self, done: u64, count: u64) {
        if self.next.is_some_and(|next| Instant::now() >= next) {
            self.next = Some(Instant::now() + PERIOD);
            eprint!("\r{}", line(self.what, done, self.all, count));
        }
    }

    /// Removes the bar.
    pub(crate) fn end(self) {
        if self.next.is_some() {
            eprint!("\r{:1$}\r", "", BAR + self.what.len() + 30);
        }
    }
}

fn line(what: &str, done: u64, all: u64, count: u64) -> String {
    let share = (done.min(all) * 100).checked_div(all).unwrap_or(100);
    let filled = usize::try_from(share).unwrap_or(100) * BAR / 100;
    format!("[{}{}] {share:3} %  {count} {what}", "#".repeat(filled), "-".repeat(BAR - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        assert_eq!(line("rows", 0, 8, 0), "[------------------------------]   0 %  0 rows");
        assert_eq!(line("rows", 4, 8, 7), "[###############---------------]  50 %  7 rows");
        assert_eq!(line("rows", 9, 8, 9), "[##############################] 100 %  9 rows");
        assert_eq!(line("rows", 0, 0, 0), "[##############################] 100 %  0 rows");
    }
}
