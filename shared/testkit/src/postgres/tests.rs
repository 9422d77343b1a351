//! Tests of the server of a test: databases of their own, and ends of every kind.

use std::io::{BufRead as _, BufReader};

use super::*;

#[test]
fn a_server_gives_each_test_its_own_database() {
    let server = PostgresServer::start().expect("starts");
    let (one, other) = (
        server.create_database().expect("created"),
        server.create_database().expect("created"),
    );
    assert_ne!(one, other);
    let tables = server
        .programs
        .command("psql")
        .args([one.as_str(), "-qtAc", "CREATE TABLE t (); SELECT 40 + 2"])
        .output()
        .expect("runs");
    assert_eq!(String::from_utf8_lossy(&tables.stdout).trim(), "42");
}

#[test]
fn a_suspended_server_goes_on_and_a_killed_one_comes_back() {
    let mut server = PostgresServer::start_with(&["-c", "synchronous_commit=on"]).expect("starts");
    let ask = |server: &PostgresServer, question: &str| {
        let mut psql = server.programs.command("psql");
        let answer = psql.args([&server.url(), "-qtAc", question]).output();
        String::from_utf8_lossy(&answer.expect("runs").stdout)
            .trim()
            .to_owned()
    };
    ask(&server, "CREATE TABLE kept AS SELECT 7 AS number");
    server.suspend().expect("stands still");
    let waiting = {
        let mut psql = server.programs.command("psql");
        psql.args([&server.url(), "-qtAc", "SELECT number FROM kept"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs")
    };
    server.resume().expect("goes on");
    let answer = waiting.wait_with_output().expect("ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "7");
    server.kill_9().expect("dies");
    server.restart().expect("starts again");
    assert_eq!(ask(&server, "SELECT number FROM kept"), "7");
}

#[test]
fn a_lost_server_comes_back_from_a_copy_and_all_of_its_log() {
    let mut archive = LogArchive::create().expect("an archive");
    let mut server = archive.start_server().expect("starts");
    let database = server.create_database().expect("created");
    let ask = |server: &PostgresServer, words: &str| server.ask(&database, words).expect("answers");
    ask(&server, "CREATE TABLE kept AS SELECT 1 AS number");
    let copy = server.copy_base().expect("is copied");
    ask(&server, "INSERT INTO kept VALUES (2)");
    server.lose().expect("is lost");
    server.restore(copy, &mut archive).expect("comes back");
    ask(&server, "INSERT INTO kept VALUES (3)");
    let kept = ask(&server, "SELECT number FROM kept ORDER BY number");
    assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[test]
fn a_dump_is_the_database_of_one_moment() {
    let mut server = PostgresServer::start().expect("starts");
    let database = server.create_database().expect("created");
    let ask = |server: &PostgresServer, words: &str| server.ask(&database, words).expect("answers");
    ask(&server, "CREATE TABLE kept AS SELECT 1 AS number");
    let dump = server.dump(&database).expect("is dumped");
    ask(&server, "INSERT INTO kept VALUES (2)");
    server.lose().expect("is lost");
    server.restore_dump(&dump).expect("comes back");
    assert_eq!(ask(&server, "SELECT number FROM kept").trim(), "1");
}

#[test]
fn a_watched_statement_is_answered_again_and_again() {
    let server = PostgresServer::start().expect("starts");
    let statement = "SELECT pg_backend_pid(), 6 * 7";
    let pause = Duration::from_millis(10);
    let mut watch = server.watch(&server.url(), statement, pause).expect("runs");
    let rows = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let rows: Vec<String> = rows.map_while(Result::ok).take(3).collect();
    watch.kill().expect("ends");
    watch.wait().expect("has ended");
    assert_eq!(rows.len(), 3);
    assert!(rows[0].ends_with("|42"), "{rows:?}");
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
}
