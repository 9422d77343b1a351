//! Scenarios: all services in one process, on stream time, spoken to through the public API only.
//!
//! Each text file in `scenarios` says what is defined, what happens and what is asked; the transcript beside it says
//! what follows. The same scenario gives the same transcript on the embedded stores and on Redis and Postgres.
//! `UPDATE_GOLDEN=1` with the filter `embedded` keeps new transcripts: read them before you do.

mod answers;
mod driver;
mod format;
mod golden;
mod installation;
mod news;
mod people;
mod script;
mod simulator;
mod stores;

use std::collections::BTreeSet;

use stores::Stores;

/// Names every scenario, and makes a test of it on the embedded stores.
macro_rules! scenarios {
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

scenarios! {
    a_control_group_is_asked_for_and_not_sent,
    a_customer_enters_waits_and_is_greeted,
    a_goal_interrupts_a_wait_and_wins_over_an_exit,
    a_merge_keeps_the_survivors_run_and_what_both_did,
    a_merge_tells_segments_after_runs,
    a_new_definition_leaves_runs_under_way_alone,
    a_new_segment_takes_customers_in_with_their_next_event,
    a_receipt_sets_another_journey_in_motion,
    an_event_before_the_run_is_not_what_it_waits_for,
    an_event_that_is_waited_for_decides_the_way,
    an_event_that_knows_two_customers_joins_them,
    an_exit_rule_interrupts_a_long_wait,
    branches_look_at_traits_segments_and_the_first_event,
    consent_that_was_withdrawn_suppresses,
    lapsing_by_time_alone_starts_a_journey,
    late_events_count_when_they_happened,
    outside_is_a_place_in_a_map,
    paying_one_order_ends_the_run_of_that_order,
    reentry_is_a_policy,
    the_same_event_twice_counts_once,
    the_third_message_in_a_week_is_held_back,
    there_are_four_ways_to_leave_the_happy_path,
    what_comes_too_late_to_send_has_expired,
}

async fn check_on_embedded_stores(name: &str) {
    let transcript = play(name, &Stores::embedded()).await;
    if golden::is_updating() {
        golden::keep(name, &transcript);
    }
    if let Some(difference) = golden::difference(name, &transcript) {
        panic!("{difference}");
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
