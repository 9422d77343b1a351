//! Tells of panics in the log, without the values that caused them.

use std::panic::PanicHookInfo;

use kernel::panic_text;

/// Has panics told in the log. Their texts may quote data of customers, and the default hook of
/// Rust writes them out as they are.
pub(super) fn tell_in_log() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("a panic without a text");
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        location,
        thread = thread.name(),
        text = panic_text(text),
        "a thread panicked"
    );
}
