//! Several installations on one Redis and one PostgreSQL, with the same identifiers in all.

use serde_json::Value;
use testkit::{PostgresServer, RedisServer};

use super::{Dev, binary};

/// Deletes what installations have in Redis, as the README says it.
const DELETE: &str = "local cursor = '0' repeat \
                      local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000) \
                      cursor = page[1] \
                      if #page[2] > 0 then redis.call('UNLINK', unpack(page[2])) end \
                      until cursor == '0'";

/// Servers that several installations share.
struct Servers {
    redis: RedisServer,
    database: String,
    postgres: PostgresServer,
}

impl Servers {
    fn start() -> Self {
        let redis = RedisServer::start().expect("a Redis");
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let database = postgres.create_database().expect("a database");
        Self {
            redis,
            database,
            postgres,
        }
    }

    /// The settings of an installation.
    fn settings(&self, name: Option<&str>) -> Vec<String> {
        let mut settings = vec![
            "--hot-store".to_owned(),
            self.redis.url(),
            "--database".to_owned(),
            self.database.clone(),
        ];
        settings.extend(
            name.into_iter()
                .flat_map(|name| ["--installation".to_owned(), name.to_owned()]),
        );
        settings
    }

    /// Starts all services of an installation.
    fn dev(&self, name: Option<&str>) -> Dev {
        let settings = self.settings(name);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Dev::start_with(tempfile::tempdir().expect("a folder"), &settings)
    }

    /// Rebuilds the hot store of an installation, and returns what it printed.
    fn rebuild(&self, name: Option<&str>) -> Value {
        let output = binary()
            .args(["rebuild", "--json"])
            .args(self.settings(name))
            .output()
            .expect("ran");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The keys in Redis that begin with a text.
    fn keys(&self, beginning: &str) -> usize {
        let keys = self.redis.ask(&["KEYS", &format!("{beginning}*")]);
        keys.expect("keys").lines().count()
    }
}

/// The number of purchases of the customer whom all installations know by the same identifier.
fn purchases(dev: &Dev) -> u64 {
    let customer = dev.json("customer user_id:u1");
    let count = &customer["profile"]["events"][0]["count"];
    count.as_u64().expect("a number")
}

/// The epochs of the partitions: a partition that is recovered gets a higher one.
fn epochs(dev: &Dev) -> Vec<u64> {
    let partitions = dev.json("partitions");
    let partitions = partitions["partitions"].as_array().expect("a list");
    let epochs = partitions.iter().map(|it| it["epoch"].as_u64());
    epochs.map(|it| it.expect("a number")).collect()
}

const NAMES: [Option<&str>; 3] = [None, Some("a"), Some("a-b")];

#[test]
fn installations_share_servers_and_see_nothing_of_each_other() {
    let servers = Servers::start();
    let devs = NAMES.map(|name| servers.dev(name));
    let mut positions = Vec::new();
    let mut customers = Vec::new();
    for (times, (dev, name)) in (1..).zip(devs.iter().zip(NAMES)) {
        // Each defines something under the same name, and has something else there.
        let expression = format!("events(\"purchase\").count() >= {times}");
        let segment = format!("segment: {{name: buyers, expression: '{expression}'}}\n");
        dev.file("all.yaml", &segment);
        assert_eq!(dev.ok("apply -f all.yaml").matches("created").count(), 1);
        for _ in 0..times {
            let tracked = dev.json("track purchase --id user_id=u1 --event-id same");
            positions.push((
                name,
                tracked["position"].as_str().expect("a position").to_owned(),
            ));
            dev.ok("track purchase --id user_id=u1");
        }
        dev.settle();
        // The event that is sent again counts once, and in each installation.
        assert_eq!(purchases(dev), times + 1);
        let customer = dev.json("customer user_id:u1");
        customers.push(customer["customer"]["customer_id"].clone());
        assert_eq!(dev.json("segments")["segments"][0]["member_count"], 1);
        let status = dev.json("status");
        assert_eq!(status["well"], true, "{status}");
        let told = &status["processes"][0]["installation"]["installation"];
        assert_eq!(told.as_str().unwrap_or_default(), name.unwrap_or_default());
        let title = name.map_or_else(
            || "\nProcesses asked\n".to_owned(),
            |name| format!("\nProcesses asked, of installation {name}\n"),
        );
        assert!(dev.ok("status").contains(&title));
    }
    customers.sort_by_key(ToString::to_string);
    customers.dedup();
    assert_eq!(customers.len(), NAMES.len(), "{customers:?}");

    for (dev, name) in devs.iter().zip(NAMES) {
        for (of, position) in &positions {
            let line = format!("customer user_id:u1 --after {position}");
            if *of == name {
                dev.ok(&line);
            } else {
                let (code, said) = dev.refused(&line);
                assert_eq!(code, 2, "{said}");
                assert!(said.contains("is of another installation"), "{said}");
            }
        }
    }
    a_loss_of_one_is_none_of_the_others(&servers, &devs);
    another_database_is_refused(&servers);
    an_installation_that_is_not_there_is_not_rebuilt(&servers);
    for dev in devs {
        dev.stop();
    }
}

/// Deletes what one has in Redis, restores it, and compares what all have with what they had.
fn a_loss_of_one_is_none_of_the_others(servers: &Servers, devs: &[Dev; 3]) {
    let [none, lost, other] = devs;
    let all = servers.keys("");
    let roots = ["hp:", "hp.a:", "hp.a-b:"].map(|root| servers.keys(root));
    assert!(roots.iter().all(|keys| *keys > 0), "{roots:?}");
    assert_eq!(roots.iter().sum::<usize>(), all, "{roots:?}");

    let before = [none, lost, other].map(|dev| (purchases(dev), epochs(dev)));
    let deleted = servers.redis.ask(&["EVAL", DELETE, "0", "hp.a:*"]);
    deleted.expect("deletes");
    assert_eq!(servers.keys("hp.a:"), 0);
    assert_eq!(
        [servers.keys("hp:"), servers.keys("hp.a-b:")],
        [roots[0], roots[2]]
    );
    let rebuilt = servers.rebuild(Some("a"));
    assert_eq!(rebuilt["partitions"].as_array().map(Vec::len), Some(4));
    lost.ok("track purchase --id user_id=u1");
    lost.settle();
    assert_eq!(purchases(lost), before[1].0 + 1);
    for (dev, (count, epochs_before)) in [(none, &before[0]), (other, &before[2])] {
        assert_eq!(purchases(dev), *count);
        assert_eq!(&epochs(dev), epochs_before, "nobody recovered it");
        assert_eq!(dev.json("status")["well"], true);
    }
}

/// Rebuilds installations that nobody ever started.
fn an_installation_that_is_not_there_is_not_rebuilt(servers: &Servers) {
    let keys = servers.keys("");
    let empty = servers.postgres.create_database().expect("a database");
    for (name, database) in [(Some("typo"), &servers.database), (None, &empty)] {
        let mut settings = servers.settings(name);
        settings[3].clone_from(database);
        let output = binary()
            .arg("rebuild")
            .args(&settings)
            .output()
            .expect("ran");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("there is no installation"), "{said}");
    }
    assert_eq!(servers.keys(""), keys);
}

/// Starts processes that find the keys of an installation of another database.
fn another_database_is_refused(servers: &Servers) {
    let database = servers.postgres.create_database().expect("a database");
    for name in NAMES {
        let mut settings = servers.settings(name);
        settings[3] = database.clone();
        let output = binary()
            .args(["dev", "--listen", "127.0.0.1:0", "--partitions", "4"])
            .args(&settings)
            .output()
            .expect("ran");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("whose database is another one"), "{said}");
    }
}

#[test]
fn names_that_cannot_be_and_stores_of_one_installation_are_refused_with_the_remedy() {
    let refused = |settings: &[&str]| {
        let output = binary().arg("dev").args(settings).output().expect("ran");
        assert_eq!(output.status.code(), Some(2), "{settings:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let said = refused(&["--installation", "Shop"]);
    let expected = "installation = \"Shop\" (from --installation): expected 1 to 40 lower case letters, digits, - and _, the \
                    first a letter";
    assert!(said.contains(expected), "{said}");
    let said = refused(&["--installation", "shop"]);
    for expected in [
        "an embedded store belongs to one installation: leave installation out",
        "a SQLite file belongs to one installation: leave installation out",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}
