//! The variables of an installation, as `.env` and the environment have them.
//!
//! The file is lines of `KEY=VALUE`; a value may stand in single or double quotes, without escapes. A shell reads it
//! too: `set -a; . ./.env`. What the real environment says wins over the file.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

/// The prefix of a variable's name, in the file and in the environment.
const PREFIX: &str = "SPIN_VARIABLE_";

/// The variables by their names in lower case: those of `.env` in `dir`, those of the environment over them.
///
/// # Errors
/// When the file cannot be read.
pub fn variables(dir: &Path) -> Result<BTreeMap<String, String>> {
    Ok(named(read(&dir.join(".env"))?.1, environment()))
}

/// The variables by their names in lower case: those of the file, those of the environment over them.
pub fn named(
    file: BTreeMap<String, String>,
    environment: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let named = |(name, value): (String, String)| Some((name.strip_prefix(PREFIX)?.to_ascii_lowercase(), value));
    file.into_iter().chain(environment).filter_map(named).collect()
}

/// Reads a flag `KEY=VALUE`; the name is that of a variable, in lower case.
///
/// # Errors
/// When it has no `=`.
pub fn assignment(argument: &str) -> Result<(String, String)> {
    let (key, value) = argument.split_once('=').context("expected KEY=VALUE")?;
    Ok((key.to_ascii_lowercase(), value.to_owned()))
}

/// The name of a variable in the file and in the environment.
pub fn spelled(variable: &str) -> String {
    format!("{PREFIX}{}", variable.to_ascii_uppercase())
}

/// The text of the file and its entries; nothing if there is no file.
///
/// # Errors
/// When it cannot be read, or a line has no `=`.
pub fn read(path: &Path) -> Result<(String, BTreeMap<String, String>)> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let entries = parse(&text).with_context(|| format!("in {}", path.display()))?;
    Ok((text, entries))
}

/// The environment, as far as it is text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The entries of a file of this form.
///
/// # Errors
/// The number of the first line without a `=`.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The value stays out of the message: it may be a secret.
        let malformed = || anyhow!("line {}: expected KEY=VALUE", number + 1);
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=').ok_or_else(malformed)?;
        let unquoted = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        entries.insert(name.trim().to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_equal_signs_are_read() {
        let read = parse("# c\n\nA=1\nB='{\"x\":\"y\"}'\nC=\"two words\"\nexport D=a=b=\nE=\n").unwrap();
        let expected = [("A", "1"), ("B", "{\"x\":\"y\"}"), ("C", "two words"), ("D", "a=b="), ("E", "")];
        assert!(read.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
        assert!(parse("A=1\nnonsense").unwrap_err().to_string().contains("line 2"));
    }
}
