//! The log against its contract: in memory, in SQLite, in Postgres; and what only a real database
//! does.

mod chance;
mod deployed;
mod erasure;
mod events;
mod interleavings;
mod joined;
mod journaled;
mod memory;
mod outage;
mod receipts;
mod repartition;
mod repeated;
mod retention;
mod schema;
mod sql;
mod weight;
