//! Customers and accounts, where a call is about one kind of them.

use std::collections::HashMap;

use ::rpc::{ErrorReason, Failure, Violation};
use identity_core::{Identifier, Namespace, Rules};
use kernel::CustomerId;
use proto::identity::v1;

/// The version of the ids of customers.
const CUSTOMER_VERSION: usize = 7;

/// A kind of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// People.
    Customer,
    /// Organisations, households, workspaces.
    Account,
}

impl Kind {
    /// The kind of a subject.
    pub(crate) const fn of(id: CustomerId) -> Self {
        if id.is_account() {
            Self::Account
        } else {
            Self::Customer
        }
    }

    /// The kind that a namespace names; customers where it is not defined.
    pub(crate) fn named_by(rules: &Rules, namespace: &str) -> Self {
        match Self::Account.rules(rules).find(namespace) {
            Some(_) => Self::Account,
            None => Self::Customer,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Account => "account",
        }
    }

    /// The field of a request that has an id of it.
    pub(crate) const fn id_field(self) -> &'static str {
        match self {
            Self::Customer => "customer_id",
            Self::Account => "account_id",
        }
    }

    /// The rules of its namespaces.
    pub(crate) fn rules(self, rules: &Rules) -> &Rules {
        match self {
            Self::Customer => rules,
            Self::Account => &rules.accounts().rules,
        }
    }

    /// The failure of a call about one that nobody knows.
    pub(crate) fn missing(self, name: &str) -> Failure {
        let reason = match self {
            Self::Customer => ErrorReason::CustomerNotFound,
            Self::Account => ErrorReason::AccountNotFound,
        };
        Failure::not_found(reason, self.name(), name)
    }

    /// Holds an id in a field against the kind that the call is about.
    ///
    /// # Errors
    /// [`ErrorReason::IsAccount`], [`ErrorReason::IsCustomer`]; that nobody has an id that is
    /// neither.
    pub(crate) fn check(self, field: &str, id: CustomerId) -> Result<CustomerId, Failure> {
        match (self, Self::of(id)) {
            (Self::Customer, Self::Account) => Err(Failure::is_account(field, &id.to_string())),
            (Self::Account, Self::Customer) if is_customers(id) => {
                Err(Failure::is_customer(field, &id.to_string()))
            }
            (Self::Account, Self::Customer) => Err(self.missing(&id.to_string())),
            (Self::Customer, Self::Customer) | (Self::Account, Self::Account) => Ok(id),
        }
    }

    /// Reads a list of different ids of this kind, in a field.
    ///
    /// # Errors
    /// Everything that is no id of it, or the same id again, in whatever writing.
    pub(crate) fn ids(self, field: &str, ids: &[String]) -> Result<Vec<CustomerId>, Failure> {
        let (mut read, mut faults) = (Vec::with_capacity(ids.len()), Vec::new());
        let mut places = HashMap::with_capacity(ids.len());
        for (place, text) in ids.iter().enumerate() {
            let own = format!("{field}[{place}]");
            let id = match text.parse::<CustomerId>() {
                Ok(id) => id,
                Err(error) => {
                    faults.push(Violation::new(own, error.to_string()));
                    continue;
                }
            };
            if let Some(first) = places.insert(id, place) {
                let text = format!("is the id of `{field}[{first}]` again: name each once");
                faults.push(Violation::new(own, text));
            } else if let Some(fault) = self.fault(own, id) {
                faults.push(fault);
            } else {
                read.push(id);
            }
        }
        match faults.is_empty() {
            true => Ok(read),
            false => Err(Failure::invalid(faults)),
        }
    }

    /// Returns the fault of an id in a list of ids of this kind that is one of the other; absent
    /// where it is not.
    pub(crate) fn fault(self, field: String, id: CustomerId) -> Option<Violation> {
        let other = Self::of(id);
        let instead = match other {
            Self::Customer => "call IdentityService or ResolutionService for it",
            Self::Account => "call AccountService for it",
        };
        let article = match other {
            Self::Customer => "a",
            Self::Account => "an",
        };
        let description = format!("is {article} {}: {instead}", other.name());
        // Nobody has an id that is neither, as is found out where it is looked up.
        let is_theirs = other == Self::Account || is_customers(id);
        (other != self && is_theirs).then(|| Violation::new(field, description))
    }

    /// Finds a namespace of this kind.
    ///
    /// # Errors
    /// The violation of a name that is not defined, or of the other kind.
    pub(crate) fn namespace<'a>(
        self,
        rules: &'a Rules,
        name: &str,
    ) -> Result<&'a Namespace, Violation> {
        if let Some((_, namespace)) = self.rules(rules).find(name) {
            return Ok(namespace);
        }
        let other = match self {
            Self::Customer => Self::Account,
            Self::Account => Self::Customer,
        };
        let known = self.rules(rules).iter().map(Namespace::name);
        let known = known.collect::<Vec<_>>().join(", ");
        let description = match other.rules(rules).find(name) {
            Some(_) => {
                let (other, own) = (other.name(), self.name());
                format!("`{name}` names {other}s: give a namespace of {own}s, one of {known}")
            }
            None => format!("`{name}` is not defined: one of {known}"),
        };
        Err(Violation::new("namespace", description))
    }

    /// Normalises an identifier that somebody named in a field of a request.
    ///
    /// # Errors
    /// The fault of it.
    pub(crate) fn normalized(
        self,
        rules: &Rules,
        field: &str,
        identifier: v1::Identifier,
    ) -> Result<Identifier, Failure> {
        let refused = |violation: Violation| Failure::invalid([violation.under(field)]);
        let namespace = self.namespace(rules, &identifier.namespace);
        let namespace = namespace.map_err(refused)?;
        if namespace.is_blocked(&identifier.value) {
            let description = "names nobody: send a value that is somebody's own";
            return Err(refused(Violation::new("value", description)));
        }
        match namespace.normalize(identifier.value) {
            Ok(value) => Ok(Identifier {
                namespace: identifier.namespace,
                value,
            }),
            Err(_) => {
                let name = namespace.name();
                let description = format!("is no value of the namespace `{name}`");
                Err(refused(Violation::new("value", description)))
            }
        }
    }
}

/// Returns whether an id is one as customers have.
fn is_customers(id: CustomerId) -> bool {
    id.uuid().get_version_num() == CUSTOMER_VERSION
}
