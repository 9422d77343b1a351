//! Requests by their id.

use kernel::Timestamp;
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
        let start = Timestamp::from_millis(1_000);
        let begin = |key, hash: &'static [u8], now| requests.begin(key, hash, now);

        let is_new = |begun: &Begun| matches!(begun, Begun::New(_));
        let begun = begin(key, b"x", start).await.expect("an answer");
        assert!(is_new(&begun));
        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::UnderWay
        );
        assert_eq!(
            begin(key, b"y", start).await.expect("an answer"),
            Begun::Differs
        );
        let begun = begin(other, b"y", start).await.expect("an answer");
        let Begun::New(turn) = begun else {
            panic!("ids belong to a method: {begun:?}");
        };
        requests.complete(key, b"done").await.expect("kept");
        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::Answered(b"done".to_vec())
        );
        assert_eq!(
            begin(key, b"y", start).await.expect("an answer"),
            Begun::Differs
        );

        requests.complete(key, b"late").await.expect("ignored");
        requests.abandon(other, turn).await.expect("forgotten");
        requests
            .abandon(key, turn)
            .await
            .expect("an answered one stays");
        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::Answered(b"done".to_vec())
        );
        assert!(is_new(&begin(other, b"z", start).await.expect("an answer")));
        let expired = start + limits::REQUEST_KEPT;
        assert!(is_new(&begin(key, b"y", expired).await.expect("an answer")));
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
        let at = |millis: i64| Timestamp::from_millis(1_000 + millis);
        let begin = async |time| requests.begin(key, b"x", time).await.expect("an answer");
        let Begun::New(first) = begin(at(0)).await else {
            panic!("it is new");
        };
        let patience = limits::REQUEST_UNDER_WAY.as_millis();
        let hold = async |turn, time| requests.hold(key, turn, time).await.expect("an answer");
        let first = hold(first, at(5_000)).await.expect("it holds it");
        assert_eq!(begin(at(patience)).await, Begun::UnderWay);
        assert_eq!(begin(at(patience + 4_999)).await, Begun::UnderWay);
        let Begun::New(second) = begin(at(patience + 5_000)).await else {
            panic!("the first one died");
        };
        // The first one was only slow: it has lost its turn, and takes nothing from the second.
        assert_eq!(hold(first, at(patience + 5_001)).await, None);
        requests.abandon(key, first).await.expect("nothing");
        assert_eq!(begin(at(patience + 5_001)).await, Begun::UnderWay);
        requests.abandon(key, second).await.expect("forgotten");
        assert!(matches!(begin(at(patience + 5_001)).await, Begun::New(_)));
    }
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let (databases, _folder) = databases().await;
    let requests = Requests::new(databases[0].clone());
    let start = Timestamp::from_millis(1_000);
    let key = RequestKey {
        request_id: "old",
        method: "m",
    };
    requests.begin(key, b"x", start).await.expect("new");
    assert_eq!(requests.clean_up(start).await.expect("an answer"), 0);
    let late = start + limits::REQUEST_KEPT;
    assert_eq!(requests.clean_up(late).await.expect("an answer"), 1);
}
