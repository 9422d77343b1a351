//! `happypath customer`: everything that is known about one customer.

use proto::activation::v1::{Activation, Consent, GetConsentRequest, ListActivationsRequest};
use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::{Customer, Membership};
use proto::journey::v1::{
    DeviationKind, GetCustomerJourneysRequest, GetCustomerJourneysResponse, RunOutcome,
};
use proto::segmentation::v1::{GetProfileRequest, Profile};
use serde_json::json;
use tonic::{Code, Response, Status};

use super::accounts::memberships;
use crate::client::{After, Connection, ask};
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};
use crate::when::when;

/// Arguments of `customer`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An id, or an identifier such as user_id:u1
    customer: String,
    #[command(flatten)]
    after: After,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Everything that the services know about a customer.
struct Known {
    customer: Customer,
    profile: Option<Profile>,
    accounts: Vec<Membership>,
    journeys: Option<GetCustomerJourneysResponse>,
    consents: Vec<Consent>,
    activations: Vec<Activation>,
}

/// Shows the customer.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let known = ask_everybody(&args.connection, &args.customer, &args.after.position).await?;
    if args.format.json {
        let accounts: Result<Vec<_>, _> = known.accounts.iter().map(json_of).collect();
        let consents: Result<Vec<_>, _> = known.consents.iter().map(json_of).collect();
        let activations: Result<Vec<_>, _> = known.activations.iter().map(json_of).collect();
        return print_json(&json!({
            "customer": json_of(&known.customer)?,
            "profile": known.profile.as_ref().map(json_of).transpose()?,
            "accounts": accounts?,
            "journeys": known.journeys.as_ref().map(json_of).transpose()?,
            "consents": consents?,
            "activations": activations?,
        }));
    }
    show_customer(&known.customer)?;
    match &known.profile {
        Some(profile) => show_profile(profile)?,
        None => print("\nNo event of this customer was processed yet.")?,
    }
    show_accounts(&known.accounts)?;
    if let Some(journeys) = &known.journeys {
        show_journeys(journeys)?;
    }
    show_consents(&known.consents)?;
    show_activations(&known.activations)?;
    show_timeline(&known)
}

async fn ask_everybody(connection: &Connection, text: &str, after: &str) -> Result<Known, Failure> {
    let customer = find_customer(connection, text, after).await?;
    let customer_id = customer.customer_id.clone();
    let (mut segmentation, mut journey) = (connection.segmentation()?, connection.journey()?);
    let (mut consent, mut activation) = (connection.activation()?, connection.activation()?);
    let (profile, journeys, consents, activations) = tokio::join!(
        segmentation.get_profile(ask(GetProfileRequest {
            customer_id: customer_id.clone(),
            after: after.to_owned()
        })),
        journey.get_customer_journeys(ask(GetCustomerJourneysRequest {
            customer_id: customer_id.clone(),
            after: after.to_owned()
        })),
        consent.get_consent(ask(GetConsentRequest {
            customer_id: customer_id.clone(),
            after: after.to_owned()
        })),
        activation.list_activations(ask(ListActivationsRequest {
            customer_id,
            page_size: 20,
            page_token: String::new(),
            after: after.to_owned()
        })),
    );
    let key = Key::CustomerId(customer.customer_id.clone());
    let accounts = match memberships(connection, key, None).await {
        // An older server knows of none.
        Err(failure) if failure.is_not_served() => Vec::new(),
        all => all?,
    };
    Ok(Known {
        customer,
        accounts,
        profile: found(profile)?.and_then(|answer| answer.profile),
        journeys: found(journeys)?,
        consents: found(consents)?.map_or_else(Vec::new, |answer| answer.consents),
        activations: found(activations)?.map_or_else(Vec::new, |answer| answer.activations),
    })
}

/// A customer may be known to identity and not yet to those after it.
fn found<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn show_customer(customer: &Customer) -> Result<(), Failure> {
    let joined = match customer.fragment_ids.len() {
        0 | 1 => String::new(),
        count => format!(", joined from {count} fragments"),
    };
    print(&format!(
        "Customer {}, first seen {}{joined}",
        customer.customer_id,
        when(customer.create_time.as_ref()),
    ))?;
    let mut rows = Rows::new(&["namespace", "value"]);
    for identifier in &customer.identifiers {
        rows.row([&identifier.namespace, &identifier.value]);
    }
    rows.print_titled("Identifiers")
}

fn show_profile(profile: &Profile) -> Result<(), Failure> {
    let mut rows = Rows::new(&["trait", "value"]);
    let traits = json_of(profile)?;
    if let Some(traits) = traits["traits"].as_object() {
        for (name, value) in traits {
            rows.row([name.clone(), value.to_string()]);
        }
    }
    rows.print_titled("Profile")?;
    let mut rows = Rows::new(&["event", "#count", "last"]);
    for event in &profile.events {
        rows.row([
            event.name.clone(),
            event.count.to_string(),
            when(event.last_time.as_ref()),
        ]);
    }
    rows.print_titled("Events")?;
    let mut rows = Rows::new(&["segment", "since"]);
    for membership in &profile.memberships {
        rows.row([
            membership.segment.clone(),
            when(membership.enter_time.as_ref()),
        ]);
    }
    rows.print_titled("Segments")
}

fn show_accounts(accounts: &[Membership]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["account", "role", "primary", "since"]);
    for own in accounts {
        let primary = if own.is_primary { "yes" } else { "" };
        rows.row([
            own.account_id.clone(),
            own.role.clone(),
            primary.to_owned(),
            when(own.valid_from.as_ref()),
        ]);
    }
    rows.print_titled("Accounts")
}

fn show_journeys(journeys: &GetCustomerJourneysResponse) -> Result<(), Failure> {
    let mut rows = Rows::new(&["map", "stage", "since"]);
    for position in &journeys.positions {
        rows.row([
            position.map.clone(),
            position.stage.clone(),
            when(position.enter_time.as_ref()),
        ]);
    }
    rows.print_titled("Positions")?;
    show_happy_paths(journeys)?;
    let mut rows = Rows::new(&[
        "journey", "key", "step", "started", "goes on", "ended", "how",
    ]);
    for run in &journeys.runs {
        rows.row([
            format!("{} v{}", run.journey, run.version),
            run.key.clone(),
            run.step.clone(),
            when(run.start_time.as_ref()),
            when(run.due_time.as_ref()),
            when(run.end_time.as_ref()),
            match run.outcome() {
                RunOutcome::Unspecified => run.end_reason.clone(),
                RunOutcome::Success => format!("success, {}", run.end_reason),
                RunOutcome::Neutral => format!("neutral, {}", run.end_reason),
                RunOutcome::Failure => format!("failure, {}", run.end_reason),
            },
        ]);
    }
    rows.print_titled("Runs")?;
    let mut rows = Rows::new(&["split", "arm", "since", "given to", "counts"]);
    for own in &journeys.arm_assignments {
        rows.row([
            format!("{}/{}", own.journey, own.step),
            own.arm.clone(),
            when(own.assign_time.as_ref()),
            own.customer_id.clone(),
            if own.is_in_effect { "yes" } else { "no" }.to_owned(),
        ]);
    }
    rows.print_titled("Arms")
}

fn show_happy_paths(journeys: &GetCustomerJourneysResponse) -> Result<(), Failure> {
    let mut rows = Rows::new(&["happy path", "milestones", "next due", "deviations"]);
    for path in &journeys.happy_paths {
        let milestones: Vec<_> = path
            .milestones
            .iter()
            .map(|m| m.milestone.as_str())
            .collect();
        let deviations: Vec<_> = path
            .deviations
            .iter()
            .map(|deviation| {
                format!(
                    "{} {}",
                    deviation_words(deviation.kind()),
                    deviation.milestone
                )
            })
            .collect();
        rows.row([
            path.happy_path.clone(),
            milestones.join(" > "),
            if path.followed {
                "followed".to_owned()
            } else {
                when(path.due_time.as_ref())
            },
            deviations.join(", "),
        ]);
    }
    rows.print_titled("Happy paths")
}

/// A kind of deviation, in a word.
pub(super) fn deviation_words(kind: DeviationKind) -> &'static str {
    match kind {
        DeviationKind::Unspecified => "left at",
        DeviationKind::Stalled => "stalled before",
        DeviationKind::Late => "late at",
        DeviationKind::Skipped => "skipped",
        DeviationKind::OutOfOrder => "out of order at",
    }
}

fn show_consents(consents: &[Consent]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["purpose", "channel", "consent", "since", "source"]);
    for own in consents {
        let or = |name: &str, all: &str| if name.is_empty() { all } else { name }.to_owned();
        rows.row([
            or(&own.purpose, "(all not listed)"),
            or(&own.channel, "(all)"),
            if own.granted { "granted" } else { "withdrawn" }.to_owned(),
            when(own.update_time.as_ref()),
            own.source.clone(),
        ]);
    }
    rows.print_titled("Consents")
}

fn show_activations(activations: &[Activation]) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "channel",
        "template",
        "journey",
        "reason",
        "#attempts",
        "asked",
        "detail",
    ]);
    for activation in activations {
        rows.row([
            activation.channel.clone(),
            activation.template.clone(),
            format!("{}/{}", activation.journey, activation.step),
            activation.reason.clone(),
            activation.attempts.to_string(),
            when(activation.create_time.as_ref()),
            activation.detail.clone(),
        ]);
    }
    rows.print_titled("Activations")
}

/// Everything that has a time, in the order in which it happened.
fn show_timeline(known: &Known) -> Result<(), Failure> {
    let mut lines: Vec<(i64, [String; 3])> = Vec::new();
    let mut add = |time: &Option<prost_types::Timestamp>, what: String, detail: String| {
        if let Some(at) = time {
            let millis = proto::convert::instant(at).as_millis();
            lines.push((millis, [when(Some(at)), what, detail]));
        }
    };
    if let Some(profile) = &known.profile {
        for event in &profile.recent_events {
            let properties = json_of(event).map(|json| json["properties"].clone())?;
            let detail = if properties.is_null() {
                String::new()
            } else {
                properties.to_string()
            };
            add(&event.time, format!("event {}", event.name), detail);
        }
        for membership in &profile.memberships {
            add(
                &membership.enter_time,
                format!("entered segment {}", membership.segment),
                String::new(),
            );
        }
    }
    for entry in known.journeys.iter().flat_map(|journeys| &journeys.history) {
        let place = match entry.step.as_str() {
            "" => entry.subject.clone(),
            step => format!("{}/{step}", entry.subject),
        };
        add(
            &entry.time,
            format!("{} {place}", entry.reason),
            entry.detail.clone(),
        );
    }
    for activation in &known.activations {
        let what = format!(
            "{} {} over {}",
            activation.reason, activation.template, activation.channel
        );
        add(&activation.update_time, what, activation.detail.clone());
    }
    // A stable sort: what the services told in order stays in order.
    lines.sort_by_key(|(millis, _)| *millis);
    let mut rows = Rows::new(&["time", "what", "detail"]);
    for (_, line) in lines {
        rows.row(line);
    }
    rows.print_titled("Timeline")
}
