//! The rules of accounts: the namespaces that name them, their policy, and what an e-mail address
//! says of one.

use crate::built_in::DOMAIN;
use crate::customer::Identifier;
use crate::domain::domain_of;
use crate::namespace::{Namespace, Subject};
use crate::normalizer::Normalizer;
use crate::rules::Rules;
use crate::screen::{Screened, screen};

/// The word of a domain of an e-mail address about its customer's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DomainRule {
    /// It says nothing.
    Off,
    /// The customer is a member of the account that has the domain, where there is one.
    #[default]
    Known,
    /// As [`Self::Known`]; where there is none, an account is made.
    Create,
}

/// The rules of accounts.
#[derive(Debug, Clone)]
pub struct AccountRules {
    /// The namespaces that name accounts, and the policy `accounts`: what a resolver of accounts
    /// decides by.
    pub rules: Rules,
    /// The word of domains of e-mail addresses.
    pub domain_rule: DomainRule,
}

impl AccountRules {
    /// Returns whether a type of groups is a namespace of accounts.
    pub fn has_type(&self, group_type: &str) -> bool {
        self.rules.find(group_type).is_some()
    }

    /// Screens the key of a group of an event, alone; `None` where its type is no namespace of
    /// accounts, so that nothing is decided by it.
    pub fn screen_group(&self, group_type: String, key: String) -> Option<Screened> {
        self.has_type(&group_type)
            .then(|| screen(&self.rules, [(group_type, key)]))
    }

    /// Returns the type of an account that has identifiers of these namespaces: the first by
    /// priority of those whose values are keys of accounts; `account` where there is none.
    pub fn type_of<'n>(&self, namespaces: impl IntoIterator<Item = &'n str>) -> &'n str {
        let found = namespaces.into_iter().filter_map(|name| {
            let (rank, namespace) = self.rules.find(name)?;
            namespace.is_account_type().then_some((rank, name))
        });
        found.min().map_or("account", |(_, name)| name)
    }
}

impl Rules {
    /// Returns what an identifier of a customer says of an account: the `domain` of an e-mail
    /// address that is neither a mailbox provider's nor a relay's, nor excluded, and the rule for
    /// it; `None` where it says nothing.
    pub fn account_claim(&self, identifier: &Identifier) -> Option<(DomainRule, Identifier)> {
        let accounts = self.accounts();
        let (_, namespace) = self.find(&identifier.namespace)?;
        if accounts.domain_rule == DomainRule::Off || !namespace.names_mailboxes() {
            return None;
        }
        let (_, domains) = accounts.rules.find(DOMAIN)?;
        let domain = domain_of(&identifier.value).ok()?;
        if domains.is_blocked(&domain) || domains.is_blocked_domain(&identifier.value) {
            return None;
        }
        let claim = Identifier {
            namespace: DOMAIN.to_owned(),
            value: domains.normalize(domain).ok()?,
        };
        Some((accounts.domain_rule, claim))
    }
}

impl Namespace {
    /// Returns whether its values are addresses of mailboxes of customers.
    const fn names_mailboxes(&self) -> bool {
        matches!(self.normalizer, Normalizer::Email) && matches!(self.subject, Subject::Customer)
    }
}

#[cfg(test)]
mod tests;
