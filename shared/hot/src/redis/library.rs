//! The function library: its source, its version and its names.

use std::sync::LazyLock;

use kernel::StableHash;

/// The functions of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Install,
    Open,
    Commit,
    Append,
    AppendTogether,
    Frontier,
    Unread,
    Trim,
    TrimOutbox,
    Quarantined,
    Repack,
    CloseGate,
    HoldGate,
    OpenGate,
    RestoreStates,
    RestoreCommits,
    RestoreStream,
}

/// The library as this program knows it.
#[derive(Debug)]
pub(super) struct Library {
    /// What to load.
    pub(super) source: String,
    version: String,
}

/// The library. Its version is made from its source, so that programs of two releases can share a server while one
/// replaces the other.
pub(super) static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let template = include_str!("happypath.lua");
    let version = format!(
        "{:016x}",
        StableHash::new().with(template.as_bytes()).finish()
    );
    Library {
        source: template.replace("@VERSION@", &version),
        version,
    }
});

impl Library {
    /// The name of a function.
    pub(super) fn name(&self, function: Function) -> String {
        let name = match function {
            Function::Install => "install",
            Function::Open => "open",
            Function::Commit => "commit",
            Function::Append => "append",
            Function::AppendTogether => "append_together",
            Function::Frontier => "frontier",
            Function::Unread => "unread",
            Function::Trim => "trim",
            Function::TrimOutbox => "trim_outbox",
            Function::Quarantined => "quarantined",
            Function::Repack => "repack",
            Function::CloseGate => "close_gate",
            Function::HoldGate => "hold_gate",
            Function::OpenGate => "open_gate",
            Function::RestoreStates => "restore_states",
            Function::RestoreCommits => "restore_commits",
            Function::RestoreStream => "restore_stream",
        };
        format!("happypath_{}_{name}", self.version)
    }
}
