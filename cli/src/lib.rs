//! The operator's program `vigilctl` as a library: scoring of files, and what is done to an installation's data.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub mod environment;
pub mod reindex;
pub mod reseal;
pub mod score;
mod store;

/// The file named, or the nearest spin.toml: cargo runs us in whatever directory the person is in.
///
/// # Errors
/// When there is none.
pub fn find_spin_toml(named: Option<PathBuf>) -> Result<PathBuf> {
    let file = match named {
        Some(file) => file,
        None => {
            let here = std::env::current_dir()?;
            let candidate = here.ancestors().map(|dir| dir.join("spin.toml")).find(|file| file.is_file());
            candidate.with_context(|| format!("no spin.toml in {} or above it", here.display()))?
        }
    };
    file.canonicalize().with_context(|| format!("cannot find {}", file.display()))
}
