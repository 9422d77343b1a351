//! The audit log on real databases.

mod fixture;
mod layer;
mod log;
mod schema;
mod subjects;
