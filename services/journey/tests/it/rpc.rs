//! Every RPC, as a client sees it: success, bad input, and what is not there.

use proto::journey::v1::journey_service_server::JourneyService as _;
use proto::journey::v1::{
    DeviationKind, GetCustomerJourneysRequest, GetFlowRequest, GetMapFlowRequest,
    MeasureHappyPathRequest, RunOutcome,
};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::fixture::{DAY_MS, KEYED_RUNS, customer, refused, rpc};

#[tokio::test]
async fn flow_tells_every_step_in_order_and_balances() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for version in [0, 1] {
        let request = GetFlowRequest {
            journey: "nudge".to_owned(),
            version,
        };
        let flow = rpc.get_flow(Request::new(request)).await.expect("a flow");
        let flow = flow.into_inner();
        assert_eq!((flow.entered_count, flow.active_count), (3, 1));
        let reasons: Vec<_> = flow
            .reasons
            .iter()
            .map(|it| (it.reason.as_str(), it.count))
            .collect();
        assert_eq!(reasons, [("COMPLETED", 1), ("GOAL_REACHED", 1)]);
        let steps: Vec<_> = flow
            .steps
            .iter()
            .map(|it| {
                (
                    it.step.as_str(),
                    it.kind.as_str(),
                    it.in_count,
                    it.out_count,
                    it.present_count,
                )
            })
            .collect();
        assert_eq!(
            steps,
            [
                ("wait_a_while", "wait", 3, 2, 1),
                ("remind", "send", 1, 1, 0)
            ]
        );
        let exits: Vec<_> = flow.steps[0]
            .exits
            .iter()
            .map(|it| (it.next.as_str(), it.reason.as_str(), it.count))
            .collect();
        assert_eq!(exits, [("", "GOAL_REACHED", 1), ("remind", "WAIT_DUE", 1)]);
    }
}

#[tokio::test]
async fn map_flow_tells_stages_and_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let request = GetMapFlowRequest {
        map: "shop".to_owned(),
    };
    let flow = rpc
        .get_map_flow(Request::new(request))
        .await
        .expect("a flow");
    let flow = flow.into_inner();
    let stages: Vec<_> = flow
        .stages
        .iter()
        .map(|it| {
            (
                it.stage.as_str(),
                it.in_count,
                it.out_count,
                it.present_count,
            )
        })
        .collect();
    assert_eq!(stages, [("looking", 3, 2, 1), ("buying", 2, 0, 2)]);
    let moves: Vec<_> = flow
        .moves
        .iter()
        .map(|it| (it.from.as_str(), it.to.as_str(), it.count))
        .collect();
    assert_eq!(moves, [("", "looking", 3), ("looking", "buying", 2)]);
}

#[tokio::test]
async fn a_happy_path_tells_who_follows_it_and_how_the_others_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let request = MeasureHappyPathRequest {
        happy_path: "first_purchase".to_owned(),
    };
    let measure = rpc
        .measure_happy_path(Request::new(request))
        .await
        .expect("a measure");
    let measure = measure.into_inner();
    assert_eq!(
        (
            measure.started_count,
            measure.followed_count,
            measure.under_way_count
        ),
        (3, 1, 1)
    );
    let reached: Vec<_> = measure
        .milestones
        .iter()
        .map(|it| it.reached_count)
        .collect();
    assert_eq!(reached, [3, 1]);
    let deviations: Vec<_> = measure
        .deviations
        .iter()
        .map(|it| (it.kind(), it.milestone.as_str(), it.count))
        .collect();
    assert_eq!(
        deviations,
        [
            (DeviationKind::Stalled, "bought", 1),
            (DeviationKind::Late, "bought", 1)
        ]
    );
}

#[tokio::test]
async fn a_customer_is_told_with_runs_positions_progress_and_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    // The fourth was joined into the first.
    for who in [1, 4] {
        let request = GetCustomerJourneysRequest {
            customer_id: customer(who).to_string(),
            after: String::new(),
        };
        let told = rpc
            .get_customer_journeys(Request::new(request))
            .await
            .expect("a customer");
        let told = told.into_inner();
        assert_eq!(told.customer_id, customer(1).to_string());
        assert_eq!(told.runs.len(), 1);
        assert_eq!(told.runs[0].end_reason, "GOAL_REACHED");
        assert_eq!(told.runs[0].outcome(), RunOutcome::Success);
        assert_eq!(told.positions[0].stage, "buying");
        assert!(told.happy_paths[0].followed);
        assert!(told.history.iter().any(|entry| entry.reason == "ENTERED"));
    }
    let request = GetCustomerJourneysRequest {
        customer_id: customer(3).to_string(),
        after: String::new(),
    };
    let told = rpc
        .get_customer_journeys(Request::new(request))
        .await
        .expect("a customer");
    let run = &told.get_ref().runs[0];
    assert_eq!(run.step, "wait_a_while");
    assert_eq!(run.due_time.map(|due| due.seconds), Some(2 * DAY_MS / 1000));
}

#[tokio::test]
async fn bad_names_are_refused_by_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let bad = "No Name".to_owned();
    let answers = [
        rpc.get_flow(Request::new(GetFlowRequest {
            journey: bad.clone(),
            version: 0,
        }))
        .await
        .map(|_| ()),
        rpc.get_map_flow(Request::new(GetMapFlowRequest { map: bad.clone() }))
            .await
            .map(|_| ()),
        rpc.measure_happy_path(Request::new(MeasureHappyPathRequest {
            happy_path: bad.clone(),
        }))
        .await
        .map(|_| ()),
        rpc.get_customer_journeys(Request::new(GetCustomerJourneysRequest {
            customer_id: bad,
            after: String::new(),
        }))
        .await
        .map(|_| ()),
    ];
    for (answer, field) in answers
        .iter()
        .zip(["journey", "map", "happy_path", "customer_id"])
    {
        let status = answer.as_ref().expect_err("a bad request");
        refused(status, Code::InvalidArgument, "INVALID_REQUEST");
        let details = status.get_error_details();
        let violations = &details
            .bad_request()
            .expect("a BadRequest")
            .field_violations;
        assert_eq!(violations[0].field, field);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    for (journey, version) in [("nobody", 0), ("nudge", 2)] {
        let request = GetFlowRequest {
            journey: journey.to_owned(),
            version,
        };
        let status = rpc
            .get_flow(Request::new(request))
            .await
            .expect_err("not defined");
        refused(&status, Code::NotFound, "JOURNEY_NOT_FOUND");
    }
    let status = rpc
        .get_map_flow(Request::new(GetMapFlowRequest {
            map: "nobody".to_owned(),
        }))
        .await
        .expect_err("not defined");
    refused(&status, Code::NotFound, "MAP_NOT_FOUND");
    let status = rpc
        .measure_happy_path(Request::new(MeasureHappyPathRequest {
            happy_path: "nobody".to_owned(),
        }))
        .await
        .expect_err("not defined");
    refused(&status, Code::NotFound, "HAPPY_PATH_NOT_FOUND");
    let status = rpc
        .get_customer_journeys(Request::new(GetCustomerJourneysRequest {
            customer_id: customer(9).to_string(),
            after: String::new(),
        }))
        .await
        .expect_err("nothing was processed");
    refused(&status, Code::NotFound, "PROFILE_NOT_FOUND");
}

#[tokio::test]
async fn a_customer_whose_state_has_parts_is_told_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let rpc = rpc(&folder).await;
    let request = GetCustomerJourneysRequest {
        customer_id: customer(5).to_string(),
        after: String::new(),
    };
    let told = rpc
        .get_customer_journeys(Request::new(request))
        .await
        .expect("a customer");
    let told = told.into_inner();
    let active = told.runs.iter().filter(|run| run.end_time.is_none());
    assert_eq!(active.count(), KEYED_RUNS);
    let entered = told.history.iter().filter(|own| own.reason == "ENTERED");
    assert_eq!(entered.count(), KEYED_RUNS);
}
