//! The main function of a service that runs alone.

use std::pin::Pin;
use std::process::ExitCode;

use clap::Command;

use crate::config::{Config, ConfigFlags, Defaults, Environment};
use crate::context::Context;
use crate::listening::Listening;
use crate::serve::serve;
use crate::service::Service;
use crate::signals::cancel_on_signal;
use crate::start_error::StartError;
use crate::telemetry::Telemetry;

/// The words of `--help` about exit codes.
const EXIT_CODES: &str = "Exit codes: 0 ended when told to; 1 a service failed; 2 the command line or configuration has \
faults; 3 a store is of another configuration or version, or lacks tables; 4 a store or the address could not be reached; \
130 ended at once by a second signal.";

/// A future of what a process does to start and to serve. Behind a pointer it is compiled with the
/// crate that makes it; otherwise it would be compiled again, with all that it awaits, in each
/// program that awaits it.
pub type Awaited<'a, T> = Pin<Box<dyn Future<Output = Result<T, StartError>> + Send + 'a>>;

/// Starts a service.
pub type Start = for<'a> fn(&'a Context) -> Awaited<'a, Service>;

/// Runs one service in this process: reads the configuration, opens the stores, starts the service,
/// serves until told to end. The whole of a service's `main`.
pub fn run_binary(name: &'static str, start: Start) -> ExitCode {
    let defaults = Defaults::of_service(name);
    let matches = Command::new(name)
        .about(format!("The {name} service of Happypath"))
        .version(env!("CARGO_PKG_VERSION"))
        .args(ConfigFlags::arguments(&defaults))
        .after_help(EXIT_CODES)
        .get_matches();
    let flags = ConfigFlags::from_matches(&matches);
    let outcome = Config::load(&defaults, &flags, &Environment::of_process())
        .map_err(StartError::from)
        .and_then(|config| {
            if flags.check_only {
                report(&config.to_string());
                return Ok(());
            }
            run(name, config, start)
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(name: &'static str, config: Config, start: Start) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The trace exporter blocks a worker while another one sends, so one worker would wait for
        // itself.
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().max(2)))
        .enable_all()
        .build()
        .map_err(|error| StartError::Serve(error.into()))?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(name, &config)?;
        let served = run_service(name, config, start, &telemetry).await;
        telemetry.shutdown().await;
        served
    })
}

async fn run_service(
    name: &'static str,
    mut config: Config,
    start: Start,
    telemetry: &Telemetry,
) -> Result<(), StartError> {
    let listening = Listening::open(&mut config).await?;
    let (address, health) = (config.listen, config.health_listen);
    let context = Context::open(config).await?;
    telemetry.protect(&context.credentials);
    cancel_on_signal(context.shutdown.clone()).map_err(|error| StartError::Serve(error.into()))?;
    let service = start(&context).await?;
    let installation = context.config.installation.as_ref();
    tracing::info!(
        service = name,
        installation = installation.map(tracing::field::display),
        %address,
        health = health.map(tracing::field::display),
        worker = %context.worker,
        "serving"
    );
    serve(vec![service], listening, &context).await?;
    tracing::info!(service = name, "ended");
    Ok(())
}

/// Speaks to the person who started the process; there is no log yet.
#[expect(
    clippy::print_stderr,
    reason = "the answer of --check-config and the last word of a process are for people"
)]
fn report(text: &str) {
    eprintln!("{text}");
}
