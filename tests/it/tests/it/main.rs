//! Scenarios over whole processes: real data against a plain computation, and four services on real servers.

mod four_processes;
mod process;
mod real_data;
