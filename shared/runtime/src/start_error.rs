//! The reasons why a process did not start, and what to do about them.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use access::AccessFileFaults;

use crate::config::{ConfigFaults, SETTINGS, Setting};

/// A cause of any kind.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The reason why a process did not start. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration has faults: correct them all.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// A store did not answer: start it, or correct its address.
    #[error("cannot reach {what} at {address}: {}\n  remedy: {remedy}", causes(.cause.as_ref()))]
    Unreachable {
        /// The store that was to be reached.
        what: &'static str,
        /// Its address; secrets are masked.
        address: String,
        /// The remedy.
        remedy: &'static str,
        /// The cause.
        cause: Cause,
    },
    /// A store was created otherwise: correct the configuration, or use another store.
    #[error(
        "{what} at {address} does not fit this configuration: {}\n  remedy: {remedy}",
        causes(.cause.as_ref())
    )]
    Mismatch {
        /// The store that does not fit.
        what: &'static str,
        /// Its address; secrets are masked.
        address: String,
        /// The remedy.
        remedy: &'static str,
        /// The cause.
        cause: Cause,
    },
    /// The address cannot be listened at: choose another, or stop who has it.
    #[error(
        "cannot listen at {address}: {source}\n  remedy: stop the process that listens there, or choose another with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// Health cannot be served at its own address: choose another, or stop who has it.
    #[error(
        "cannot serve health at {address}: {source}\n  remedy: stop the process that listens there, or choose another with --health-listen"
    )]
    HealthListen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The metrics cannot be served at their address: choose another, or stop who has it.
    #[error(
        "cannot serve metrics at {address}: {source}\n  remedy: stop the process that listens there, or choose another with --metrics-listen"
    )]
    MetricsListen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// Nobody could call, and anybody could reach the address: make a first key.
    #[error(
        "others can reach {address}, and nobody is known who may call there\n  remedy: make a first key with `happypath keys bootstrap`, \
         name callers in a file with --access-file, or listen on 127.0.0.1"
    )]
    NoCallers {
        /// The address.
        address: SocketAddr,
    },
    /// The file of callers has faults: correct them all.
    #[error("the file of callers {} has faults\n  {}", .path.display(), .faults.0.join("\n  "))]
    AccessFile {
        /// The file.
        path: PathBuf,
        /// The faults.
        faults: AccessFileFaults,
    },
    /// A file that a setting names is no good: its cause says what would be right.
    #[error(
        "{setting} ({}): {}",
        variable(.setting),
        causes(.cause.as_ref())
    )]
    File {
        /// The setting.
        setting: &'static str,
        /// The file, the reason and the remedy.
        cause: Cause,
    },
    /// A service did not start: its cause says why.
    #[error("{service} did not start: {}", causes(.cause.as_ref()))]
    Service {
        /// The service.
        service: &'static str,
        /// The cause.
        cause: Cause,
    },
    /// A service cannot go on: its cause says why, and what to do.
    #[error("{service} cannot go on: {}", causes(.cause.as_ref()))]
    Refused {
        /// The service.
        service: &'static str,
        /// The cause.
        cause: Cause,
    },
    /// The server stopped by itself: look at its cause, and start again.
    #[error("the server stopped: {}", causes(.0.as_ref()))]
    Serve(Cause),
    /// Telemetry cannot be set up: correct its settings.
    #[error("telemetry cannot be set up: {}", causes(.0.as_ref()))]
    Telemetry(Cause),
}

impl StartError {
    /// A service did not start.
    pub fn service(service: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Service {
            service,
            cause: cause.into(),
        }
    }

    /// A file of TLS is no good. It is one of those that these settings name; where none is to
    /// blame, the first setting is told.
    pub(crate) fn tls_file(
        settings: &[(&'static str, Option<&PathBuf>)],
        error: access::tls::TlsError,
    ) -> Self {
        let is_it = |path: &PathBuf| error.path() == Some(path.display().to_string().as_str());
        let mut named = settings.iter();
        let named = named.find(|(_, path)| path.is_some_and(is_it));
        let setting = named.or(settings.first()).map_or("tls_ca", |it| it.0);
        Self::File {
            setting,
            cause: error.into(),
        }
    }

    /// The exit code of a process that this ends.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::NoCallers { .. }
            | Self::AccessFile { .. }
            | Self::File { .. } => 2,
            Self::Mismatch { .. } => 3,
            Self::Unreachable { .. }
            | Self::Listen { .. }
            | Self::HealthListen { .. }
            | Self::MetricsListen { .. } => 4,
            Self::Service { .. } | Self::Refused { .. } | Self::Serve(_) | Self::Telemetry(_) => 1,
        }
    }
}

/// The variable of a setting.
fn variable(name: &str) -> String {
    let found = SETTINGS.iter().find(|setting| setting.name == name);
    found.map(Setting::variable).unwrap_or_default()
}

/// An error and its causes in one line: nobody downstream of a process that ends prints them
/// otherwise.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors repeat their cause; once is enough.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
