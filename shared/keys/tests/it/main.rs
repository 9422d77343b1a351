//! Keys from the outside: the table, and what a process knows of it.

mod schema;
mod service_key;
mod store;
