//! Requests by their id.

use kernel::Duration;
use storage::{Begun, RequestKey, Requests, limits};

use crate::{databases, unique};

#[tokio::test]
async fn a_request_is_done_once_and_answered_again() {
    let (databases, _folder) = databases().await;
    for database in databases {
        let requests = Requests::new(database);
        let id = unique("request");
        let key = RequestKey {
            request_id: &id,
            method: "a.B/C",
        };
        let other = RequestKey {
            method: "a.B/D",
            ..key
        };
        let begin = |key, hash: &'static [u8]| requests.begin(key, hash);

        let is_new = |begun: &Begun| matches!(begun, Begun::New(_));
        let begun = begin(key, b"x").await.expect("an answer");
        assert!(is_new(&begun));
        for (hash, expected) in [(b"x", Begun::UnderWay), (b"y", Begun::Differs)] {
            assert_eq!(begin(key, hash).await.expect("an answer"), expected);
        }
        let begun = begin(other, b"y").await.expect("an answer");
        let Begun::New(turn) = begun else {
            panic!("ids belong to a method: {begun:?}");
        };
        requests.complete(key, b"done").await.expect("kept");
        let answered = Begun::Answered(b"done".to_vec());
        assert_eq!(begin(key, b"x").await.expect("an answer"), answered);
        assert_eq!(begin(key, b"y").await.expect("an answer"), Begun::Differs);

        requests.complete(key, b"late").await.expect("ignored");
        requests.abandon(other, turn).await.expect("forgotten");
        requests
            .abandon(key, turn)
            .await
            .expect("an answered one stays");
        assert_eq!(begin(key, b"x").await.expect("an answer"), answered);
        assert!(is_new(&begin(other, b"z").await.expect("an answer")));
        let almost = Duration::from_millis(limits::REQUEST_KEPT.as_millis() - 60_000);
        let kept = requests.later(almost);
        assert_eq!(kept.begin(key, b"x").await.expect("an answer"), answered);
        let expired = requests.later(limits::REQUEST_KEPT);
        assert!(is_new(&expired.begin(key, b"y").await.expect("an answer")));
    }
}

#[tokio::test]
async fn a_request_is_given_to_another_once_nobody_holds_it() {
    let (databases, _folder) = databases().await;
    for database in databases {
        let requests = Requests::new(database);
        let id = unique("request");
        let key = RequestKey {
            request_id: &id,
            method: "a.B/C",
        };
        let at = |by: Duration| requests.later(by);
        let begin = async |by| at(by).begin(key, b"x").await.expect("an answer");
        let hold = async |turn, by| at(by).hold(key, turn).await.expect("an answer");
        // The test itself takes some of the time that the database tells.
        let minute = Duration::from_millis(60_000);
        let dead = limits::REQUEST_UNDER_WAY;
        let late = Duration::from_millis(minute.as_millis() * 2);
        let Begun::New(first) = begin(Duration::ZERO).await else {
            panic!("it is new");
        };
        assert_eq!(begin(Duration::ZERO).await, Begun::UnderWay);
        let first = hold(first, minute).await.expect("it holds it");
        assert_eq!(begin(dead).await, Begun::UnderWay, "it was heard later");
        // No clock that goes back makes a turn older.
        let first = hold(first, Duration::ZERO).await.expect("it holds it");
        assert_eq!(begin(minute).await, Begun::UnderWay);
        let Begun::New(second) = begin(late).await else {
            panic!("the first one died");
        };
        // The first one was only slow: it has lost its turn, and takes nothing from the second.
        assert_eq!(hold(first, late).await, None);
        requests.abandon(key, first).await.expect("nothing");
        assert_eq!(begin(late).await, Begun::UnderWay);
        requests.abandon(key, second).await.expect("forgotten");
        assert!(matches!(begin(Duration::ZERO).await, Begun::New(_)));
    }
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let (databases, _folder) = databases().await;
    let requests = Requests::new(databases[0].clone());
    let key = RequestKey {
        request_id: "old",
        method: "m",
    };
    requests.begin(key, b"x").await.expect("new");
    assert_eq!(requests.clean_up().await.expect("an answer"), 0);
    let late = requests.later(limits::REQUEST_KEPT);
    assert_eq!(late.clean_up().await.expect("an answer"), 1);
}
