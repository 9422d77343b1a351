//! Layers, and every fault of them at once.

use std::path::Path;

use runtime::{Config, ConfigFlags, Defaults, Durability, Environment};

/// Reads a configuration from a file's text, variables (`NAME=value`) and flags (`setting=value`).
fn load(
    file: Option<&str>,
    environment: &[&str],
    flags: &[(&'static str, &str)],
) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("happypath.yaml");
    let mut given = ConfigFlags::default();
    if let Some(text) = file {
        std::fs::write(&path, text).expect("a file");
        given.file = Some(path.clone());
    }
    for (name, value) in flags {
        given = given.with(name, *value);
    }
    let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
    let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::of(environment);
    Config::load(&Defaults::of_dev(Path::new("store")), &given, &environment).map_err(|faults| {
        faults
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    })
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let config = load(
        Some("partitions: 4\nlease_ttl: 20s\nlog_level: debug\n"),
        &[
            "HAPPYPATH_PARTITIONS=8",
            "HAPPYPATH_LEASE_TTL=30s",
            "HAPPYPATH_LISTEN=",
        ],
        &[("partitions", "32")],
    )
    .expect("valid");
    assert_eq!(config.partitions.get(), 32);
    assert_eq!(config.lease_ttl.to_string(), "30s");
    assert_eq!(config.log_level, "debug");
    assert_eq!(
        config.listen.to_string(),
        "127.0.0.1:7400",
        "an empty variable says nothing"
    );
}

#[test]
fn faults_name_setting_value_origin_and_remedy() {
    for (file, environment, flags, faults) in [
        (
            Some("partitions: 0\nhot_stores: x\n"),
            &["HAPPYPATH_CLOCK=moon"][..],
            &[("listen", "7400"), ("hot_store", "memory:")][..],
            "the configuration has 5 faults\n  \
             hot_stores (from FILE:2): is not a setting: did you mean `hot_store`?\n  \
             listen = \"7400\" (from --listen): expected an address and port, such as 127.0.0.1:7400\n  \
             hot_store = \"memory:\" (from --hot-store): expected embedded:FOLDER (one process only), \
             redis://HOST:PORT, redis+sentinel://HOST:PORT/NAME or redis+cluster://HOST:PORT\n  \
             partitions = \"0\" (from FILE:1): 0 partitions are not possible: choose 1 to 1024\n  \
             clock = \"moon\" (from HAPPYPATH_CLOCK): expected wall or stream",
        ),
        (
            None,
            &["HAPPYPATH_TRACE_RATIO=1.5"],
            &[("metrics_listen", "9464"), ("otlp_endpoint", "collector")],
            "the configuration has 3 faults\n  \
             metrics_listen = \"9464\" (from --metrics-listen): expected an address and port, such as 127.0.0.1:9464\n  \
             otlp_endpoint = \"collector\" (from --otlp-endpoint): expected a URL such as http://host:7401\n  \
             trace_ratio = \"1.5\" (from HAPPYPATH_TRACE_RATIO): expected a number from 0 to 1, such as 0.01",
        ),
        (
            None,
            &["HAPPYPATH_DATABASE=mysql://me:secret@db/x"],
            &[("lease_ttl", "1ms"), ("identity_address", "identity")],
            "the configuration has 3 faults\n  \
             database = \"mysql://me:***@db/x\" (from HAPPYPATH_DATABASE): expected sqlite:FILE (one machine only) or \
             postgres://USER@HOST/NAME\n  \
             identity_address = \"identity\" (from --identity-address): expected a URL such as http://host:7401\n  \
             lease_ttl = \"1ms\" (from --lease-ttl): expected a duration from 1s to 10m, such as 10s",
        ),
        (
            Some("partitions:\n  - 1\n"),
            &["HAPPYPATH_LOG_FORMAT=xml"],
            &[("worker", "a b")],
            "the configuration has 3 faults\n  \
             partitions (from FILE:2): is not one value: expected a number from 1 to 1024\n  \
             worker = \"a b\" (from --worker): expected 1 to 100 letters, digits and . _ -, different for each process\n  \
             log_format = \"xml\" (from HAPPYPATH_LOG_FORMAT): expected text or json",
        ),
    ] {
        let found = load(file, environment, flags).expect_err("faulty");
        assert_eq!(found, faults);
    }
}

#[test]
fn two_addresses_of_a_process_are_never_one() {
    let refused = load(
        None,
        &["HAPPYPATH_HEALTH_LISTEN=0.0.0.0:7400"],
        &[("metrics_listen", "127.0.0.1:7400")],
    );
    assert_eq!(
        refused.expect_err("three times one port"),
        "the configuration has 3 faults\n  \
         health_listen = \"0.0.0.0:7400\" (from HAPPYPATH_HEALTH_LISTEN): is the address of listen too: choose another port\n  \
         health_listen = \"0.0.0.0:7400\" (from HAPPYPATH_HEALTH_LISTEN): is the address of metrics_listen too: choose \
         another port\n  \
         metrics_listen = \"127.0.0.1:7400\" (from --metrics-listen): is the address of listen too: choose another port"
    );
    let config = load(None, &["HAPPYPATH_HEALTH_LISTEN=localhost:7411"], &[]).expect("valid");
    let shown = config.health_listen.map(|it| it.to_string());
    assert_eq!(shown.as_deref(), Some("127.0.0.1:7411"));
}

#[test]
fn an_installation_has_a_name_where_its_stores_can_be_shared() {
    const SHARED: [(&str, &str); 2] = [
        ("hot_store", "redis://localhost"),
        ("database", "postgres://localhost/happypath"),
    ];
    let longest = "a".repeat(40);
    for name in ["a", "shop-de", "shop_de-2", &longest] {
        let flags = [&SHARED[..], &[("installation", name)]].concat();
        let config = load(None, &[], &flags).expect("valid");
        let found = config.installation.as_ref().map(ToString::to_string);
        assert_eq!(found.as_deref(), Some(name));
        assert!(
            config
                .to_string()
                .contains(&format!("installation = {name} (from"))
        );
    }
    let config = load(None, &["HAPPYPATH_INSTALLATION="], &SHARED).expect("valid");
    assert_eq!(config.installation, None, "an empty variable says nothing");

    let longer = "a".repeat(41);
    for name in ["", "Shop", "1a", "-a", "a.b", "a:b", "a b", "ä", &longer] {
        let flags = [&SHARED[..], &[("installation", name)]].concat();
        let faults = load(None, &[], &flags).expect_err("faulty");
        let expected = format!(
            "the configuration has 1 fault\n  installation = \"{name}\" (from --installation): expected 1 to 40 lower case \
             letters, digits, - and _, the first a letter"
        );
        assert_eq!(faults, expected);
    }
    let embedded = "an embedded store belongs to one installation: leave installation out and choose a folder for each \
                    with --hot-store, or keep the hot store in Redis";
    let sqlite = "a SQLite file belongs to one installation: leave installation out and choose a file for each with \
                  --database, or keep the database in Postgres";
    for (kept, expected) in [
        (&SHARED[..0], &[embedded, sqlite][..]),
        (&SHARED[..1], &[sqlite]),
        (&SHARED[1..], &[embedded]),
    ] {
        let flags = [kept, &[("installation", "shop")]].concat();
        let faults = load(None, &[], &flags).expect_err("faulty");
        let lines: Vec<&str> = faults.lines().skip(1).collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|problem| format!("  installation = \"shop\" (from --installation): {problem}"))
            .collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_file_that_is_none_is_named() {
    let flags = ConfigFlags {
        file: Some("no/such/file.yaml".into()),
        ..ConfigFlags::default()
    };
    let faults = Config::load(
        &Defaults::of_dev(Path::new("x")),
        &flags,
        &Environment::default(),
    )
    .expect_err("no file")
    .to_string();
    assert!(
        faults.contains("config = \"no/such/file.yaml\": cannot be read"),
        "{faults}"
    );
    let broken = load(Some("partitions: [\n"), &[], &[]).expect_err("no YAML");
    assert!(
        broken.contains("is not a list of settings in YAML"),
        "{broken}"
    );
}

#[test]
fn a_service_alone_must_be_told_its_stores() {
    let faults = Config::load(
        &Defaults::of_service("journey"),
        &ConfigFlags::default(),
        &Environment::default(),
    )
    .expect_err("no stores")
    .to_string();
    for line in [
        "hot_store: is not set: expected embedded:FOLDER (one process only), redis://HOST:PORT, \
         redis+sentinel://HOST:PORT/NAME or redis+cluster://HOST:PORT; set it with \
         --hot-store, HAPPYPATH_HOT_STORE or in the file",
        "database: is not set",
    ] {
        assert!(faults.contains(line), "{faults}");
    }
}

#[test]
fn effective_values_are_told_without_secrets() {
    let config = load(
        None,
        &["HAPPYPATH_DATABASE=postgres://me:hunter2@db/happypath"],
        &[("hot_store", "redis://:hunter2@cache:6379")],
    )
    .expect("valid");
    let told = config.to_string();
    assert!(told.starts_with("configuration is valid\n"), "{told}");
    assert!(
        told.contains("hot_store = redis://:***@cache:6379 (from --hot-store)"),
        "{told}"
    );
    assert!(
        told.contains("database = postgres://me:***@db/happypath (from HAPPYPATH_DATABASE)"),
        "{told}"
    );
    assert!(
        told.contains("\n  durability = journal (from the default)\n"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    assert!(!format!("{:?}", config.database).contains("hunter2"));
}

#[test]
fn durability_follows_the_stores_unless_it_is_set() {
    let redis = ("hot_store", "rediss+sentinel://a:26379,b:26379/main");
    let postgres = ("database", "postgres://me@db/happypath");
    for (flags, expected) in [
        (vec![], Durability::Embedded),
        (vec![("durability", "embedded")], Durability::Embedded),
        (vec![redis], Durability::Hot),
        (vec![redis, postgres], Durability::Journal),
        (
            vec![redis, postgres, ("durability", "hot")],
            Durability::Hot,
        ),
        (vec![redis, ("durability", "journal")], Durability::Journal),
    ] {
        let config = load(None, &[], &flags).expect("valid");
        assert_eq!(config.durability, Some(expected), "{flags:?}");
    }
}

#[test]
fn a_service_without_states_needs_no_hot_store_and_opens_none() {
    let set = ("hot_store", "redis://cache");
    for flags in [vec![], vec![set]] {
        let flags = flags.into_iter().fold(
            ConfigFlags::default().with("database", "postgres://me@db/happypath"),
            |flags, (name, value): (&'static str, &str)| flags.with(name, value),
        );
        let defaults = Defaults::of_service("gateway");
        let config = Config::load(&defaults, &flags, &Environment::default()).expect("valid");
        assert_eq!((config.hot_store, config.durability), (None, None));
        assert_eq!(config.listen.port(), 7405);
    }
}

#[test]
fn events_are_kept_for_ever_unless_somebody_says_how_long() {
    for (flags, expected) in [
        (vec![], None),
        (vec![("event_retention", "forever")], None),
        (vec![("event_retention", "1h")], Some("1h")),
        (vec![("event_retention", "90d")], Some("90d")),
        (
            vec![("journal_retention", "2d"), ("event_retention", "48h")],
            Some("2d"),
        ),
    ] {
        let config = load(None, &[], &flags).expect("valid");
        let found = config.event_retention.map(|length| length.to_string());
        assert_eq!(found.as_deref(), expected, "{flags:?}");
    }
}

#[test]
fn changes_are_kept_for_a_week_unless_somebody_says_how_long_or_off() {
    for (flags, expected) in [
        (vec![], Some("7d")),
        (vec![("change_retention", "off")], None),
        (vec![("change_retention", "1h")], Some("1h")),
        (vec![("change_retention", "365d")], Some("365d")),
    ] {
        let config = load(None, &[], &flags).expect("valid");
        let found = config.change_retention.map(|length| length.to_string());
        let right = expected.map(|text| {
            let length: kernel::Duration = text.parse().expect("a duration");
            length.to_string()
        });
        assert_eq!(found, right, "{flags:?}");
    }
    for text in ["0", "59m", "366d", "forever"] {
        let faults = load(None, &[], &[("change_retention", text)]).expect_err("faulty");
        let fault = format!(
            "change_retention = \"{text}\" (from --change-retention): expected off, or a duration from 1h to 365d"
        );
        assert!(faults.contains(&fault), "{faults}");
    }
}

#[test]
fn an_erasure_has_a_day_unless_somebody_says_how_long() {
    for (flags, expected) in [
        (vec![], "24h"),
        (vec![("erasure_deadline", "1m")], "1m"),
        (vec![("erasure_deadline", "30d")], "30d"),
    ] {
        let config = load(None, &[], &flags).expect("valid");
        let expected: kernel::Duration = expected.parse().expect("a duration");
        assert_eq!(config.erasure_deadline, expected, "{flags:?}");
    }
    for text in ["0", "59s", "31d", "off"] {
        let faults = load(None, &[], &[("erasure_deadline", text)]).expect_err("faulty");
        assert!(faults.contains("erasure_deadline"), "{faults}");
    }
}

#[test]
fn levels_that_do_not_fit_the_store_are_refused() {
    let redis = ("hot_store", "redis://cache");
    for (flags, fault) in [
        (
            vec![("durability", "journal")],
            "durability = \"journal\" (from --durability): an embedded store is its own journal",
        ),
        (
            vec![("durability", "hot")],
            "durability = \"hot\" (from --durability): an embedded store writes to disk",
        ),
        (
            vec![redis, ("durability", "embedded")],
            "durability = \"embedded\" (from --durability): the hot store is Redis",
        ),
        (
            vec![redis, ("durability", "strong")],
            "expected hot or journal for Redis, embedded for an embedded store",
        ),
        (
            vec![("replicas_acked", "1")],
            "replicas_acked = \"1\" (from --replicas-acked): an embedded store has no replicas",
        ),
        (
            vec![redis, ("replicas_acked", "11")],
            "expected a number from 0 to 10",
        ),
        (
            vec![redis, ("journal_retention", "1s")],
            "expected a duration from 1m to 30d, such as 1h",
        ),
        (
            vec![redis, ("event_retention", "59m")],
            "event_retention = \"59m\" (from --event-retention): expected forever, or a duration from 1h to 3650d",
        ),
        (
            vec![redis, ("event_retention", "never")],
            "event_retention = \"never\" (from --event-retention): expected forever, or",
        ),
        (
            vec![
                redis,
                ("journal_retention", "2d"),
                ("event_retention", "1d"),
            ],
            "event_retention = \"1d\" (from --event-retention): is below journal_retention, 2d",
        ),
    ] {
        let faults = load(None, &[], &flags).expect_err("faulty");
        assert!(faults.contains(fault), "{faults}");
        assert!(faults.contains("has 1 fault\n"), "{faults}");
    }
}
