//! Calls from the outside: validation by the contracts, and the layer around servers.

mod http;
mod server;
mod unread;
mod validation;
