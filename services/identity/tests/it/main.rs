//! The identity service against real stores: SQLite and Postgres, the embedded hot store, and gRPC
//! over a socket.

mod accounts;
mod announce;
mod erasure;
mod event;
mod events;
mod evidence;
mod fixture;
mod graph;
mod ledger;
mod namespaces;
mod replicas;
mod rpc;
mod schema;
mod store;
