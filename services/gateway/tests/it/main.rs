//! The gateway from the outside.

mod schema;
