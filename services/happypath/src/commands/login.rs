//! `happypath login`: keeps an address and a credential as a context, once they are known to work.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use proto::access::v1::GetCallerRequest;
use serde_json::json;

use crate::client::{Connection, ask};
use crate::contexts::{Context, Contexts, path};
use crate::failure::Failure;
use crate::limits::KEY_FILE_BYTES;
use crate::output::{Format, print, print_json, remark};

/// Arguments of `login`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key or token is read from --key-file, from HAPPYPATH_KEY, or from standard input, and never from the command line, which
others can list. It is kept in a file that only you may read: $HAPPYPATH_CONTEXTS, or happypath/contexts.yaml in
$XDG_CONFIG_HOME or ~/.config.")]
pub(crate) struct Args {
    /// The name of the context
    name: String,
    /// Keeps a key for an address without TLS on another machine, where anybody on the way reads it
    #[arg(long)]
    allow_plain_text: bool,
    /// Presents no key: the certificate is enough
    #[arg(long, requires = "client_certificate", conflicts_with = "key_file")]
    certificate_only: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Asks the service who the credential stands for, and keeps it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let path = path()?;
    let mut contexts = Contexts::read(&path)?;
    let key = match args.certificate_only {
        true => None,
        false => Some(read_key(&args.connection)?),
    };
    let before = contexts
        .contexts
        .get(&args.name)
        .cloned()
        .unwrap_or_default();
    let context = args.connection.to_context(before, key)?;
    if context.key.is_some() && !args.allow_plain_text {
        refuse_plain_text(&context)?;
    }
    args.connection.settle_as(&context)?;
    let mut client = args.connection.keys()?;
    let caller = client
        .get_caller(ask(GetCallerRequest {}))
        .await?
        .into_inner();
    contexts.contexts.insert(args.name.clone(), context);
    contexts.current = Some(args.name.clone());
    contexts.write(&path)?;
    if args.format.json {
        return print_json(&json!({
            "context": args.name,
            "caller": format!("{}:{}", caller.kind, caller.id),
            "scopes": caller.scopes,
        }));
    }
    let scopes = match caller.scopes.as_slice() {
        [] => "nothing".to_owned(),
        scopes => scopes.join(", "),
    };
    print(&format!(
        "You are {} ({}), and may do: {scopes}.\n{} is the current context.",
        caller.name, caller.kind, args.name
    ))
}

fn read_key(connection: &Connection) -> Result<String, Failure> {
    if let Some(key) = connection.given_key()? {
        return Ok(key);
    }
    if std::io::stdin().is_terminal() {
        remark("Paste the key or token, then press Enter:");
    }
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(KEY_FILE_BYTES);
    input
        .read_line(&mut line)
        .map_err(|error| Failure::failed(format!("cannot read the key: {error}")))?;
    match line.trim() {
        "" => Err(Failure::mistake(
            "there is no key: give it on standard input, in --key-file or in HAPPYPATH_KEY",
        )),
        key => Ok(key.to_owned()),
    }
}

/// Refuses to send a key where it can be read on its way.
fn refuse_plain_text(context: &Context) -> Result<(), Failure> {
    let addresses = std::iter::once(&context.address).chain(context.services.values());
    for address in addresses {
        let is_secured = address.starts_with("https://");
        if !is_secured && !is_near(address) {
            return Err(Failure::mistake(format!(
                "the key would travel to {address} in plain text: use https://, or say --allow-plain-text where the \
                 network in between is encrypted"
            )));
        }
    }
    Ok(())
}

fn is_near(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|it| it.is_loopback())
}

/// The whole path of a file, so that the context counts in any folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::mistake(format!("{} is no file ({error})", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_in_plain_text_on_this_machine_only() {
        for (address, is_refused) in [
            ("https://happypath.acme", false),
            ("http://127.0.0.1:7400", false),
            ("http://[::1]:7400", false),
            ("http://localhost:7400/x", false),
            ("http://happypath.acme:7400", true),
            ("happypath.acme:7400", true),
            ("http://127.0.0.1.acme:7400", true),
        ] {
            let context = Context {
                address: address.to_owned(),
                ..Context::default()
            };
            assert_eq!(
                refuse_plain_text(&context).is_err(),
                is_refused,
                "{address}"
            );
        }
    }
}
