//! Erased customers leave the journal and the event log, and nobody else does.

mod events;
mod site;

use hot::{HotStore as _, Owner, StreamName};

use self::site::{PARTITION, Site, state};
use crate::sql::Sql;

/// Words of somebody, none of which has anything in common with another, so that compressing hides
/// none.
const EVENT: &str = "kq8Zt1VwPfHs7Xc2";
const PROFILE: &str = "Jm4RxYb6NcLdEo93";
const FACT: &str = "uG3iATzKv5lDyB0p";
const RUN: &str = "Wh5SQn0jMrFa6eUg";
const ACTION: &str = "c9TpLx3yVbR1dKs8";
const CONSENT: &str = "Ez6HwGq2NuJ7oMi4";
const SECRETS: [&str; 6] = [EVENT, PROFILE, FACT, RUN, ACTION, CONSENT];

/// Somebody is known to all services, and then erased in all of them.
async fn live_and_go(site: &mut Site) -> Vec<(Owner, u64)> {
    site.accept(StreamName::Outcomes, EVENT).await;
    site.accept(StreamName::Actions, CONSENT).await;
    let known = [
        state("somebody", Some(PROFILE)),
        state("other", Some("of another")),
    ];
    site.segmentation
        .take(&site.store, &known, Some((StreamName::Facts, FACT)))
        .await;
    site.send(StreamName::Facts, FACT).await;
    let known = [
        state("somebody", Some(RUN)),
        state("other", Some("its run")),
    ];
    site.journey
        .take(&site.store, &known, Some((StreamName::Actions, ACTION)))
        .await;
    let known = [state("somebody", Some(CONSENT))];
    site.activation.take(&site.store, &known, None).await;
    let gone = [state("somebody", None)];
    site.segmentation
        .take(&site.store, &gone, Some((StreamName::Facts, "erased")))
        .await;
    site.journey
        .take(&site.store, &gone, Some((StreamName::Actions, "erased")))
        .await;
    site.activation.take(&site.store, &gone, None).await;
    site.seqs()
}

/// One more commit of each service, about somebody else.
async fn go_on(site: &mut Site) {
    let other = [state("other", Some("of another"))];
    site.segmentation
        .take(&site.store, &other, Some((StreamName::Facts, "a fact")))
        .await;
    site.journey
        .take(
            &site.store,
            &other,
            Some((StreamName::Actions, "an action")),
        )
        .await;
    site.activation.take(&site.store, &[], None).await;
}

async fn nothing_of_states_is_left(mut subject: Sql) {
    let mut site = Site::new(&mut subject, 0).await;
    let upto = live_and_go(&mut site).await;
    for secret in SECRETS {
        assert!(site.tables_with(secret).await > 0, "{secret}");
    }
    let forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    // The last commits stay until there are others.
    assert!(
        !forgotten.is_done && forgotten.needs_commit && forgotten.rows > 0,
        "{forgotten:?}"
    );
    go_on(&mut site).await;
    let mut forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    if !forgotten.is_done {
        // The snapshot of a reader was made before that of a writer.
        forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    }
    assert!(
        forgotten.is_done && !forgotten.needs_commit,
        "{forgotten:?}"
    );
    for secret in SECRETS {
        assert_eq!(site.tables_with(secret).await, 0, "{secret}");
    }
    let again = site.store.forget(PARTITION, &upto).await.expect("forgets");
    assert!(again.is_done && again.rows == 0, "{again:?}");

    // The rest is enough to make the store of it.
    let before = site.states().await;
    site.hot.clear();
    site.store.recover(PARTITION).await.expect("recovers");
    assert_eq!(site.states().await, before);
    assert_eq!(before.len(), 2);
}

#[tokio::test]
async fn nothing_of_states_is_left_in_sqlite() {
    nothing_of_states_is_left(Sql::sqlite()).await;
}

#[tokio::test]
async fn nothing_of_states_is_left_in_postgres() {
    nothing_of_states_is_left(Sql::postgres()).await;
}

#[tokio::test]
async fn rows_that_a_statement_may_still_see_stay() {
    let mut subject = Sql::sqlite();
    let mut site = Site::new(&mut subject, 3_600_000).await;
    let upto = live_and_go(&mut site).await;
    go_on(&mut site).await;
    for millis in [0, 30_000, 44_000] {
        site.pass_to(millis);
        let forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
        assert_eq!(
            (forgotten.is_done, forgotten.rows),
            (false, 0),
            "{forgotten:?}"
        );
        assert!(!forgotten.needs_commit);
    }
    site.pass_to(70_000);
    let mut forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    if !forgotten.is_done {
        forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    }
    assert!(forgotten.is_done, "{forgotten:?}");
    for secret in SECRETS {
        assert_eq!(site.tables_with(secret).await, 0, "{secret}");
    }
}

#[tokio::test]
async fn a_service_that_is_behind_holds_what_it_has_not_taken() {
    let mut subject = Sql::sqlite();
    let mut site = Site::new(&mut subject, 0).await;
    let known = [state("somebody", Some(PROFILE))];
    site.segmentation
        .take(&site.store, &known, Some((StreamName::Facts, FACT)))
        .await;
    site.segmentation
        .take(&site.store, &[state("somebody", None)], None)
        .await;
    let upto = site.seqs();
    site.segmentation.take(&site.store, &[], None).await;
    let forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    assert!(
        !forgotten.is_done,
        "the fact is still to be read: {forgotten:?}"
    );
    assert!(site.tables_with(FACT).await > 0);
    site.journey.take(&site.store, &[], None).await;
    site.journey.take(&site.store, &[], None).await;
    let forgotten = site.store.forget(PARTITION, &upto).await.expect("forgets");
    assert!(forgotten.is_done, "{forgotten:?}");
    for secret in [PROFILE, FACT] {
        assert_eq!(site.tables_with(secret).await, 0, "{secret}");
    }
}
