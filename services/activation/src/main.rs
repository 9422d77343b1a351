//! Activation as its own process.

use std::process::ExitCode;

/// Many small allocations by several threads are what this program does all day; this allocator is made for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runtime::run_binary(activation::NAME, activation::start)
}
