//! `happypath contexts`: the places that are known, and the one that counts.

use serde_json::json;

use crate::contexts::{Contexts, path};
use crate::failure::Failure;
use crate::output::{Format, Rows, print, print_json};

/// Arguments of `contexts`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes a context the current one
    Use {
        /// Its name
        name: String,
    },
    /// Removes a context, with its credential
    Remove {
        /// Its name
        name: String,
    },
}

/// Lists or changes the contexts.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let path = path()?;
    let mut contexts = Contexts::read(&path)?;
    match &args.action {
        None => show(&contexts, args.format),
        Some(Action::Use { name }) => {
            contexts.choose(Some(name))?;
            contexts.current = Some(name.clone());
            contexts.write(&path)?;
            print(&format!("{name} is the current context."))
        }
        Some(Action::Remove { name }) => {
            if contexts.contexts.remove(name).is_none() {
                return Err(contexts.unknown(name));
            }
            if contexts.current.as_ref() == Some(name) {
                contexts.current = None;
            }
            contexts.write(&path)?;
            print(&format!(
                "{name} was removed. Its key is good still: `happypath keys revoke` ends it."
            ))
        }
    }
}

fn show(contexts: &Contexts, format: Format) -> Result<(), Failure> {
    let is_current = |name: &str| contexts.current.as_deref() == Some(name);
    let credential = |it: &crate::contexts::Context| match (&it.key, &it.client_certificate) {
        (Some(key), _) if key.starts_with(access::KEY_PREFIX) => "key",
        (Some(_), _) => "token",
        (None, Some(_)) => "certificate",
        (None, None) => "none",
    };
    if format.json {
        let all = contexts.contexts.iter().map(|(name, it)| {
            json!({
                "name": name,
                "address": it.address,
                "credential": credential(it),
                "is_current": is_current(name),
            })
        });
        return print_json(&json!({ "contexts": all.collect::<Vec<_>>() }));
    }
    let mut rows = Rows::new(&["", "context", "address", "credential"]);
    for (name, it) in &contexts.contexts {
        let mark = if is_current(name) { "*" } else { "" };
        rows.row([mark, name, &it.address, credential(it)]);
    }
    rows.print_or("There are no contexts yet; `happypath login NAME --address URL` makes one.")
}
