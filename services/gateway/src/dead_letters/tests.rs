//! The table of dead letters, as two processes see it, on each database.

use gateway_core::Reason;
use kernel::Duration;
use proto::convert::timestamp;
use proto::gateway::v1::DeadLetterFilter;
use testkit::PostgresServer;

use super::*;

/// The instant at which tests begin.
const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

/// Runs a test on each database, as two processes of one installation.
async fn on_each(test: impl AsyncFn(DeadLetters, DeadLetters)) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = storage::DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
    let server = PostgresServer::start().expect("a server");
    for url in [file, server.url().parse().expect("a URL")] {
        let open = async || {
            let database = Database::connect(&url).await.expect("it opens");
            let statistics = Statistics::open(database.clone()).await.expect("tables");
            DeadLetters::open(database, statistics)
                .await
                .expect("tables")
        };
        test(open().await, open().await).await;
    }
}

fn letter(reason: Reason, payload: &str) -> Letter {
    let fault = Fault::new(reason, "userId", "is missing: name somebody");
    Letter::new("/v1/batch", fault, payload, Some(NOW))
}

async fn keep(store: &DeadLetters, source: &str, payloads: &[&str], now: Timestamp) {
    let letters = payloads.iter().map(|it| letter(Reason::NoIdentifier, it));
    let kept = store.keep(source, letters.collect(), now).await;
    kept.expect("kept");
}

async fn all(store: &DeadLetters, filter: &LetterFilter) -> Vec<String> {
    let found = store.list(filter, None, usize::MAX, |_| false).await;
    let found = found.expect("letters").into_iter();
    found.map(|letter| letter.payload).collect()
}

fn filter(source: &str, reason: &str, times: [Option<i64>; 2]) -> LetterFilter {
    let time = |after: Option<i64>| after.map(|it| timestamp(NOW + Duration::from_millis(it)));
    let filter = DeadLetterFilter {
        source: source.to_owned(),
        reason: reason.to_owned(),
        start_time: time(times[0]),
        end_time: time(times[1]),
    };
    LetterFilter::read("filter", Some(&filter)).expect("right")
}

fn later(millis: i64) -> Timestamp {
    NOW + Duration::from_millis(millis)
}

#[tokio::test]
async fn what_a_process_keeps_every_process_lists_newest_first() {
    on_each(async |one, other| {
        keep(&one, "shop", &["{\"a\":1}"], NOW).await;
        keep(&other, "shop", &["{\"a\":2}", "{\"a\":\"\0\"}"], later(5)).await;
        keep(&one, "app", &["{}"], later(10)).await;
        let everything = LetterFilter::default();
        let found = all(&one, &everything).await;
        assert_eq!(found.len(), 4);
        assert_eq!((found[0].as_str(), found[3].as_str()), ("{}", "{\"a\":1}"));
        // A character that PostgreSQL cannot store is replaced.
        assert!(found.contains(&"{\"a\":\"\u{fffd}\"}".to_owned()));
        assert_eq!(found, all(&other, &everything).await);
        let counts = one.counts("").await.expect("counts");
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("app".to_owned(), 1), ("shop".to_owned(), 3)]
        );
        assert_eq!(one.counts("app").await.expect("counts").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_is_kept_once() {
    on_each(async |one, other| {
        keep(&one, "shop", &["{\"a\":1}", "{\"a\":1}"], NOW).await;
        keep(&one, "shop", &["{\"a\":1}"], NOW).await;
        keep(&other, "shop", &["{\"a\":1}"], later(1_000)).await;
        assert_eq!(all(&one, &LetterFilter::default()).await.len(), 1);
        // The same of another source is another event.
        keep(&other, "app", &["{\"a\":1}"], NOW).await;
        assert_eq!(all(&one, &LetterFilter::default()).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn letters_are_found_by_source_reason_and_time() {
    on_each(async |one, _| {
        keep(&one, "shop", &["1"], NOW).await;
        keep(&one, "shop", &["2"], later(10)).await;
        let bad = vec![letter(Reason::BadTime, "3")];
        one.keep("app", bad, later(20)).await.expect("kept");
        for (filter, expected) in [
            (filter("shop", "", [None, None]), &["2", "1"][..]),
            (filter("", "BAD_TIME", [None, None]), &["3"]),
            (filter("shop", "BAD_TIME", [None, None]), &[]),
            (filter("", "", [Some(10), None]), &["3", "2"]),
            (filter("", "", [None, Some(10)]), &["1"]),
            (filter("", "", [Some(1), Some(20)]), &["2"]),
        ] {
            assert_eq!(all(&one, &filter).await, expected, "{filter:?}");
        }
        let oldest = one.oldest(&LetterFilter::default(), 2).await;
        let oldest: Vec<_> = oldest
            .expect("two")
            .into_iter()
            .map(|it| it.payload)
            .collect();
        assert_eq!(oldest, ["1", "2"]);
    })
    .await;
}

#[tokio::test]
async fn of_two_replays_of_a_letter_one_settles_it() {
    on_each(async |one, other| {
        keep(&one, "shop", &["1", "2"], NOW).await;
        let everything = LetterFilter::default();
        let mut mine = one.oldest(&everything, 10).await.expect("two");
        let mut theirs = other.oldest(&everything, 10).await.expect("two");
        let fault = || Fault::new(Reason::Refused, "name", "is none");
        let refused = vec![(mine.remove(0), Replayed::Refused(fault()))];
        one.settle(&refused).await.expect("settled");
        let ends = theirs.drain(..).map(|it| (it, Replayed::Taken));
        let lost = other.settle(&ends.collect::<Vec<_>>()).await;
        let lost = lost.expect_err("another was faster");
        assert_eq!(lost.reason(), ErrorReason::DeadLettersContended);
        // All of it, or nothing.
        let left = one.oldest(&everything, 10).await.expect("two");
        assert_eq!(left.len(), 2);
        let noted = left.iter().find(|it| it.replay_count == 1).expect("noted");
        assert_eq!(
            (noted.reason.as_str(), noted.field.as_str()),
            ("REFUSED", "name")
        );
        let ends = left.into_iter().map(|it| (it, Replayed::Taken));
        other
            .settle(&ends.collect::<Vec<_>>())
            .await
            .expect("settled");
        assert!(all(&one, &everything).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn letters_go_by_order_by_age_and_by_number() {
    on_each(async |one, other| {
        keep(&one, "shop", &["1"], NOW).await;
        keep(&one, "shop", &["2", "3"], later(LETTER_KEPT_MS)).await;
        one.prune(later(LETTER_KEPT_MS)).await.expect("pruned");
        assert_eq!(all(&one, &LetterFilter::default()).await.len(), 3);
        one.prune(later(LETTER_KEPT_MS + 1)).await.expect("pruned");
        assert_eq!(all(&one, &LetterFilter::default()).await.len(), 2);
        let ids: Vec<_> = one.oldest(&LetterFilter::default(), 1).await.expect("one");
        let ids: Vec<_> = ids.iter().map(|letter| letter.id).collect();
        assert_eq!(other.find(&ids).await.expect("one").len(), 1);
        assert_eq!(other.discard(&ids).await.expect("gone"), 1);
        assert_eq!(one.discard(&ids).await.expect("gone before"), 0);
        assert_eq!(one.find(&ids).await.expect("none").len(), 0);
    })
    .await;
}

#[tokio::test]
async fn calls_that_come_at_once_are_all_kept() {
    on_each(async |one, _| {
        let calls = (0..50).map(|call| {
            let one = one.clone();
            tokio::spawn(async move {
                let payloads: Vec<String> = (0..10).map(|it| format!("[{call},{it}]")).collect();
                let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
                keep(&one, "shop", &payloads, NOW).await;
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("no panic");
        }
        let counts = one.counts("shop").await.expect("counts");
        assert_eq!(counts["shop"], 500);
    })
    .await;
}

#[tokio::test]
async fn a_source_has_no_more_than_its_share_and_the_oldest_give_way() {
    // Rows without payloads, as many as are kept: on the quicker database only.
    let url = "sqlite::memory:".parse().expect("a URL");
    let database = Database::connect(&url).await.expect("it opens");
    let statistics = Statistics::open(database.clone()).await.expect("tables");
    let store = DeadLetters::open(database.clone(), statistics.clone()).await;
    let store = store.expect("tables");
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         INSERT INTO dead_letter SELECT unhex(printf('%032x', i)), unhex(printf('%032x', i)), \
         'shop', '', '', '', '', '', 0, 0, NULL, 0 FROM n",
        LETTERS_PER_SOURCE + 1_500
    );
    sea_orm::ConnectionTrait::execute_unprepared(database.orm(), &fill)
        .await
        .expect("rows");
    keep(&store, "app", &["{}"], NOW).await;
    store.make_room("shop").await.expect("room");
    let counts = store.counts("").await.expect("counts");
    assert_eq!((counts["shop"], counts["app"]), (LETTERS_PER_SOURCE, 1));
    let first: Vec<StoredLetter> = store
        .oldest(&filter("shop", "", [None, None]), 1)
        .await
        .expect("one");
    assert_eq!(first[0].id.as_u128(), 1_501);
    let counted = statistics.read("shop", 1, NOW).await.expect("counts");
    assert_eq!(counted[0].reason, "DEAD_LETTER_DROPPED");
    assert_eq!(counted[0].number, 1_500);
}
