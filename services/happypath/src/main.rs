//! The command line of Happypath: starts it, feeds it, asks it.

use std::process::ExitCode;

/// Many small allocations by several threads are what this program does all day; this allocator is
/// made for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    happypath::run(std::env::args_os())
}
