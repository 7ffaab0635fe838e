//! What all readers of queries say alike.

use domain::{Code, Finding};

/// The most of a parameter's name that a finding repeats, characters.
const LONGEST_NAME: usize = 64;

/// A parameter that a path does not know. Its name is told, so that of several each is; a long one is cut.
pub fn unknown(name: &str, known: &[&str]) -> Finding {
    let name: String = name.chars().take(LONGEST_NAME).collect();
    let rule = match known {
        [] => format!("{name} is not a parameter here: this path takes none"),
        known => format!("{name} is not a parameter here: the query may hold {}", known.join(", ")),
    };
    Finding::new("", Code::Unknown, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_told_by_its_name_and_a_long_one_is_cut() {
        let told = |name: &str, known: &[&str]| unknown(name, known).detail;
        assert_eq!(told("foo", &["limit", "cursor"]), "foo is not a parameter here: the query may hold limit, cursor");
        assert_eq!(told("%C3%A9", &[]), "%C3%A9 is not a parameter here: this path takes none");
        assert!(told(&"n".repeat(10_000), &[]).len() < 128);
    }
}
