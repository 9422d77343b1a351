//! Hints, and what is there after reopening.

use super::{
    SLOT, Subject, append, at, commit, opened, payloads, state, stream, text, timed, values,
};
use crate::{Commit, CounterKey, Cursor, HotError, StreamId, StreamName, Timer, Wake};

/// Appends and outputs hint at their stream, to those who asked for it.
pub async fn hints_name_the_stream(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let names = [StreamName::Events, StreamName::Actions];
    let mut everything = store.subscribe(&names).await.expect("subscribes");
    let mut actions = store
        .subscribe(&[StreamName::Actions])
        .await
        .expect("subscribes");
    append(&store, stream(StreamName::Facts), "unasked").await;
    append(&store, stream(StreamName::Events), "event").await;
    assert_eq!(
        everything.recv().await,
        Some(Wake::Stream(stream(StreamName::Events)))
    );
    let output = Commit {
        outputs: vec![(StreamName::Actions, text("action"))],
        ..commit(1)
    };
    store.commit(SLOT, &output).await.expect("commits");
    let hint = Some(Wake::Stream(stream(StreamName::Actions)));
    assert_eq!(everything.recv().await, hint);
    assert_eq!(actions.recv().await, hint);
}

/// What was acknowledged is there when the store is opened again.
pub async fn what_was_acknowledged_is_there_after_reopening(subject: &mut impl Subject) {
    let store = opened(subject).await;
    let all = Commit {
        states: vec![timed("a", "state", Timer::NONE, Some(10)).0, state("b", "")],
        outputs: vec![(StreamName::Actions, text("action"))],
        counters: vec![(CounterKey::new("g", "n"), 1)],
        cursors: vec![(StreamName::Facts, Cursor { major: 1, minor: 2 })],
        watermark: Some(at(-1)),
        ..commit(1)
    };
    store.commit(SLOT, &all).await.expect("commits");
    append(&store, stream(StreamName::Events), "event").await;
    let head = store.head(SLOT).await.expect("a head");
    let lag = |id: StreamId| {
        let store = &store;
        async move { store.lag(id, Cursor::START).await.expect("a lag") }
    };
    assert_eq!(lag(stream(StreamName::Events)).await, 1);

    let store = subject.reopen(store).await;
    assert_eq!(store.open(SLOT, 1).await.expect("opens"), head);
    assert_eq!(head.watermark, Some(at(-1)));
    let expected = ["state", ""].map(|value| Some(value.to_owned()));
    assert_eq!(values(&store, &["a", "b"]).await, expected);
    let due = store.due(SLOT, at(10), 9).await.expect("due");
    assert_eq!(due.timers, [(text("a"), at(10))]);
    assert_eq!(
        payloads(&store, stream(StreamName::Events)).await,
        ["event"]
    );
    assert_eq!(
        payloads(&store, stream(StreamName::Actions)).await,
        ["action"]
    );
    let again = store.commit(SLOT, &all).await.expect("commits");
    assert_eq!(again, crate::Committed::AlreadyApplied);
    let error = store.open(SLOT, 0).await.expect_err("fenced");
    assert!(matches!(error, HotError::Fenced { .. }), "{error:?}");
}
