//! Definitions from the outside: the front door, the store and the gRPC server.

mod server;
mod yaml;
