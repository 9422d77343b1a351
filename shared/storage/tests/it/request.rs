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

        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::New
        );
        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::UnderWay
        );
        assert_eq!(
            begin(key, b"y", start).await.expect("an answer"),
            Begun::Differs
        );
        assert_eq!(
            begin(other, b"y", start).await.expect("an answer"),
            Begun::New
        );
        requests.complete(key, b"done").await.expect("kept");
        assert_eq!(
            begin(key, b"x", start).await.expect("an answer"),
            Begun::Answered(b"done".to_vec())
        );
        assert_eq!(
            begin(key, b"y", start).await.expect("an answer"),
            Begun::Differs
        );

        requests.abandon(other).await.expect("forgotten");
        requests.abandon(key).await.expect("an answered one stays");
        assert_eq!(
            begin(other, b"z", start).await.expect("an answer"),
            Begun::New
        );
        let dead = start + limits::REQUEST_UNDER_WAY;
        assert_eq!(
            begin(other, b"z", dead).await.expect("an answer"),
            Begun::New,
            "its process died"
        );
        let expired = start + limits::REQUEST_KEPT;
        assert_eq!(
            begin(key, b"y", expired).await.expect("an answer"),
            Begun::New
        );
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
