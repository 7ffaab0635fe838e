//! Analyses of images: the jobs, and the semaphore slots of services.

pub mod jobs;
pub mod semaphore;
