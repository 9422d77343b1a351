//! The credentials that a command shows to the services that it asks: a key or token, a
//! certificate.

use std::path::{Path, PathBuf};

use access::tls::{ClientFiles, ClientTls};
use rpc::{ClientOptions, Presented};

use crate::client::ServiceName;
use crate::contexts::Context;
use crate::failure::Failure;
use crate::limits::KEY_FILE_BYTES;

/// The flags about credentials, and about the servers to trust.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Shown {
    /// The context to use, with its address and credential [default: the current one, where no
    /// address is given]; `happypath contexts` lists them.
    #[arg(
        long,
        env = "HAPPYPATH_CONTEXT",
        value_name = "NAME",
        help_heading = "Connection"
    )]
    pub(crate) context: Option<String>,
    /// A file with the key or token to present; or set `HAPPYPATH_KEY` to the key itself.
    #[arg(
        long,
        env = "HAPPYPATH_KEY_FILE",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// The authorities of the services at https:// [default: those of this machine].
    #[arg(
        long,
        env = "HAPPYPATH_TLS_CA",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to show to them.
    #[arg(
        long,
        env = "HAPPYPATH_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key",
        help_heading = "Connection"
    )]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The private key of that certificate.
    #[arg(
        long,
        env = "HAPPYPATH_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate",
        help_heading = "Connection"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

/// The place and the credential of a command.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    /// Where Happypath is.
    pub(crate) address: String,
    /// Where services are that run alone.
    pub(crate) services: Vec<(ServiceName, Option<String>)>,
    /// The credentials, and the servers to trust.
    pub(crate) client: ClientOptions,
}

impl Settled {
    /// Everything at one address, without a credential.
    pub(crate) fn plain(address: String) -> Self {
        Self {
            address,
            services: Vec::new(),
            client: ClientOptions::default(),
        }
    }
}

impl Shown {
    /// The key or token that is given beside the context: that of the file, or of `HAPPYPATH_KEY`.
    pub(crate) fn given_key(&self) -> Result<Option<String>, Failure> {
        if let Some(path) = &self.key_file {
            return read_key(path).map(Some);
        }
        // A flag would show it to whoever lists processes.
        let given = std::env::var("HAPPYPATH_KEY").ok();
        Ok(given
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()))
    }

    /// The credentials of calls: those of the context where no others are given.
    pub(crate) fn client_options(&self, context: &Context) -> Result<ClientOptions, Failure> {
        let key = match self.given_key()? {
            Some(key) => Some(key),
            None => context.key.clone(),
        };
        self.options_of(key.as_deref(), context)
    }

    /// The credentials of calls with this key or token.
    pub(crate) fn options_of(
        &self,
        key: Option<&str>,
        context: &Context,
    ) -> Result<ClientOptions, Failure> {
        let presented = match key {
            Some(key) => Presented::bearer(key),
            None => Ok(Presented::default()),
        };
        let presented = presented.map_err(|failure| Failure::mistake(failure.message()))?;
        let certificate = self
            .client_certificate
            .clone()
            .or(context.client_certificate.clone());
        let private = self.client_key.clone().or(context.client_key.clone());
        let files = ClientFiles {
            ca: self.tls_ca.clone().or(context.tls_ca.clone()),
            identity: certificate.zip(private),
        };
        let tls = ClientTls::open(files).map_err(|error| Failure::mistake(error.to_string()))?;
        Ok(ClientOptions {
            tls: Some(tls),
            presented,
        })
    }
}

/// Reads the key or token in a file.
fn read_key(path: &Path) -> Result<String, Failure> {
    let bad =
        |problem: &str| Failure::mistake(format!("the key file {} {problem}", path.display()));
    let size =
        std::fs::metadata(path).map_err(|error| bad(&format!("cannot be read ({error})")))?;
    if size.len() > KEY_FILE_BYTES {
        return Err(bad(&format!(
            "has more than {KEY_FILE_BYTES} bytes: it holds one key or token"
        )));
    }
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| bad(&format!("cannot be read ({error})")))?;
    match text.trim() {
        "" => Err(bad("is empty: it holds one key or token")),
        key => Ok(key.to_owned()),
    }
}
