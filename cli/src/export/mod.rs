//! `vigilctl export`: the submissions of a study as files, with the definitions that scored them and a manifest.
//!
//! Guarantee: rows are those of `GET /v1/studies/{study}/submissions`, by the same code, in the order of the journal. What
//! has a manifest is whole. Exports that continue each other have every submission, and say which ones changed since. Who
//! has the files needs nothing else to prove the scores. Memory does not grow with the study.
//!
//! Mechanism: it follows the study's journal once and gives each row to the writers of all forms.

mod columns;
pub mod definitions;
pub mod folder;
pub mod job;
pub mod manifest;
mod odm;
mod rows;
mod writers;

use std::rc::Rc;

use anyhow::{Context as _, Result};
use platform::clock;
use platform::kv::{self, Location, Store};
use platform::redis::{PATIENCE, Redis};
use state::wire::sealed::{KeyRing, Opener};

use crate::progress::Progress;
use job::Job;
use manifest::Manifest;
use rows::Rows;
use writers::Writers;

/// Exports a study.
///
/// # Errors
/// When there is no such study, or the store, Redis or the folder cannot be used. No manifest is written then.
pub fn run(job: Job, location: &Location, redis_url: &str, ring: &Rc<KeyRing>) -> Result<Manifest> {
    crate::block_on(async {
        kv::open_at(location)?;
        let (redis, store) = (Redis::patient(redis_url, PATIENCE), Store::open().await?);
        let Job { study, formats, after, number, sites, bom, folder } = job;
        let rows = Rows::open(&redis, (&store, Opener::new(ring)), &study, &sites, after).await?;
        let mut rows = rows.with_context(|| format!("there is no submission of a study {study}"))?;
        folder.begin()?;
        let mut writers = Writers::open(&redis, folder, &formats, bom, (number, after.is_none())).await?;
        let mut progress = Progress::new("submissions", rows.about());
        let each = rows.each(async |told, read| {
            writers.take(&told).await?;
            progress.show(read, writers.rows);
            Ok(())
        });
        each.await?;
        progress.end();
        let manifest = Manifest {
            study: study.clone(),
            number,
            made_at: clock::now().rfc3339(),
            made_by: concat!("vigilctl ", env!("CARGO_PKG_VERSION")).to_owned(),
            formats: formats.clone(),
            bom,
            sites: sites.clone(),
            after: after.map(|after| after.to_string()),
            cursor: rows.after.to_string(),
            rows: writers.rows,
            files: Vec::new(),
            definitions: Vec::new(),
        };
        writers.publish(manifest)
    })
}

#[cfg(test)]
mod tests;
