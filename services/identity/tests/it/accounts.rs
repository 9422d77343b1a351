//! Accounts: found and made by groups of events, with their members.

mod events;
mod ingest;
mod ingest_faults;
mod ingest_members;
mod ingest_paths;
mod ingest_retries;
mod ingest_statements;
mod store;
mod store_buying_group;
mod store_property;
mod store_reference;
mod store_spans;
mod store_town;
mod world;
