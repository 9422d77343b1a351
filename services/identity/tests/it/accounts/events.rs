//! `ListEvents` of an account: its own events, each with who acted.

use proto::identity::v1;
use proto::identity::v1::list_events_request::By;

use crate::events::{log_accepted, named, of, serve};
use crate::fixture::event;

/// An event of a customer, or of nobody, in the context of an account.
fn acted(id: &str, identifiers: &str, account: &str) -> v1::Event {
    v1::Event {
        event_id: id.to_owned(),
        groups: [("account".to_owned(), account.to_owned())].into(),
        ..event(identifiers)
    }
}

#[tokio::test]
async fn an_account_lists_its_own_events_and_who_acted() {
    let (mut client, fixture, log) = serve().await;
    let events = vec![
        acted("e1", "user_id=u1", "acme"),
        acted("e2", "user_id=u2", "acme"),
        acted("e3", "", "acme"),
        acted("e4", "user_id=u1", "beta"),
        acted("e1", "user_id=u1", "acme"),
    ];
    let request = v1::IngestRequest {
        events,
        ..v1::IngestRequest::default()
    };
    let answer = client.ingest(request).await.expect("ingests").into_inner();
    log_accepted(&fixture, &log).await;
    let acme = answer.results[0].groups[0].account_id.clone();
    let [one, two] = [0, 1].map(|place: usize| answer.results[place].customer_id.clone());
    let by_name = By::Identifier(v1::Identifier {
        namespace: "account".to_owned(),
        value: "acme".to_owned(),
    });
    for by in [By::CustomerId(acme.clone()), by_name] {
        let page = client
            .list_events(of(by))
            .await
            .expect("lists")
            .into_inner();
        let mut listed: Vec<(String, String)> = Vec::new();
        for logged in page.events {
            assert_eq!(logged.customer_id, acme);
            let event = logged.event.expect("an event");
            assert!(event.identifiers.is_empty() && event.groups.is_empty());
            listed.push((event.event_id, logged.member_id));
        }
        listed.sort_unstable();
        let expected = [("e1", one.as_str()), ("e2", &two), ("e3", "")];
        let expected = expected.map(|(id, who)| (id.to_owned(), who.to_owned()));
        assert_eq!(listed, expected);
    }
    // A customer's events name the accounts, and nobody else who acted.
    let page = client
        .list_events(of(named("u1")))
        .await
        .expect("lists")
        .into_inner();
    let mut ids: Vec<String> = Vec::new();
    for logged in page.events {
        assert_eq!(
            (logged.customer_id, logged.member_id),
            (one.clone(), String::new())
        );
        let event = logged.event.expect("an event");
        assert_eq!(event.groups.len(), 1);
        ids.push(event.event_id);
    }
    ids.sort_unstable();
    assert_eq!(ids, ["e1", "e4"]);
}
