//! Analyses of images: the jobs, and the places at services.

pub mod jobs;
pub mod semaphore;
