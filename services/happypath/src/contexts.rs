//! Contexts: named places to talk to, with the credential for each, in a file of this user.
//!
//! The file is for one pair of eyes. One that others may read is refused, and it is replaced as a
//! whole, so that no reader finds half of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::limits::CONTEXTS_BYTES;

/// The mode of the file: its user may read and write it, and nobody else.
const MODE: u32 = 0o600;
/// The mode of its folder.
const FOLDER_MODE: u32 = 0o700;
/// The bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// The contexts of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The context that counts where no other is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A place to talk to.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Where Happypath is.
    pub(crate) address: String,
    /// Where single services are that run alone, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) services: BTreeMap<String, String>,
    /// The key or token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The authorities of the server; absent for those of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The private key of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_key: Option<PathBuf>,
}

impl fmt::Debug for Context {
    /// Writes no credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Contexts {
    /// Reads the contexts of this user. One who has no home, as in a container, has none, which is
    /// a mistake only where one is named.
    pub(crate) fn of_user(name: Option<&str>) -> Result<Self, Failure> {
        match path() {
            Ok(path) => Self::read(&path),
            Err(_) if name.is_none() => Ok(Self::default()),
            Err(homeless) => Err(homeless),
        }
    }

    /// Reads the file; a user without one has no context.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(bad(path, &format!("cannot be read ({error})"))),
        };
        if metadata.permissions().mode() & OTHERS != 0 {
            return Err(bad(
                path,
                &format!(
                    "may be read by others, and holds credentials: chmod 600 {}",
                    path.display()
                ),
            ));
        }
        if metadata.len() > CONTEXTS_BYTES {
            return Err(bad(path, &format!("has more than {CONTEXTS_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| bad(path, &format!("cannot be read ({error})")))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // The place of a fault is told, and not the text there: it may be a key.
        serde_saphyr::from_str(&text).map_err(|error| {
            let place = error.location().map(|it| format!(" at line {}", it.line()));
            let place = place.unwrap_or_default();
            bad(path, &format!("is not a list of contexts{place}: mend it, or remove it and use `happypath login`"))
        })
    }

    /// Replaces the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| bad(path, &format!("cannot be written ({error})"));
        let text = serde_saphyr::to_string(self)
            .map_err(|error| Failure::failed(format!("the contexts cannot be written: {error}")))?;
        if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            let mut builder = std::fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(FOLDER_MODE)
                .create(folder)
                .map_err(failed)?;
        }
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&beside)
            .map_err(failed)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        let moved = written.and_then(|()| std::fs::rename(&beside, path));
        moved.map_err(|error| {
            // It may not be there; the first error counts.
            let _ = std::fs::remove_file(&beside);
            failed(error)
        })
    }

    /// The context of a name, or the current one. None where there is no current one.
    pub(crate) fn choose(&self, name: Option<&str>) -> Result<Option<&Context>, Failure> {
        let Some(name) = name.or(self.current.as_deref()) else {
            return Ok(None);
        };
        match self.contexts.get(name) {
            Some(context) => Ok(Some(context)),
            None => Err(self.unknown(name)),
        }
    }

    /// There is no context of this name.
    pub(crate) fn unknown(&self, name: &str) -> Failure {
        let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
        let rest = match (
            kernel::nearest(name, names.iter().copied()),
            names.is_empty(),
        ) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => "there is none yet, `happypath login NAME` makes one".to_owned(),
            (None, false) => format!("there are {}", names.join(", ")),
        };
        Failure::mistake(format!("there is no context `{name}`: {rest}"))
    }
}

/// Returns the path of the file with the contexts of this user.
pub(crate) fn path() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("HAPPYPATH_CONTEXTS") {
        return Ok(PathBuf::from(path));
    }
    let folder = match (variable("XDG_CONFIG_HOME"), variable("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => PathBuf::from(home).join(".config"),
        (None, None) => {
            return Err(Failure::mistake(
                "this user has no home: say in HAPPYPATH_CONTEXTS where contexts are",
            ));
        }
    };
    Ok(folder.join("happypath").join("contexts.yaml"))
}

fn bad(path: &Path, problem: &str) -> Failure {
    Failure::mistake(format!("the file of contexts {} {problem}", path.display()))
}

#[cfg(test)]
mod tests;
