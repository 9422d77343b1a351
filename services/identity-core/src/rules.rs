//! All that an installation says of identity: its namespaces, and the policy for conflicts.

use std::sync::{Arc, LazyLock};

use kernel::FragmentId;

use crate::accounts::{AccountRules, DomainRule};
use crate::built_in::{built_in, built_in_of_accounts};
use crate::limits::{IDENTIFIERS_PER_CUSTOMER, IDENTIFIERS_WHERE_REASSIGNED};
use crate::namespace::{Namespace, Namespaces, Subject};

/// The namespaces of an installation, and its policy: those of customers, with those of accounts
/// beside them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The namespaces of the subjects that these rules decide of.
    pub namespaces: Namespaces,
    /// The policy.
    pub policy: Policy,
    subject: Subject,
    /// The names of the namespaces of the other subjects.
    others: Arc<[Box<str>]>,
    /// Absent in the rules of accounts.
    accounts: Option<Arc<AccountRules>>,
}

/// Accounts where there are none.
static NO_ACCOUNTS: LazyLock<AccountRules> = LazyLock::new(|| AccountRules {
    rules: Rules {
        namespaces: Namespaces::new(Vec::new()),
        policy: Policy::default(),
        subject: Subject::Account,
        others: Arc::default(),
        accounts: None,
    },
    domain_rule: DomainRule::Off,
});

/// The way in which events that name several customers are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The rule.
    pub rule: ConflictRule,
    /// The number of identifiers that one customer may have.
    pub identifier_limit: u32,
    /// The version of its definition; 0 for the built-in one.
    pub version: u32,
}

/// The fate of an identifier of an event whose holder cannot be one with the event's customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConflictRule {
    /// The event goes on without it, as with Segment Unify.
    #[default]
    DropLowestPriority,
    /// It goes to the customer of the event, with the events that it alone named, as with Adobe.
    ReassignNewest,
    /// It is nobody's from then on, as with Snowplow.
    AmbiguousAnonymous,
    /// The event goes on without it, and without those of any other known customer, as with
    /// PostHog.
    RefuseIfKnown,
    /// It goes to the customer of the event, and earlier events stay, as with Apache Unomi.
    SwitchSession,
    /// The customers are joined whatever limits of namespaces say.
    UnionAll,
}

impl Policy {
    /// A policy of a rule, with its usual number of identifiers a customer.
    pub const fn of(rule: ConflictRule) -> Self {
        Self {
            rule,
            identifier_limit: match rule {
                ConflictRule::ReassignNewest => IDENTIFIERS_WHERE_REASSIGNED,
                _ => IDENTIFIERS_PER_CUSTOMER,
            },
            version: 0,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(ConflictRule::default())
    }
}

impl Default for Rules {
    /// The built-in namespaces, under the built-in policies.
    fn default() -> Self {
        let built_in = built_in().into_iter().chain(built_in_of_accounts());
        let policies = [Policy::default(); 2];
        Self::of(built_in.collect(), policies, DomainRule::default())
    }
}

impl Rules {
    /// The rules of namespaces of customers and of accounts, with the policies of both.
    pub(crate) fn of(
        namespaces: Vec<Namespace>,
        [policy, account_policy]: [Policy; 2],
        domain_rule: DomainRule,
    ) -> Self {
        let is_account = |it: &Namespace| it.subject == Subject::Account;
        let (accounts, customers): (Vec<_>, Vec<_>) = namespaces.into_iter().partition(is_account);
        let names = |all: &[Namespace]| all.iter().map(|it| it.name.clone()).collect();
        let (of_accounts, of_customers) = (names(&accounts), names(&customers));
        let accounts = AccountRules {
            rules: Self {
                namespaces: Namespaces::new(accounts),
                policy: account_policy,
                subject: Subject::Account,
                others: of_customers,
                accounts: None,
            },
            domain_rule,
        };
        Self {
            namespaces: Namespaces::new(customers),
            policy,
            subject: Subject::Customer,
            others: of_accounts,
            accounts: Some(Arc::new(accounts)),
        }
    }

    /// These rules, with other namespaces and another policy of their subjects.
    #[must_use]
    pub fn with(&self, namespaces: Namespaces, policy: Policy) -> Self {
        Self {
            namespaces,
            policy,
            ..self.clone()
        }
    }

    /// These rules, with others of accounts beside them.
    #[cfg(test)]
    pub(crate) fn with_accounts(&self, accounts: AccountRules) -> Self {
        Self {
            accounts: Some(Arc::new(accounts)),
            ..self.clone()
        }
    }

    /// The ones that these rules decide of.
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns whether these rules decide of the subject of a fragment.
    pub fn decide_of(&self, fragment: FragmentId) -> bool {
        Subject::of(fragment) == self.subject
    }

    /// The rules of accounts; in these themselves there are none.
    pub fn accounts(&self) -> &AccountRules {
        self.accounts.as_deref().unwrap_or(&NO_ACCOUNTS)
    }

    /// Returns whether a namespace of this name names other subjects than these rules decide of.
    pub(crate) fn is_of_others(&self, name: &str) -> bool {
        self.others.iter().any(|it| it.as_ref() == name)
    }

    /// The namespace of a name, with its rank: 0 is kept longest.
    pub fn find(&self, name: &str) -> Option<(usize, &Namespace)> {
        self.namespaces.find(name)
    }

    /// All namespaces that values may be stored of: those of customers and of accounts, with those
    /// switched off.
    pub fn all(&self) -> impl Iterator<Item = &Namespace> {
        let accounts = &self.accounts().rules.namespaces;
        let own = self.iter().chain(self.namespaces.switched_off());
        own.chain(accounts.iter()).chain(accounts.switched_off())
    }

    /// The namespaces, by priority.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Namespace> + DoubleEndedIterator {
        self.namespaces.iter()
    }
}
