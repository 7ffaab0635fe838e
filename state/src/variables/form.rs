//! Forms of variables that only Vigil has.

use platform::variables::{Form, json};

/// Delays in seconds: a JSON array of at most so many, each at most so long.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// The most delays.
    pub count: usize,
    /// The longest delay, seconds.
    pub longest: u32,
}

impl Form for Delays {
    /// Milliseconds.
    type Value = Vec<u64>;

    fn read(&self, text: &str) -> Option<Vec<u64>> {
        let seconds: Vec<f64> = json(text, "").ok()?;
        let sound = seconds.len() <= self.count && seconds.iter().all(|it| (0.0..=self.longest.into()).contains(it));
        sound.then(|| seconds.into_iter().map(|delay| (delay * 1000.0) as u64).collect())
    }

    fn rule(&self) -> String {
        format!("a JSON array of at most {} delays, in seconds from 0 to {}", self.count, self.longest)
    }

    fn bounds(&self) -> String {
        format!("at most {} delays from 0 to {}", self.count, self.longest)
    }
}

/// A part of a channel's name: at most so many characters.
#[derive(Debug, Clone, Copy)]
pub struct Label(pub usize);

impl Form for Label {
    type Value = String;

    fn read(&self, text: &str) -> Option<String> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        (plain && text.len() <= self.0).then(|| text.to_owned())
    }

    fn rule(&self) -> String {
        self.bounds()
    }

    fn bounds(&self) -> String {
        format!("at most {} letters, digits, hyphens and dots", self.0)
    }
}

/// What becomes of submissions for studies that have no document: `allow` or `refuse`.
#[derive(Debug, Clone, Copy)]
pub struct UnknownStudies;

impl Form for UnknownStudies {
    /// Whether they are refused.
    type Value = bool;

    fn read(&self, text: &str) -> Option<bool> {
        match text {
            "allow" => Some(false),
            "refuse" => Some(true),
            _ => None,
        }
    }

    fn rule(&self) -> String {
        self.bounds()
    }

    fn bounds(&self) -> String {
        "`allow` or `refuse`".to_owned()
    }
}
