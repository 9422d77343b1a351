//! Scenarios over whole processes: real data against a plain computation, and four services on real
//! servers. Beside them, the rules that the sources themselves keep.

mod audit;
mod bad_start;
mod draining;
mod faults;
mod four_processes;
mod gateway;
mod history;
mod memory;
mod process;
mod random;
mod reads;
mod real_data;
mod rolling;
mod secured;
mod side_by_side;
mod suite;
mod telemetry;
mod tidy;
mod versions;
