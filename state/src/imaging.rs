//! Analyses of images: the jobs, the semaphore slots of services, and the addresses of requesters.

pub mod jobs;
pub mod semaphore;
pub mod webhooks;
