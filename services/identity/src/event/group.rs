//! Reads the groups of an event: the accounts that its customer acted for, and what it tells of
//! them.
//!
//! It does not decide anything about groups whose types are no namespaces of accounts: they stay on
//! the event as they came.

use std::collections::HashMap;

use ::rpc::Violation;
use ::rpc::properties::{Flat, flatten, flatten_json};
use identity_core::{DropReason, Dropped, Rules, Screened, screen};
use kernel::Timestamp;
use kernel::limits::PROPERTIES_PER_EVENT;
use prost_types::Struct;
use proto::identity::v1;
use proto::identity::v1::group_traits::TraitsForm;
use proto::stream::v1 as stream;

use super::{Prepared, named_traits, place};

/// A group of an event whose type is a namespace of accounts.
#[derive(Debug, Clone)]
pub struct PreparedGroup {
    /// Its place among the groups of the event; absent where somebody names the account alone.
    pub place: Option<usize>,
    /// The identifiers of the account: of an event one at most, the key of the group.
    pub screened: Screened,
    /// The traits of the account that the event tells.
    pub traits: Vec<stream::NamedValue>,
}

/// The traits that an event tells of accounts, by the type of the group.
pub(super) type Tellings = HashMap<String, Vec<stream::NamedValue>>;

/// Takes the traits of accounts out of an event, and adds their faults, and that of `traits` of an
/// event that names no customer.
pub(super) fn tellings(
    event: &mut v1::Event,
    traits: &Flat,
    violations: &mut Vec<Violation>,
) -> Tellings {
    if event.groups.is_empty() && event.group_traits.is_empty() {
        return Tellings::new();
    }
    let is_of_accounts = event.identifiers.is_empty() && event.other_identifiers.is_empty();
    if is_of_accounts && !(traits.properties.is_empty() && traits.nulls.is_empty()) {
        let description = "must be empty where the event names no customer: traits of an account go into `group_traits`";
        violations.push(Violation::new("traits", description));
    }
    let mut told = Tellings::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (r#type, traits) in std::mem::take(&mut event.group_traits) {
        let field = place("group_traits", &r#type);
        if !event.groups.contains_key(&r#type) {
            let description = "is of no group of the event: `groups` must have the key of the account of this type";
            wrong.push(Violation::new(field, description));
            continue;
        }
        match read(traits) {
            Ok(flat) => {
                count += flat.properties.len() + flat.nulls.len();
                told.insert(r#type, named_traits(flat));
            }
            Err(faults) => wrong.extend(faults.into_iter().map(|fault| fault.under(&field))),
        }
    }
    if count > PROPERTIES_PER_EVENT {
        let description = format!(
            "has {count} traits, of all groups together: at most {PROPERTIES_PER_EVENT} are taken"
        );
        wrong.push(Violation::new("group_traits", description));
    }
    wrong.sort();
    wrong.truncate(::rpc::limits::VIOLATIONS);
    violations.extend(wrong);
    told
}

/// Reads the traits of one account.
fn read(traits: v1::GroupTraits) -> Result<Flat, Vec<Violation>> {
    let (field, flat) = match traits.traits_form {
        None => return Ok(Flat::default()),
        Some(TraitsForm::Traits(object)) => ("traits", flatten(&object)),
        Some(TraitsForm::TraitsJson(json)) => ("traits_json", flatten_json(&json)),
    };
    flat.map_err(|faults| faults.into_iter().map(|it| it.under(field)).collect())
}

/// Screens the groups of an event: each key is the one claim to an account of its own.
pub(super) fn prepare(
    groups: &[stream::Group],
    mut told: Tellings,
    rules: &Rules,
) -> Vec<PreparedGroup> {
    let accounts = rules.accounts();
    let groups = groups.iter().enumerate();
    let known = groups.filter(|(_, group)| accounts.has_type(&group.r#type));
    let prepared = known.filter_map(|(place, group)| {
        Some(PreparedGroup {
            place: Some(place),
            screened: accounts.screen_group(group.r#type.clone(), group.key.clone())?,
            traits: told.remove(&group.r#type).unwrap_or_default(),
        })
    });
    prepared.collect()
}

/// Reads what somebody says of an account, by identifiers of it: an event of that account alone.
///
/// # Errors
/// The fault of it.
pub(crate) fn prepare_account(
    (name, time): (&str, Timestamp),
    identifiers: Vec<v1::Identifier>,
    traits: Option<&Struct>,
    rules: &Rules,
) -> Result<Prepared, Vec<Violation>> {
    let flat = traits.map_or_else(|| Ok(Flat::default()), flatten);
    let flat = flat.map_err(|faults| {
        let faults = faults.into_iter();
        faults.map(|it| it.under("traits")).collect::<Vec<_>>()
    })?;
    let identifiers = identifiers.into_iter().map(|it| (it.namespace, it.value));
    let screened = screen(&rules.accounts().rules, identifiers);
    if screened.kept.is_empty() {
        return Err(vec![super::nobody(&screened.dropped)]);
    }
    Ok(Prepared {
        index: 0,
        sequence: 1,
        time,
        is_of_accounts: true,
        screened: Screened::default(),
        groups: vec![PreparedGroup {
            place: None,
            screened,
            traits: named_traits(flat),
        }],
        event: stream::Event {
            name: name.to_owned(),
            ..stream::Event::default()
        },
    })
}

/// Refuses an event of accounts alone none of whose groups names one.
pub(super) fn check_somebody(
    groups: &[stream::Group],
    prepared: &[PreparedGroup],
) -> Result<(), Vec<Violation>> {
    if prepared.iter().any(|own| !own.screened.kept.is_empty()) {
        return Ok(());
    }
    let dropped = |place| {
        let own = prepared.iter().find(|own| own.place == Some(place))?;
        own.screened.dropped.first()
    };
    Err(vec![nobody(groups, dropped)])
}

/// The fault of an event of accounts alone none of whose groups names one, with the reasons: those
/// for which the key of a group at a place was left out.
pub(crate) fn nobody<'a>(
    groups: &[stream::Group],
    dropped: impl Fn(usize) -> Option<&'a Dropped>,
) -> Violation {
    let reasons = groups.iter().enumerate().map(|(place, group)| {
        let reason = dropped(place).map(|it| it.reason);
        let reason = reason.unwrap_or(DropReason::UnknownNamespace);
        format!("`{}` is {}", group.r#type, reason.code())
    });
    let reasons: Vec<String> = reasons.collect();
    let description = format!(
        "name nobody ({}): send at least one key that is an account's own, of a type that is a namespace of accounts: a \
         type becomes one by a namespace of its name with `subject: SUBJECT_ACCOUNT`",
        reasons.join(", ")
    );
    Violation::new("groups", description)
}
