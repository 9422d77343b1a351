//! Scenarios: all services in one process, on stream time, spoken to through the public API only.
//!
//! Each text file in `scenarios` says what is defined, what happens and what is asked; the
//! transcript beside it says what follows. The same scenario gives the same transcript on the
//! embedded stores and on Redis and Postgres. `UPDATE_GOLDEN=1` with the filter `embedded` keeps
//! new transcripts: read them before you do.

mod answers;
mod driver;
mod format;
mod golden;
mod installation;
mod news;
mod oracle;
mod people;
mod receipts;
mod scenarios;
mod script;
mod simulator;
mod stores;
mod traits;

use std::collections::BTreeSet;

use stores::Stores;

/// Makes a test of every scenario on the embedded stores.
macro_rules! embedded {
    ($($name:ident,)+) => {
        const SCENARIOS: &[&str] = &[$(stringify!($name)),+];

        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::check_on_embedded_stores(stringify!($name)).await;
                }
            )+
        }
    };
}

scenarios::for_every_scenario!(embedded);

async fn check_on_embedded_stores(name: &str) {
    let transcript = play(name, &Stores::embedded()).await;
    if golden::is_updating() {
        golden::keep(name, &transcript);
    }
    if let Some(difference) = golden::difference(name, &transcript) {
        panic!("{difference}");
    }
}

/// Customers have other ids, and so other partitions, each time: nothing is decided by a race.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_merges_is_decided_the_same_way_twelve_times() {
    for _ in 0..4 {
        check_on_embedded_stores("an_event_that_joins_two_is_decided_with_what_both_did").await;
    }
}

async fn play(name: &str, stores: &Stores) -> String {
    let script = script::read(&format!("{name}.txt"), &golden::scenario(name));
    driver::play(script, stores).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_is_the_same_on_redis_and_postgres() {
    let postgres = testkit::PostgresServer::start().expect("Postgres starts");
    let mut differences = Vec::new();
    for name in SCENARIOS {
        let transcript = play(name, &Stores::on_servers(&postgres)).await;
        differences.extend(golden::difference(name, &transcript));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn every_scenario_has_a_test() {
    let files = std::fs::read_dir(golden::folder()).expect("the folder of the scenarios");
    let names = files.filter_map(|file| {
        let name = file
            .expect("a file")
            .file_name()
            .into_string()
            .expect("a name in ASCII");
        name.strip_suffix(".txt").map(str::to_owned)
    });
    let tests: BTreeSet<String> = SCENARIOS.iter().map(ToString::to_string).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), tests);
}
