//! The statistics of two processes, on each database.

use kernel::Duration;
use testkit::PostgresServer;

use super::*;

/// The instant at which tests begin: an hour after midnight.
const NOW: Timestamp = Timestamp::from_millis(20_000 * DAY_MS + 3_600_000);

async fn on_each(test: impl AsyncFn(Statistics, Statistics)) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = storage::DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let server = PostgresServer::start().expect("a server");
    for url in [file, server.url().parse().expect("a URL")] {
        let open = async || {
            let database = Database::connect(&url).await.expect("it opens");
            Statistics::open(database).await.expect("tables")
        };
        test(open().await, open().await).await;
    }
}

async fn read(own: &Statistics, source: &str, days: i32, now: Timestamp) -> Vec<(String, u64)> {
    let counted = own.read(source, days, now).await.expect("counts");
    let counted = counted.into_iter();
    let shown = counted.map(|it| (format!("{} {}", it.source, it.reason), it.number));
    shown.collect()
}

fn days(number: i64) -> Duration {
    Duration::from_millis(number * DAY_MS)
}

#[tokio::test]
async fn processes_count_together_and_each_shows_all() {
    on_each(async |one, other| {
        for _ in 0..3 {
            one.count("shop", Reason::Accepted, 100);
            one.flush(NOW).await.expect("kept");
            other.count("shop", Reason::Accepted, 1);
        }
        other.count("", Reason::KeyMissing, 2);
        one.count("app", Reason::NoIdentifier, 1);
        other.flush(NOW).await.expect("kept");
        let expected = [
            (" KEY_MISSING".to_owned(), 2),
            ("app NO_IDENTIFIER".to_owned(), 1),
            ("shop ACCEPTED".to_owned(), 303),
        ];
        assert_eq!(read(&one, "", 1, NOW).await, expected);
        assert_eq!(read(&other, "", 1, NOW).await, expected);
        assert_eq!(read(&other, "app", 1, NOW).await, expected[1..2]);
    })
    .await;
}

#[tokio::test]
async fn days_are_added_up_and_old_ones_go() {
    on_each(async |one, _| {
        for day in 0..40 {
            one.count("shop", Reason::Accepted, 1);
            one.flush(NOW + days(day)).await.expect("kept");
        }
        let now = NOW + days(39);
        let number = async |days| read(&one, "shop", days, now).await[0].1;
        assert_eq!(
            (number(1).await, number(7).await, number(40).await),
            (1, 7, 40)
        );
        one.prune(now).await.expect("pruned");
        assert_eq!(number(40).await, 30);
        let last = one.read("shop", 7, now).await.expect("counts")[0].last_time;
        assert_eq!(last, now);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_kept_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = storage::DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let database = Database::connect(&file).await.expect("it opens");
    let own = Statistics::open(database.clone()).await.expect("tables");
    let run = async |text: &str| {
        let done = sea_orm::ConnectionTrait::execute_unprepared(database.orm(), text).await;
        done.expect("done");
    };
    run("ALTER TABLE intake_count RENAME TO away").await;
    own.count("shop", Reason::Accepted, 5);
    own.flush(NOW).await.expect_err("no table");
    run("ALTER TABLE away RENAME TO intake_count").await;
    own.count("shop", Reason::Accepted, 2);
    assert_eq!(
        read(&own, "", 1, NOW).await,
        [("shop ACCEPTED".to_owned(), 7)]
    );
}

#[tokio::test]
async fn sources_beyond_the_limit_are_nobodys() {
    let url = "sqlite::memory:".parse().expect("a URL");
    let database = Database::connect(&url).await.expect("it opens");
    let own = Statistics::open(database).await.expect("tables");
    for source in 0..COUNTED_SOURCES + 10 {
        own.count(&format!("s{source}"), Reason::Accepted, 1);
    }
    let nobodys = read(&own, "", 1, NOW).await;
    assert_eq!(nobodys.len(), COUNTED_SOURCES + 1);
    assert_eq!(nobodys[0], (" ACCEPTED".to_owned(), 10));
}
