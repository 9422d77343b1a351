//! The log of changes over SQLite and PostgreSQL.

mod erase;
mod following;
mod log;
mod model;
mod prune;
mod schema;
mod scribe;
mod world;
