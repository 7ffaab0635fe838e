//! The file in which Spin keeps the key-value store `default`.

use std::time::Duration;

/// How long a write waits for another program's.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// The store's label in the file.
pub(crate) const LABEL: &str = "default";
/// The file, below the state directory.
pub(crate) const FILE: &str = "sqlite_key_value.db";
