//! `happypath migrate`, and services whose user of the database may not create tables.

use std::process::Output;

use serde_json::Value;
use testkit::{PostgresServer, RedisServer};

use super::{DEFINITIONS, Dev, binary};

/// A Redis, and a PostgreSQL with a user who may use tables and create none.
struct Servers {
    redis: RedisServer,
    postgres: PostgresServer,
    /// The database, as its owner sees it.
    owner: String,
}

/// The rights of services, as k8s/README.md grants them.
const RIGHTS: &str = "\
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE ROLE services LOGIN;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO services;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO services;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO services;";

impl Servers {
    fn start() -> Self {
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let owner = postgres.create_database().expect("a database");
        let servers = Self {
            redis: RedisServer::start().expect("a Redis"),
            postgres,
            owner,
        };
        servers.sql(RIGHTS);
        servers
    }

    fn sql(&self, statements: &str) -> String {
        let answer = self.postgres.ask(&self.owner, statements);
        answer.expect("an answer")
    }

    /// Runs `happypath migrate` as the owner of the database.
    fn migrate(&self, installation: &[&str], arguments: &[&str]) -> Output {
        let mut command = binary();
        command.args(["migrate", "--database", &self.owner]);
        let output = command.args(installation).args(arguments).output();
        output.expect("ran")
    }

    /// The settings of services.
    fn settings(&self, installation: &[&str]) -> Vec<String> {
        let user = self.owner.replacen("postgres@", "services@", 1);
        let redis = self.redis.url();
        let settings = ["--hot-store", &redis, "--database", &user];
        let settings = settings.iter().chain(installation);
        settings.map(ToString::to_string).collect()
    }

    /// Starts services that end at once; returns the exit code and the reason.
    fn refused(&self, installation: &[&str], migrate: &str) -> (i32, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let output = binary()
            .args(["dev", "--listen", "127.0.0.1:0", "--folder"])
            .arg(folder.path())
            .args(self.settings(installation))
            .args(["--migrate", migrate])
            .output()
            .expect("ran");
        let code = output.status.code().expect("a code");
        (code, String::from_utf8(output.stderr).expect("text"))
    }

    /// Starts services that leave tables alone.
    fn dev(&self, installation: &[&str]) -> Dev {
        let mut settings = self.settings(installation);
        settings.extend(["--migrate".to_owned(), "off".to_owned()]);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Dev::start_with(tempfile::tempdir().expect("a folder"), &settings)
    }
}

fn text(output: &Output) -> (i32, String) {
    let code = output.status.code().expect("a code");
    (code, String::from_utf8_lossy(&output.stdout).into_owned())
}

fn lacking(output: &Output) -> usize {
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["lacking"].as_array().expect("a list").len()
}

/// Checks an installation from its first table to its first event, by services that may not create
/// any.
fn check(servers: &Servers, installation: &[&str]) {
    let looked = servers.migrate(installation, &["--check", "--json"]);
    assert_eq!(looked.status.code(), Some(1));
    let count = lacking(&looked);
    assert!(count >= 10, "{count}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let before = servers.sql(tables);

    let (code, said) = servers.refused(installation, "off");
    assert_eq!(code, 3, "{said}");
    let lack =
        "the tables of storage lack m0001_create_tables, and this process leaves tables alone";
    assert!(said.contains(lack), "{said}");
    let (code, said) = servers.refused(installation, "on");
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("happypath migrate"), "{said}");
    assert_eq!(servers.sql(tables), before, "nobody made a table");

    // Several at once: one waits for the other, and each tells what it did itself.
    let applied = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| servers.migrate(installation, &["--json"])));
        both.map(|one| {
            let output = one.join().expect("ran");
            assert!(output.status.success(), "{output:?}");
            let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            answer["applied"].as_array().expect("a list").len()
        })
    });
    assert_eq!(applied.iter().sum::<usize>(), count, "{applied:?}");
    let again = text(&servers.migrate(installation, &[]));
    assert_eq!(again, (0, "Nothing is lacking.\n".to_owned()));

    let dev = servers.dev(installation);
    dev.file("all.yaml", DEFINITIONS);
    dev.ok("apply -f all.yaml");
    dev.ok("track signed_up --id user_id=u1 --trait plan=free");
    dev.ok("track purchase --id user_id=u1 --id email=a@b.c");
    dev.settle();
    let customer = dev.json("customer user_id:u1");
    assert_eq!(customer["profile"]["memberships"][0]["segment"], "buyers");
    let events = dev.json("events --customer email:a@b.c");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2));
    dev.ok("audit verify");

    // While services run.
    let redis = servers.redis.url();
    let (code, said) = text(&servers.migrate(installation, &["--hot-store", &redis]));
    assert_eq!(code, 0, "{said}");
    for store in ["database", "hot store"] {
        assert!(said.contains(&format!("The {store} has schema ")), "{said}");
    }
    assert!(said.ends_with("Nothing is lacking.\n"), "{said}");
    dev.stop();
}

#[test]
fn services_that_may_not_create_tables_start_once_somebody_has_migrated() {
    let servers = Servers::start();
    check(&servers, &[]);
    check(&servers, &["--installation", "shop"]);

    // One table that is lacking is told by its owner and its name.
    servers.sql("DELETE FROM identity_migration WHERE version = 'm0003_create_source'");
    let (code, said) = servers.refused(&[], "off");
    assert_eq!(code, 3, "{said}");
    for words in [
        "the tables of identity lack m0003_create_source, and this process leaves tables alone",
        "remedy: run `happypath migrate` of this version",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said) = text(&servers.migrate(&[], &["--check"]));
    assert_eq!(code, 1, "{said}");
    let line = said.lines().last().expect("a line");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words, ["identity", "m0003_create_source"], "{said}");
}

#[test]
fn stores_that_this_version_cannot_live_with_are_refused_with_the_reason() {
    let servers = Servers::start();
    assert!(servers.migrate(&[], &[]).status.success());
    servers.dev(&[]).stop();
    let redis = servers.redis.url();
    let reason = "which programs of schema 999 and newer can live with";
    let check = |what: &str| {
        let (code, said) = servers.refused(&[], "off");
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(what) && said.contains(reason), "{said}");
        assert_eq!(said.matches("remedy:").count(), 1, "{said}");
        for arguments in [&[][..], &["--check"]] {
            let arguments = [arguments, &["--hot-store", &redis]].concat();
            let output = servers.migrate(&[], &arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.contains(reason), "{said}");
        }
    };
    let schema = servers.redis.ask(&["HGET", "hp:meta", "schema"]);
    let set = |schema: &str| servers.redis.ask(&["HSET", "hp:meta", "schema", schema]);
    set("999").expect("set");
    check("the hot store at ");
    set(&schema.expect("a number")).expect("set");
    servers.sql("UPDATE store_meta SET value = '999' WHERE name = 'schema'");
    check("the database at ");
}
