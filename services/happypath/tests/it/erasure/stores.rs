//! The stores that an erasure is tried on, and the look at every byte of them.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::{PostgresServer, RedisServer};

use super::MARK;
use crate::Dev;

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Holds that bytes do not have the mark, nor its digits: a dump writes bytes so.
fn check_clean(name: &str, bytes: &[u8]) {
    let digits: String = MARK.bytes().map(|byte| format!("{byte:02x}")).collect();
    for mark in [MARK, &digits] {
        let mark = mark.as_bytes();
        let found = bytes.windows(mark.len()).position(|own| own == mark);
        let Some(place) = found else { continue };
        let around = &bytes[place.saturating_sub(200)..bytes.len().min(place + 200)];
        panic!("{name} has it: {}", String::from_utf8_lossy(around));
    }
}

fn check_files_clean(folder: &Path) {
    let mut all = Vec::new();
    files(folder, &mut all);
    assert!(!all.is_empty());
    for path in all {
        match std::fs::read(&path) {
            Ok(bytes) => check_clean(&path.display().to_string(), &bytes),
            // A process that runs removes files meanwhile.
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
    }
}

/// The stores that a test runs on.
pub(super) struct Stores {
    pub(super) redis: Option<RedisServer>,
    postgres: Option<PostgresServer>,
    settings: Vec<String>,
    log: PathBuf,
    _logs: TempDir,
}

impl Stores {
    pub(super) fn embedded() -> Self {
        Self::with(None, None, Vec::new())
    }

    pub(super) fn servers() -> Self {
        let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
        let postgres = PostgresServer::start().expect("a PostgreSQL");
        let database = postgres.create_database().expect("a database");
        let settings = ["--hot-store", &redis.url(), "--database", &database];
        let settings = settings.map(str::to_owned).into();
        Self::with(Some(redis), Some(postgres), settings)
    }

    fn with(
        redis: Option<RedisServer>,
        postgres: Option<PostgresServer>,
        settings: Vec<String>,
    ) -> Self {
        let logs = tempfile::tempdir().expect("a folder");
        Self {
            redis,
            postgres,
            settings,
            log: logs.path().join("log"),
            _logs: logs,
        }
    }

    pub(super) fn start(&self, folder: TempDir) -> Dev {
        let mut settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        settings.extend(["--log-level", "debug"]);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a file");
        Dev::start_to(folder, &settings, Stdio::from(log))
    }

    /// Holds that nothing of the person is in any file of a process that runs.
    pub(super) fn check_folder(dev: &Dev) {
        check_files_clean(&dev.folder.path().join("stores"));
    }

    /// Holds that nothing of the person is in any store, with the process stopped.
    pub(super) fn check_clean(&self, folder: &Path) {
        check_files_clean(&folder.join("stores"));
        check_clean("the log", &std::fs::read(&self.log).expect("a file"));
        if let (Some(_), Some(database)) = (&self.postgres, self.settings.get(3)) {
            let dump = Command::new("pg_dump").arg(database).output();
            let dump = dump.expect("pg_dump runs");
            assert!(dump.status.success() && !dump.stdout.is_empty());
            check_clean("the dump", &dump.stdout);
        }
        if let Some(redis) = &self.redis {
            redis.ask(&["SAVE"]).expect("it saves");
            let answer = redis.ask(&["CONFIG", "GET", "dir"]).expect("it answers");
            let place = answer.split_whitespace().find(|word| word.starts_with('/'));
            check_files_clean(Path::new(place.expect("a folder")));
        }
    }
}
