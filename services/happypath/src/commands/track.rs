//! `happypath track`: one event, by hand.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::identity::v1::{
    Event, GroupTraits, Identifier, IngestRequest, Lane, ResolvedEvent, ResolvedGroup, group_traits,
};
use serde_json::json;

use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::import::value::{self, scalar};
use crate::output::{Format, json_of, print, print_json};
use crate::when::{now, parse_time, when};

/// Arguments of `track`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name of the event, such as `purchase`
    event: String,
    /// The customer's identifiers, such as user_id=u1; at least one, or a group
    #[arg(long = "id", value_name = "NAMESPACE=VALUE", required_unless_present = "groups", value_parser = pair)]
    ids: Vec<(String, String)>,
    /// The accounts that the customer acted for, such as account=acme; without --id the event is
    /// theirs alone
    #[arg(long = "group", value_name = "TYPE=KEY", value_parser = pair)]
    groups: Vec<(String, String)>,
    /// Traits of such an account that it tells, such as account.plan=pro
    #[arg(long = "group-trait", value_name = "TYPE.NAME=VALUE", requires = "groups", value_parser = group_trait)]
    group_traits: Vec<GroupTrait>,
    /// Properties of the event; numbers and true or false are read as such
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
    /// Traits of the customer that it tells
    #[arg(long = "trait", value_name = "NAME=VALUE", value_parser = pair)]
    traits: Vec<(String, String)>,
    /// When it happened, such as 2017-01-01T06:00:00Z [default: now]
    #[arg(long)]
    time: Option<String>,
    /// The id of the event: the same id again has no effect [default: a new one]
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Sends the event.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let time = match &args.time {
        None => now(),
        Some(text) => parse_time(text).ok_or_else(|| {
            Failure::mistake(format!(
                "--time {text}: expected an instant such as 2017-01-01T06:00:00Z"
            ))
        })?,
    };
    if args.ids.is_empty() && !args.traits.is_empty() {
        return Err(Failure::mistake(
            "--trait: the event names no customer who could have it: traits of an account are told with \
             --group-trait, such as --group-trait account.plan=pro",
        ));
    }
    let (identifiers, other_identifiers) = told_apart(args.ids);
    let event = Event {
        event_id: args.event_id.unwrap_or_default(),
        name: args.event.clone(),
        time: Some(time),
        identifiers,
        other_identifiers,
        groups: args.groups.into_iter().collect(),
        group_traits: by_group(args.group_traits),
        properties_form: object(args.properties).map(PropertiesForm::PropertiesJson),
        traits_form: object(args.traits).map(TraitsForm::TraitsJson),
        ..Event::default()
    };
    let request = IngestRequest {
        request_id: request_id(),
        events: vec![event],
        lane: Lane::Live.into(),
    };
    let answer = args
        .connection
        .identity()?
        .ingest(ask(request))
        .await?
        .into_inner();
    if args.format.json {
        let json = json_of(&answer)?;
        return print_json(&json!({ "results": json["results"], "position": json["position"] }));
    }
    for result in &answer.results {
        print(&headline(result, &args.event))?;
        show_groups(&result.groups)?;
        if let Some(time) = &result.corrected_time {
            let moved = when(Some(time));
            print(&format!(
                "  its time was ahead of the clock, and is {moved}"
            ))?;
        }
        for merged in &result.merged_customer_ids {
            print(&format!("  joined customer {merged} into it"))?;
        }
        for dropped in &result.dropped_identifiers {
            print(&format!(
                "  {} {:?} was left out: {}",
                dropped.namespace, dropped.value, dropped.reason
            ))?;
        }
    }
    Ok(())
}

/// An event and whose it is, in a line.
fn headline(result: &ResolvedEvent, name: &str) -> String {
    let (id, customer) = (&result.event_id, &result.customer_id);
    if customer.is_empty() {
        return format!("{id}: {name} of accounts alone");
    }
    let how = match result.created {
        true => "a new customer",
        false => "a known customer",
    };
    format!("{id}: {name} of customer {customer} ({how})")
}

/// Prints the accounts that an event was taken for.
fn show_groups(groups: &[ResolvedGroup]) -> Result<(), Failure> {
    for group in groups {
        let (kind, id) = (&group.r#type, &group.account_id);
        print(&match (id.as_str(), group.created) {
            ("", _) => format!("  {kind} was left out: {}", group.reason),
            (id, true) => format!("  for account {id} (a new {kind})"),
            (id, false) => format!("  for account {id} (a known {kind})"),
        })?;
    }
    Ok(())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected a name, = and a value, such as plan=free".to_owned()),
    }
}

/// A trait of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GroupTrait {
    /// The type of the group.
    group: String,
    name: String,
    value: String,
}

fn group_trait(text: &str) -> Result<GroupTrait, String> {
    let parts = text.split_once('=').and_then(|(path, value)| {
        let (group, name) = path.split_once('.')?;
        let is_full = ![group, name, value].contains(&"");
        is_full.then(|| GroupTrait {
            group: group.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        })
    });
    parts.ok_or_else(|| {
        "expected the type of a group, a dot, a name, = and a value, such as account.plan=free"
            .to_owned()
    })
}

/// Returns the traits of each account, by the type of its group.
fn by_group(traits: Vec<GroupTrait>) -> HashMap<String, GroupTraits> {
    let mut pairs: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for own in traits {
        let told = pairs.entry(own.group).or_default();
        told.push((own.name, own.value));
    }
    let told = pairs.into_iter().map(|(group, pairs)| {
        let traits_form = object(pairs).map(group_traits::TraitsForm::TraitsJson);
        (group, GroupTraits { traits_form })
    });
    told.collect()
}

/// Returns the first identifier of each namespace, and the others.
fn told_apart(ids: Vec<(String, String)>) -> (HashMap<String, String>, Vec<Identifier>) {
    let (mut first, mut others) = (HashMap::new(), Vec::new());
    for (namespace, value) in ids {
        match first.entry(namespace) {
            Entry::Vacant(free) => {
                free.insert(value);
            }
            Entry::Occupied(taken) => {
                let namespace = taken.key().clone();
                others.push(Identifier { namespace, value });
            }
        }
    }
    (first, others)
}

fn object(pairs: Vec<(String, String)>) -> Option<String> {
    let pairs = pairs.into_iter();
    value::object(&pairs.map(|(name, text)| (name, scalar(&text))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_of_accounts_are_told_by_the_type_of_their_group() {
        let read = |text: &str| group_trait(text).expect("a trait");
        let told = by_group(vec![
            read("account.plan=pro"),
            read("workspace.seats=40"),
            read("account.address.city=a=b"),
        ]);
        let of = |group: &str| told[group].traits_form.clone();
        let json = |text: &str| Some(group_traits::TraitsForm::TraitsJson(text.to_owned()));
        assert_eq!(
            of("account"),
            json(r#"{"address.city":"a=b","plan":"pro"}"#)
        );
        assert_eq!(of("workspace"), json(r#"{"seats":40}"#));
        for text in [
            "plan=pro",
            "account.plan",
            "account.=pro",
            ".plan=pro",
            "account.plan=",
        ] {
            let fault = group_trait(text).expect_err("no trait");
            assert!(fault.contains("such as account.plan=free"), "{text}");
        }
    }
}
