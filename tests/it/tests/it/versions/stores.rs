//! Stores that the version before wrote, opened by this one: what is in them is read as it was, and
//! goes on from there.
//!
//! A story of some customers is told to the version before, whose stores and answers are kept.
//! `tests/before/write` does that again, with the binaries of another version.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};

use super::dev::Dev;
use super::folder;
use super::migrations::Before;
use crate::process;

/// Tells the story anew where it is set.
const REFRESH: &str = "HAPPYPATH_REFRESH";
/// The questions whose answers are kept.
const QUESTIONS: [&str; 16] = [
    "customer user_id:ada --json",
    "customer user_id:bob --json",
    "customer anonymous_id:a-3 --json",
    "customer user_id:dan --json",
    "customer user_id:eve --json",
    "customer user_id:fay --json",
    "customer anonymous_id:a-7 --json",
    "customer user_id:hal --json",
    "segments --json",
    "flow welcome --json",
    "flow thank_regulars --json",
    "map shop --json",
    "happy-path first_month --json",
    "activations stats --json",
    "keys list --json",
    "get journey welcome -o json",
];

/// A kind of stores, as they are kept.
trait Stores {
    /// The name of what is kept.
    const NAME: &'static str;

    /// The settings of processes that have these stores.
    fn settings(&self) -> Vec<String>;

    /// Puts everything into the folder, once no process runs.
    fn save(&self, folder: &Path);
}

/// An embedded store and a SQLite file, in the folder itself.
struct Embedded;

impl Stores for Embedded {
    const NAME: &'static str = "embedded";

    fn settings(&self) -> Vec<String> {
        Vec::new()
    }

    fn save(&self, _folder: &Path) {}
}

/// A Redis and a PostgreSQL, at level `journal`.
struct Servers {
    redis: RedisServer,
    postgres: PostgresServer,
    database: String,
}

/// The names of what is kept of them.
const REDIS: &str = "redis.rdb";
const POSTGRES: &str = "postgres.sql";

impl Servers {
    /// Starts them with what the folder has of them.
    fn start(folder: &Path) -> Self {
        let text = folder.to_str().expect("a path in UTF-8");
        let redis = RedisServer::start_with(&["--dir", text, "--dbfilename", REDIS]);
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let database = postgres.create_database().expect("a database");
        let dump = folder.join(POSTGRES);
        if dump.exists() {
            let restored = postgres.run_file(&database, &dump);
            restored.expect("statements of a dump");
        }
        Self {
            redis: redis.expect("a Redis"),
            postgres,
            database,
        }
    }

    fn sql(&self, statement: &str) -> Vec<String> {
        let answer = self.postgres.ask(&self.database, statement);
        let answer = answer.expect("an answer");
        answer.lines().map(str::to_owned).collect()
    }

    /// Checks that these are stores of the version that `version.txt` tells of.
    fn check_version(&self) {
        let before = Before::read();
        let schema = self.redis.ask(&["HGET", "hp:meta", "schema"]);
        let redis = before.schema("redis").to_string();
        assert_eq!(schema.expect("an answer"), redis);
        let database = before.schema("database").to_string();
        let schema = "SELECT value FROM store_meta WHERE name = 'schema'";
        assert_eq!(self.sql(schema), [database]);
        // The runtime has a table of its own for migrations, and none of these.
        let owners = "SELECT replace(tablename, '_migration', '') FROM pg_tables \
                      WHERE schemaname = 'public' AND tablename LIKE '%\\_migration' ORDER BY 1";
        let mut applied = Vec::new();
        for owner in self.sql(owners) {
            let names = format!("SELECT version FROM {owner}_migration ORDER BY 1");
            let names = self.sql(&names).into_iter();
            applied.extend(names.map(|name| (owner.clone(), name)));
        }
        assert_eq!(applied, before.migrations);
    }
}

impl Stores for Servers {
    const NAME: &'static str = "servers";

    fn settings(&self) -> Vec<String> {
        let (redis, database) = (self.redis.url(), self.database.clone());
        ["--hot-store", &redis, "--database", &database]
            .map(str::to_owned)
            .to_vec()
    }

    fn save(&self, folder: &Path) {
        self.redis.ask(&["SAVE"]).expect("saved");
        let dump = self.postgres.dump(&self.database).expect("a dump");
        let lines = dump.lines();
        // Older programs do not know the word by which newer ones keep dumps from running others.
        let known: Vec<_> = lines
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .collect();
        std::fs::write(folder.join(POSTGRES), known.join("\n") + "\n").expect("a file");
    }
}

/// The answers to all questions.
fn answers(dev: &Dev) -> BTreeMap<String, Value> {
    let questions = QUESTIONS.iter();
    questions
        .map(|question| ((*question).to_owned(), dev.json(question)))
        .collect()
}

/// Fails where an answer lacks something, or has something else. It may say more.
#[track_caller]
fn assert_says(place: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, value) in expected {
                let own = found.get(name).unwrap_or(&Value::Null);
                assert_says(&format!("{place}.{name}"), own, value);
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}: {found:?}");
            for (number, (own, value)) in found.iter().zip(expected).enumerate() {
                assert_says(&format!("{place}[{number}]"), own, value);
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

fn file(name: &str) -> String {
    folder().join(name).display().to_string()
}

/// Tells the story to the binaries of another version, and keeps its stores and answers.
async fn write<S: Stores>(start: impl Fn(&Path) -> S) {
    let told = tempfile::tempdir().expect("a folder");
    let stores = start(told.path());
    let program = process::older_binary("happypath");
    let dev = Dev::start(&program, told.path(), &stores.settings());
    dev.ok(&format!("apply -f {}", file("definitions.yaml")));
    dev.ok("keys create shop --scope events:write");
    dev.ok(&format!("import {}", file("1-first.jsonl")));
    dev.settle().await;
    dev.consent("user_id:dan", "marketing", "", false).await;
    dev.consent("user_id:ada", "news", "mail", true).await;
    dev.ok(&format!("import {}", file("2-events.jsonl")));
    dev.settle().await;
    let answers = serde_json::to_string_pretty(&answers(&dev)).expect("JSON");
    dev.stop();
    stores.save(told.path());
    std::fs::write(file(&format!("{}.json", S::NAME)), answers + "\n").expect("a file");
    // Everything that is kept, whatever kind of stores it is.
    tar(&["-czf", &packed::<S>(), "-C"], told.path(), &["."]);
}

fn packed<S: Stores>() -> String {
    file(&format!("{}.tar.gz", S::NAME))
}

fn tar(before: &[&str], folder: &Path, after: &[&str]) {
    let mut command = Command::new("tar");
    let done = command.args(before).arg(folder).args(after).status();
    assert!(done.expect("tar is installed").success());
}

/// Returns the stores of the version before, ready to be opened, in a folder that goes with this.
fn unpacked<S: Stores>() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tar(&["-xzf", &packed::<S>(), "-C"], folder.path(), &[]);
    folder
}

/// Checks that all answers are those that the version before gave.
fn check_answers<S: Stores>(dev: &Dev) {
    let kept = std::fs::read_to_string(file(&format!("{}.json", S::NAME)));
    let kept: BTreeMap<String, Value> =
        serde_json::from_str(&kept.expect("answers")).expect("JSON");
    assert_eq!(kept.len(), QUESTIONS.len());
    for (question, found) in answers(dev) {
        assert_says(&question, &found, &kept[&question]);
    }
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().expect(name)
}

/// Customers who wait in a journey, once its steps were found to lose nobody.
fn under_way(dev: &Dev, journey: &str) -> i64 {
    let flow = dev.json(&format!("flow {journey} --json"));
    let steps = list(&flow, "steps").iter().map(|step| {
        let count = |name: &str| step[name].as_i64().expect(name);
        let present = count("present_count");
        assert_eq!(count("in_count"), count("out_count") + present, "{step}");
        present
    });
    steps.sum()
}

/// The sizes of segments, in the order of their names.
fn members(dev: &Dev) -> Vec<(String, i64)> {
    let segments = dev.json("segments --json");
    let segments = list(&segments, "segments").iter();
    segments
        .map(|own| {
            let name = own["name"].as_str().expect("a name");
            (
                name.to_owned(),
                own["member_count"].as_i64().expect("a number"),
            )
        })
        .collect()
}

/// Activations by journey and reason, in that order.
fn sends(dev: &Dev) -> Vec<String> {
    let counts = dev.json("activations stats --json");
    let counts = list(&counts, "counts").iter();
    let mut sends: Vec<_> = counts
        .map(|own| format!("{} {} {}", own["journey"], own["reason"], own["count"]))
        .map(|text| text.replace('"', ""))
        .collect();
    sends.sort();
    sends
}

/// Checks that customers go on where the version before left them: five weeks later, by a page that
/// each of them looks at, their waits have ended, deadlines have passed and segments were left, and
/// one who buys is decided by all of that.
async fn check_later(dev: &Dev) {
    let sizes = |sizes: [i64; 5]| {
        let names = ["big_spenders", "buyers", "lapsing", "paying", "regulars"];
        let named = names.map(str::to_owned).into_iter().zip(sizes);
        named.collect::<Vec<_>>()
    };
    let waiting = || ["welcome", "thank_regulars"].map(|journey| under_way(dev, journey));
    assert_eq!(waiting(), [3, 2]);
    assert_eq!(members(dev), sizes([2, 4, 0, 1, 2]));
    assert_eq!(sends(dev), ["welcome DELIVERED 5", "welcome NO_CONSENT 1"]);

    let later = format!("import {}", file("3-later.jsonl"));
    assert!(dev.ok(&later).contains("9 events accepted"));
    assert!(dev.ok(&later).contains("9 of them were there before"));
    dev.settle().await;
    assert_eq!(waiting(), [0, 0]);
    assert_eq!(members(dev), sizes([1, 5, 4, 1, 0]));
    assert_eq!(
        sends(dev),
        [
            "thank_regulars DELIVERED 2",
            "welcome DELIVERED 7",
            "welcome NO_CONSENT 2",
        ]
    );
    let path = dev.json("happy-path first_month --json");
    assert_eq!(path["under_way_count"], 0);
    let deviations = list(&path, "deviations").iter();
    let deviations: Vec<_> = deviations.map(|own| own["count"].as_i64()).collect();
    assert_eq!(deviations, [Some(4), Some(1), Some(1)], "{path}");
    dev.ok("audit verify");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_store_and_a_sqlite_file_of_the_version_before_are_opened_and_go_on() {
    if env::var_os(REFRESH).is_some() {
        write(|_| Embedded).await;
    }
    let folder = unpacked::<Embedded>();
    let program = process::binary("happypath");
    let dev = Dev::start(&program, folder.path(), &[]);
    check_answers::<Embedded>(&dev);
    check_later(&dev).await;
    dev.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_and_a_postgres_of_the_version_before_are_opened_rebuilt_and_go_on() {
    if env::var_os(REFRESH).is_some() {
        write(Servers::start).await;
    }
    let folder = unpacked::<Servers>();
    let stores = Servers::start(folder.path());
    stores.check_version();
    let settings = stores.settings();
    let program = process::binary("happypath");
    let start = || Dev::start(&program, folder.path(), &settings);
    let dev = start();
    check_answers::<Servers>(&dev);
    dev.stop();

    // From the journal alone, which the version before wrote.
    stores.redis.ask(&["FLUSHALL"]).expect("emptied");
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let rebuilt = process::run("happypath", &[&["rebuild"][..], &settings].concat());
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let dev = start();
    check_answers::<Servers>(&dev);
    check_later(&dev).await;
    dev.stop();
}
