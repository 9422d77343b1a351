//! The contract suite on every store, and what each does when its process is killed.

mod crash;
mod deployments;
mod embedded;
mod gathered;
mod installations;
mod memory;
mod redis;
mod schema;
mod scrub;
