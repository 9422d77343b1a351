//! Every RPC: what it answers, bad input, replays, and what is not there.

mod bench;
mod preview;

use proto::activation::v1::ActivationStatus;
use proto::stream::v1::{Action, ConsentChange};
use tonic::Code;
use tonic_types::StatusExt;

use self::bench::Bench;
use super::*;

const ADA: u128 = 0x0192_4f7e_1c5b_7a3e_9d2c_5f0b_8a6c_1d23;
const BOB: u128 = 0x0192_4f7e_1c5b_7a3e_9d2c_5f0b_8a6c_1d24;

fn id(number: u128) -> CustomerId {
    CustomerId::new(uuid::Uuid::from_u128(number))
}

fn asked(visit: u32) -> Body {
    Body::Action(Action {
        run_id: Bytes::from_static(&[5; 16]),
        visit,
        journey: if visit.is_multiple_of(2) {
            "even"
        } else {
            "odd"
        }
        .to_owned(),
        channel: "hook".to_owned(),
        ..Action::default()
    })
}

fn consent(request_id: &str, granted: bool) -> api::SetConsentRequest {
    api::SetConsentRequest {
        request_id: request_id.to_owned(),
        customer_id: id(ADA).to_string(),
        purpose: "marketing".to_owned(),
        channel: "mail".to_owned(),
        granted,
        source: "preference_centre".to_owned(),
    }
}

/// Checks that a call was refused for these fields.
fn check_refused<T: std::fmt::Debug>(answer: Result<Response<T>, Status>, fields: &[&str]) {
    let status = answer.expect_err("a bad request");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let found: Vec<_> = details
        .bad_request()
        .map(|bad| {
            bad.field_violations
                .iter()
                .map(|violation| violation.field.as_str())
                .collect()
        })
        .unwrap_or_default();
    assert_eq!(found, fields);
}

#[tokio::test]
async fn activations_are_listed_newest_first_page_by_page() {
    let bench = Bench::new().await;
    bench.process(id(ADA), (1..=5).map(asked).collect()).await;
    let (mut token, mut visits) = (String::new(), Vec::new());
    loop {
        let request = api::ListActivationsRequest {
            customer_id: id(ADA).to_string(),
            page_size: 2,
            page_token: token,
            after: String::new(),
        };
        let answer = bench.handlers.list_activations(Request::new(request)).await;
        let page = answer.expect("a page").into_inner();
        visits.extend(page.activations.iter().map(|activation| {
            assert_eq!(activation.status(), ActivationStatus::Suppressed);
            assert_eq!(activation.reason, "UNKNOWN_CHANNEL");
            activation
                .activation_id
                .rsplit('-')
                .next()
                .expect("a visit")
                .to_owned()
        }));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(visits, ["5", "4", "3", "2", "1"]);
}

#[tokio::test]
async fn activations_and_consents_that_are_kept_apart_are_shown() {
    let bench = Bench::new().await;
    let mut bodies: Vec<Body> = (1..=90).map(asked).collect();
    bodies.extend((0..60).map(|number| {
        Body::Consent(ConsentChange {
            purpose: format!("purpose_{number}"),
            ..ConsentChange::default()
        })
    }));
    bench.process(id(ADA), bodies).await;
    let customer_id = id(ADA).to_string();
    let bare = engine::find_customer::<ActivationCore>(bench.hot.as_ref(), id(ADA)).await;
    let bare = bare.expect("loads").state.expect("a state");
    assert!(bare.activations().is_err() && bare.consents().is_err());
    let request = api::ListActivationsRequest {
        customer_id: customer_id.clone(),
        page_size: 100,
        ..Default::default()
    };
    let listed = bench.handlers.list_activations(Request::new(request)).await;
    assert_eq!(listed.expect("a page").into_inner().activations.len(), 90);
    let request = api::GetConsentRequest {
        customer_id,
        after: String::new(),
    };
    let consents = bench.handlers.get_consent(Request::new(request)).await;
    assert_eq!(consents.expect("consents").into_inner().consents.len(), 60);
}

#[tokio::test]
async fn a_customer_of_whom_nothing_is_known_has_no_activations_and_no_consents() {
    let bench = Bench::new().await;
    let customer_id = id(ADA).to_string();
    let listed = bench
        .handlers
        .list_activations(Request::new(api::ListActivationsRequest {
            customer_id: customer_id.clone(),
            ..Default::default()
        }))
        .await
        .expect("a page")
        .into_inner();
    assert_eq!(listed, api::ListActivationsResponse::default());
    let consents = bench
        .handlers
        .get_consent(Request::new(api::GetConsentRequest {
            customer_id,
            after: String::new(),
        }))
        .await
        .expect("consents")
        .into_inner();
    assert_eq!(consents.consents, []);
}

#[tokio::test]
async fn a_merged_customer_answers_as_the_survivor() {
    let bench = Bench::new().await;
    bench.process(id(ADA), vec![asked(1)]).await;
    bench.redirect(id(BOB), id(ADA)).await;
    let listed = bench
        .handlers
        .list_activations(Request::new(api::ListActivationsRequest {
            customer_id: id(BOB).to_string(),
            ..Default::default()
        }))
        .await
        .expect("a page")
        .into_inner();
    assert_eq!(listed.activations.len(), 1);
}

#[tokio::test]
async fn consent_is_found_after_any_number_of_merges() {
    let bench = Bench::new().await;
    let said = Body::Consent(ConsentChange {
        purpose: "marketing".to_owned(),
        ..Default::default()
    });
    bench.process(id(ADA), vec![said]).await;
    // As merges leave them that were not flattened yet: each leads to the one before it.
    for merge in 1..=200 {
        bench.redirect(id(ADA + merge), id(ADA + merge - 1)).await;
    }
    for merges in [0, 9, 200] {
        let customer_id = id(ADA + merges).to_string();
        let consents = bench
            .handlers
            .get_consent(Request::new(api::GetConsentRequest {
                customer_id,
                after: String::new(),
            }))
            .await
            .expect("consents")
            .into_inner();
        assert_eq!(consents.consents.len(), 1, "after {merges}");
    }
    bench.redirect(id(ADA - 1), id(ADA)).await;
    let customer_id = id(ADA - 1).to_string();
    let status = bench
        .handlers
        .get_consent(Request::new(api::GetConsentRequest {
            customer_id,
            after: String::new(),
        }))
        .await
        .expect_err("a redirect to a younger customer");
    assert_eq!(status.code(), Code::DataLoss);
}

#[tokio::test]
async fn bad_lists_are_refused() {
    let bench = Bench::new().await;
    let list = |customer_id: &str, page_size, page_token: &str| {
        bench
            .handlers
            .list_activations(Request::new(api::ListActivationsRequest {
                customer_id: customer_id.to_owned(),
                page_size,
                page_token: page_token.to_owned(),
                after: String::new(),
            }))
    };
    check_refused(list("nobody", 101, "").await, &["customer_id", "page_size"]);
    check_refused(
        list(&id(ADA).to_string(), 0, "made-up").await,
        &["page_token"],
    );
    let request = api::GetConsentRequest::default();
    check_refused(
        bench.handlers.get_consent(Request::new(request)).await,
        &["customer_id"],
    );
}

#[tokio::test]
async fn statistics_add_up_over_partitions_and_journeys() {
    let bench = Bench::new().await;
    bench.process(id(ADA), (1..=5).map(asked).collect()).await;
    let count = async |journey: &str| {
        let request = api::GetStatisticsRequest {
            journey: journey.to_owned(),
            ..api::GetStatisticsRequest::default()
        };
        let answer = bench.handlers.get_statistics(Request::new(request)).await;
        answer
            .expect("statistics")
            .into_inner()
            .counts
            .into_iter()
            .map(|count| (count.journey.clone(), count.reason.clone(), count.count))
            .collect::<Vec<_>>()
    };
    let reason = || "UNKNOWN_CHANNEL".to_owned();
    let (even, odd) = (
        ("even".to_owned(), reason(), 2),
        ("odd".to_owned(), reason(), 3),
    );
    assert_eq!(count("").await, [even, odd.clone()]);
    assert_eq!(count("odd").await, [odd]);
    assert_eq!(count("od").await, []);
    let request = api::GetStatisticsRequest {
        page_size: 1,
        ..api::GetStatisticsRequest::default()
    };
    let first = bench.handlers.get_statistics(Request::new(request)).await;
    let first = first.expect("a page").into_inner();
    let next = api::GetStatisticsRequest {
        page_size: 1,
        page_token: first.next_page_token,
        ..api::GetStatisticsRequest::default()
    };
    let last = bench.handlers.get_statistics(Request::new(next)).await;
    let last = last.expect("a page").into_inner();
    let journeys = first.counts.iter().chain(&last.counts);
    let journeys: Vec<&str> = journeys.map(|it| it.journey.as_str()).collect();
    assert_eq!(
        (journeys, last.next_page_token.as_str()),
        (vec!["even", "odd"], "")
    );
    let request = api::GetStatisticsRequest {
        journey: "Not a name".to_owned(),
        ..api::GetStatisticsRequest::default()
    };
    check_refused(
        bench.handlers.get_statistics(Request::new(request)).await,
        &["journey"],
    );
}

#[tokio::test]
async fn a_consent_is_recorded_once_however_often_it_is_sent() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        let answer = bench
            .handlers
            .set_consent(Request::new(consent("r1", false)))
            .await;
        assert!(answer.is_ok());
    }
    let actions = bench.actions(id(ADA)).await;
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0].time_ms, 5_000);
    let other = bench
        .handlers
        .set_consent(Request::new(consent("r1", true)))
        .await;
    assert_eq!(other.expect_err("reused").code(), Code::FailedPrecondition);

    let bodies = actions
        .into_iter()
        .filter_map(|record| record.body)
        .collect();
    bench.process(id(ADA), bodies).await;
    let request = api::GetConsentRequest {
        customer_id: id(ADA).to_string(),
        after: String::new(),
    };
    let answer = bench.handlers.get_consent(Request::new(request)).await;
    let consents = answer.expect("consents").into_inner().consents;
    assert_eq!(consents.len(), 1);
    assert_eq!(
        (consents[0].purpose.as_str(), consents[0].granted),
        ("marketing", false)
    );
    assert!(bench.folder.path().exists());
}

#[tokio::test]
async fn a_grant_beyond_the_bound_is_refused_and_a_withdrawal_is_listed() {
    let bench = Bench::new().await;
    let word = |purpose: String, granted| {
        Body::Consent(ConsentChange {
            purpose,
            granted,
            ..ConsentChange::default()
        })
    };
    let limit = activation_core::limits::CONSENTS;
    let mut said: Vec<Body> = (0..limit)
        .map(|number| word(format!("p{number}"), true))
        .collect();
    said.push(word("unlisted".to_owned(), false));
    bench.process(id(ADA), said).await;
    let set = |request| bench.handlers.set_consent(Request::new(request));
    let refused = set(consent("r1", true)).await.expect_err("no room");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    assert_eq!(reason.as_deref(), Some("CONSENT_LIMIT"));
    assert!(set(consent("r2", false)).await.is_ok());
    let known = api::SetConsentRequest {
        purpose: "p7".to_owned(),
        channel: String::new(),
        ..consent("r3", true)
    };
    assert!(set(known).await.is_ok());
    let request = api::GetConsentRequest {
        customer_id: id(ADA).to_string(),
        after: String::new(),
    };
    let answer = bench.handlers.get_consent(Request::new(request)).await;
    let consents = answer.expect("consents").into_inner().consents;
    assert_eq!(consents.len(), limit + 1);
    let rest = &consents[limit];
    assert_eq!(
        (rest.purpose.as_str(), rest.granted, rest.source.as_str()),
        ("", false, "CONSENT_LIMIT")
    );
}

#[tokio::test]
async fn bad_consents_are_refused_with_every_fault() {
    let bench = Bench::new().await;
    let request = api::SetConsentRequest {
        purpose: "Marketing!".to_owned(),
        ..Default::default()
    };
    let answer = bench.handlers.set_consent(Request::new(request)).await;
    check_refused(answer, &["request_id", "customer_id", "purpose"]);
}

#[tokio::test]
async fn an_account_has_no_consents() {
    let bench = Bench::new().await;
    let request = api::SetConsentRequest {
        customer_id: id(ADA).fragment().into_account().to_string(),
        ..consent("r1", true)
    };
    let refused = bench.handlers.set_consent(Request::new(request)).await;
    let refused = refused.expect_err("an account");
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("is an account"), "{refused}");
}
