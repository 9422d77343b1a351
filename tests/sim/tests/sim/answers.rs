//! Answers to the questions of a scenario, from the public API, as lines for people.

use proto::activation::v1::{ActivationStatus, GetConsentRequest, GetStatisticsRequest};
use proto::identity::v1::GetCustomerRequest;
use proto::identity::v1::get_customer_request::Key;
use proto::journey::v1::{
    DeviationKind, GetCustomerJourneysRequest, GetCustomerJourneysResponse, GetFlowRequest,
    GetMapFlowRequest, HappyPathProgress, MeasureHappyPathRequest, Run, RunOutcome, StepFlow,
};
use proto::segmentation::v1::{GetProfileRequest, ListSegmentsRequest};

use crate::format::{listed, short, when, words};
use crate::installation::{Installation, taken};
use crate::people::People;
use crate::script::Question;

/// Answers a question.
pub(crate) async fn answer(
    on: &mut Installation,
    people: &People,
    question: &Question,
) -> Vec<String> {
    match question {
        Question::Customer(name) => customer(on, people, &people.id(name)).await,
        Question::Flow { journey, version } => flow(on, journey, *version).await,
        Question::Map(name) => map(on, name).await,
        Question::HappyPath(name) => happy_path(on, name).await,
        Question::Segments => segments(on).await,
        Question::Activations => statistics(on).await,
    }
}

async fn customer(on: &mut Installation, people: &People, id: &str) -> Vec<String> {
    let key = Some(Key::CustomerId(id.to_owned()));
    let who = taken(
        on.identity
            .get_customer(GetCustomerRequest {
                key,
                after: String::new(),
            })
            .await,
    )
    .customer
    .unwrap_or_default();
    let mut lines = Vec::new();
    let identifiers: Vec<String> = who
        .identifiers
        .iter()
        .map(|own| format!("{} {}", own.namespace, people.shown(&own.value)))
        .collect();
    lines.extend(listed("known by", &identifiers));
    let request = GetProfileRequest {
        customer_id: id.to_owned(),
        after: String::new(),
    };
    let profile = taken(on.segmentation.get_profile(request).await)
        .profile
        .unwrap_or_default();
    let traits = words(&profile.traits.unwrap_or_default());
    lines.extend((!traits.is_empty()).then(|| format!("traits {traits}")));
    for own in &profile.memberships {
        lines.push(format!(
            "in segment {} since {}",
            own.segment,
            when(own.enter_time.as_ref())
        ));
    }
    let events: Vec<String> = profile
        .events
        .iter()
        .map(|own| format!("{} {}", own.count, own.name))
        .collect();
    lines.extend(listed("events", &events));
    let request = GetConsentRequest {
        customer_id: id.to_owned(),
        after: String::new(),
    };
    for word in taken(on.activation.get_consent(request).await).consents {
        let given = if word.granted { "given" } else { "withdrawn" };
        let time = when(word.update_time.as_ref());
        let line = format!(
            "consent to {} {given} at {time} {}",
            word.purpose, word.channel
        );
        lines.push(line.trim_end().to_owned());
    }
    let request = GetCustomerJourneysRequest {
        customer_id: id.to_owned(),
        after: String::new(),
    };
    let journeys = taken(on.journey.get_customer_journeys(request).await);
    lines.extend(places(&journeys));
    lines
}

fn places(customer: &GetCustomerJourneysResponse) -> Vec<String> {
    let mut lines: Vec<String> = customer.runs.iter().map(run).collect();
    let positions = customer.positions.iter();
    lines.extend(positions.map(|own| {
        format!(
            "in map {} at {} since {}",
            own.map,
            own.stage,
            when(own.enter_time.as_ref())
        )
    }));
    lines.extend(customer.happy_paths.iter().map(progress));
    lines
}

fn run(run: &Run) -> String {
    let key = if run.key.is_empty() {
        String::new()
    } else {
        format!("[{}]", run.key)
    };
    let name = format!(
        "run {}{key} v{} from {}",
        run.journey,
        run.version,
        when(run.start_time.as_ref())
    );
    if run.end_time.is_none() {
        return format!(
            "{name} at {} until {}",
            run.step,
            when(run.due_time.as_ref())
        );
    }
    let outcome = short(
        run.outcome().as_str_name(),
        RunOutcome::Unspecified.as_str_name(),
    );
    format!(
        "{name} to {}: {} {outcome}",
        when(run.end_time.as_ref()),
        run.end_reason
    )
}

fn progress(path: &HappyPathProgress) -> String {
    let reached: Vec<&str> = path
        .milestones
        .iter()
        .map(|own| own.milestone.as_str())
        .collect();
    let mut line = format!("happy path {}: {}", path.happy_path, reached.join(", "));
    if path.due_time.is_some() {
        line += &format!("; next due {}", when(path.due_time.as_ref()));
    }
    for own in &path.deviations {
        line += &format!(
            "; {} {} at {}",
            deviation(own.kind()),
            own.milestone,
            when(own.time.as_ref())
        );
    }
    if path.followed {
        line += "; followed";
    }
    line
}

fn deviation(kind: DeviationKind) -> String {
    short(kind.as_str_name(), DeviationKind::Unspecified.as_str_name()).replace('_', " ")
}

async fn flow(on: &mut Installation, journey: &str, version: u32) -> Vec<String> {
    let request = GetFlowRequest {
        journey: journey.to_owned(),
        version,
    };
    let flow = taken(on.journey.get_flow(request).await);
    let mut lines = vec![format!(
        "entered {}, active {}",
        flow.entered_count, flow.active_count
    )];
    let reasons: Vec<String> = flow
        .reasons
        .iter()
        .map(|own| format!("{} {}", own.count, own.reason))
        .collect();
    lines.extend(listed("reasons", &reasons));
    let present: u64 = flow.steps.iter().map(|step| step.present_count).sum();
    assert_eq!(
        present, flow.active_count,
        "{journey}: every active run is at one step"
    );
    for step in &flow.steps {
        lines.extend(step_flow(step));
    }
    lines
}

fn step_flow(step: &StepFlow) -> Vec<String> {
    let StepFlow {
        step: name,
        kind,
        in_count,
        out_count,
        present_count,
        exits,
    } = step;
    assert_eq!(
        *in_count,
        out_count + present_count,
        "{name}: in = out + present"
    );
    let mut lines = vec![format!(
        "{name} ({kind}): in {in_count}, out {out_count}, present {present_count}"
    )];
    lines.extend(exits.iter().map(|exit| {
        let next = if exit.next.is_empty() {
            "the end"
        } else {
            &exit.next
        };
        format!("  {} to {next} by {}", exit.count, exit.reason)
    }));
    lines
}

async fn map(on: &mut Installation, name: &str) -> Vec<String> {
    let flow = taken(
        on.journey
            .get_map_flow(GetMapFlowRequest {
                map: name.to_owned(),
            })
            .await,
    );
    let mut lines = Vec::new();
    for stage in &flow.stages {
        let (arrived, left, present) = (stage.in_count, stage.out_count, stage.present_count);
        assert_eq!(
            arrived,
            left + present,
            "{}: in = out + present",
            stage.stage
        );
        lines.push(format!(
            "{}: in {arrived}, out {left}, present {present}",
            stage.stage
        ));
    }
    let mut moves: Vec<String> = flow
        .moves
        .iter()
        .map(|step| {
            let from = if step.from.is_empty() {
                "outside"
            } else {
                &step.from
            };
            format!("{} from {from} to {}", step.count, step.to)
        })
        .collect();
    moves.sort();
    lines.extend(moves);
    lines
}

async fn happy_path(on: &mut Installation, name: &str) -> Vec<String> {
    let request = MeasureHappyPathRequest {
        happy_path: name.to_owned(),
    };
    let measured = taken(on.journey.measure_happy_path(request).await);
    let mut lines = vec![format!(
        "started {}, followed {}, under way {}",
        measured.started_count, measured.followed_count, measured.under_way_count
    )];
    lines.extend(
        measured
            .milestones
            .iter()
            .map(|own| format!("{} reached {}", own.reached_count, own.milestone)),
    );
    let mut deviations: Vec<String> = measured
        .deviations
        .iter()
        .map(|own| format!("{} {} {}", own.count, deviation(own.kind()), own.milestone))
        .collect();
    deviations.sort();
    lines.extend(deviations);
    lines
}

async fn segments(on: &mut Installation) -> Vec<String> {
    let answer = taken(
        on.segmentation
            .list_segments(ListSegmentsRequest::default())
            .await,
    );
    let segments = answer.segments.iter();
    segments
        .map(|own| format!("{} v{}: {}", own.name, own.version, own.member_count))
        .collect()
}

async fn statistics(on: &mut Installation) -> Vec<String> {
    let answer = taken(
        on.activation
            .get_statistics(GetStatisticsRequest::default())
            .await,
    );
    let mut lines: Vec<String> = answer
        .counts
        .iter()
        .map(|own| {
            let status = short(
                own.status().as_str_name(),
                ActivationStatus::Unspecified.as_str_name(),
            );
            format!(
                "{} by {}: {} {status} {}",
                own.journey, own.channel, own.count, own.reason
            )
        })
        .collect();
    lines.sort();
    lines
}
