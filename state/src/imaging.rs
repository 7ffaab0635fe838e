//! Analyses of images: the jobs, their erasure, the semaphore slots of services, and the addresses of requesters.

pub mod erasure;
pub mod jobs;
pub mod semaphore;
pub mod webhooks;
