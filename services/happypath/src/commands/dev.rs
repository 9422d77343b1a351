//! `happypath dev`: all services in one process.

use std::path::PathBuf;
use std::time::Instant;

use runtime::{ConfigFlags, HotStoreAddress, Telemetry};
use serde_json::{Value, json};

use crate::dev::{self, Options, Running};
use crate::failure::Failure;
use crate::output::{Format, print};

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the embedded stores; created where there is none
    #[arg(long, default_value = ".happypath", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    flags: ConfigFlags,
    #[command(flatten)]
    format: Format,
}

/// Runs until told to end.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let started = Instant::now();
    let check_only = args.flags.check_only;
    let options = Options {
        folder: args.folder,
        flags: args.flags,
        reads_environment: true,
    };
    let config = options.config()?;
    if check_only {
        return print(&config.to_string());
    }
    let stores = match &config.hot_store {
        Some(HotStoreAddress::Embedded(_)) | None => options.folder.display().to_string(),
        Some(HotStoreAddress::Redis(url)) => {
            format!("{} and {}", runtime::mask_secrets(url), config.database)
        }
    };
    let telemetry = Telemetry::start("happypath", &config)?;
    let running = dev::start(config).await?;
    telemetry.protect(&running.credentials);
    let ended = async {
        runtime::cancel_on_signal(running.shutdown.clone())
            .map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
        // One line, so that a script can read it while this goes on.
        print(&if args.format.json {
            told(&running).to_string()
        } else {
            welcome(&running, &stores, started)
        })?;
        Ok(running.ended().await?)
    };
    let ended = ended.await;
    telemetry.shutdown().await;
    ended
}

/// The addresses, for scripts.
fn told(running: &Running) -> Value {
    let mut told = json!({ "address": running.url() });
    if let Some(health) = running.health {
        told["health_address"] = format!("http://{health}").into();
    }
    told
}

fn welcome(running: &Running, stores: &str, started: Instant) -> String {
    let url = running.url();
    let address = match url.as_str() {
        "http://127.0.0.1:7400" => String::new(),
        url => format!(" --address {url}"),
    };
    let health = running.health.map_or_else(String::new, |health| {
        format!(" Health is told in plain text at http://{health}.")
    });
    let event = r#"{"userId": "u1", "event": "Order Completed"}"#;
    format!(
        "Happypath is ready at {url} after {} ms. Its stores are in {stores}.{health}\n\n\
         Try next, in another terminal:\n  \
         happypath track signed_up --id user_id=u1 --trait plan=free{address}\n  \
         happypath customer user_id:u1{address}\n  \
         happypath get segments{address}\n  \
         happypath status{address}\n  \
         curl {url}/v1/track -H 'content-type: application/json' -d '{event}'\n\n\
         The SDKs of Segment, RudderStack and PostHog send here with their host set to {url}, and every call is JSON over \
         HTTP too: {url}/openapi.json.\n\
         Ctrl+C ends it; what it knows stays in the folder.",
        started.elapsed().as_millis()
    )
}
