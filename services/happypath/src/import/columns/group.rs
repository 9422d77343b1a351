//! The accounts that a line names, and their traits.
//!
//! Groups and traits of groups have the rules of the contract here already, so that a dry run finds
//! what the service would refuse.

use std::collections::{BTreeMap, HashMap};

use proto::identity::v1::GroupTraits;
use proto::identity::v1::group_traits::TraitsForm;

use super::{Builder, Cell, value};

/// Values in JSON by the type of the account, and by name.
pub(super) type TraitsByType = BTreeMap<String, BTreeMap<String, String>>;

impl Builder {
    /// Takes the key of the account of a type.
    pub(super) fn group(&mut self, cell: Cell<'_>, r#type: &str, text: &str) {
        let Some(key) = self.key(cell, text) else {
            return;
        };
        let first = self.event.groups.entry(r#type.to_owned());
        if *first.or_insert_with(|| key.clone()) != key {
            let reason = "is another account of a type that the line names already: keep one";
            self.refuse(cell.path, reason);
        }
    }

    /// Takes a trait of the account of a type, and returns the one that it replaces.
    pub(super) fn group_trait(&mut self, r#type: &str, name: &str, json: String) -> Option<String> {
        let traits = self.group_traits.entry(r#type.to_owned()).or_default();
        traits.insert(name.to_owned(), json)
    }

    /// Refuses traits of accounts that the line does not name, and traits of a customer where it
    /// names accounts alone.
    pub(super) fn check_groups(&mut self) {
        let groups = &self.event.groups;
        let types = self.group_traits.keys();
        let nobodys: Vec<String> = types
            .filter(|r#type| !groups.contains_key(*r#type))
            .cloned()
            .collect();
        if !self.are_identifiers_bad {
            for r#type in nobodys {
                self.refuse(
                    &format!("group_traits.{type}"),
                    format!("no column names the account of type `{type}` on this line"),
                );
            }
        }
        let event = &self.event;
        let is_of_accounts = event.identifiers.is_empty() && !event.groups.is_empty();
        if is_of_accounts && !self.are_identifiers_bad && !self.traits.is_empty() {
            self.refuse(
                "traits",
                "no column names the customer on this line: traits of an account are named with --group-trait-column TYPE.TRAIT=COLUMN",
            );
        }
    }
}

/// Returns the traits of accounts as an event has them.
pub(super) fn traits_of_groups(traits: &TraitsByType) -> HashMap<String, GroupTraits> {
    let traits = traits.iter().map(|(r#type, traits)| {
        let traits_form = value::object(traits).map(TraitsForm::TraitsJson);
        (r#type.clone(), GroupTraits { traits_form })
    });
    traits.collect()
}
