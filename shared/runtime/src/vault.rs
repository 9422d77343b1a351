//! The keys that seal stored secrets.

use std::sync::Arc;

use vault::{KeyFile, Vault};

use crate::config::{Config, Origin};
use crate::start_error::StartError;

/// Opens the file of keys; returns `None` where none is configured.
///
/// Where nobody chose the file it is that of a folder of embedded stores, which makes its own.
pub(crate) fn open_vault(config: &Config) -> Result<Option<Vault>, StartError> {
    let Some(path) = &config.secret_keys else {
        return Ok(None);
    };
    let mut settings = config.effective().iter();
    let is_own = settings.any(|it| it.name == "secret_keys" && it.origin == Origin::Default);
    let opened = match is_own {
        true => KeyFile::open_or_create(path),
        false => KeyFile::open(path),
    };
    let keys = opened.map_err(|error| StartError::File {
        setting: "secret_keys",
        cause: error.into(),
    })?;
    Ok(Some(Vault::new(Arc::new(keys))))
}
