//! `happypath doctor`: examines a deployment from outside, and says what to do where something is
//! not as it should be.
//!
//! It asks every process, and the stores where it is told of them, and changes nothing anywhere.

mod disk;
mod examine;
mod verdict;

use serde_json::json;

use self::examine::Findings;
use self::verdict::{Check, Grade};
use crate::client::Connection;
use crate::failure::Failure;
use crate::output::{Format, print, print_json};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The stores are examined where they are named, as the services name them. Exit code 1 where something is wrong; what is only
worth a look leaves it 0.")]
pub(crate) struct Args {
    /// Where the hot store is, such as redis://HOST:PORT, or embedded:FOLDER on its machine
    #[arg(
        long,
        env = "HAPPYPATH_HOT_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    hot_store: Option<String>,
    /// Where the database is, such as postgres://USER@HOST/NAME, or sqlite:FILE on its machine
    #[arg(
        long,
        env = "HAPPYPATH_DATABASE",
        hide_env_values = true,
        value_name = "URL"
    )]
    database: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Examines everything, and shows what was found.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let findings = Findings::gather(
        &args.connection,
        args.hot_store.as_deref(),
        args.database.as_deref(),
    );
    let checks = verdict::judge(&findings.await);
    if args.format.json {
        let checks: Vec<_> = checks.iter().map(shown).collect();
        print_json(&json!({ "checks": checks }))?;
    } else {
        for check in &checks {
            print(&check.to_string())?;
        }
    }
    let faults = checks.iter().filter(|it| it.grade == Grade::Fault).count();
    match faults {
        0 => Ok(()),
        1 => Err(Failure::failed("one thing is wrong")),
        more => Err(Failure::failed(format!("{more} things are wrong"))),
    }
}

fn shown(check: &Check) -> serde_json::Value {
    json!({
        "area": check.area,
        "grade": check.grade.name(),
        "what": check.what,
        "remedy": check.remedy,
    })
}
