//! The policies of an installation: one for customers, and one for accounts.

use decision::Mistakes;
use messages::identity::v1;

use crate::accounts::DomainRule;
use crate::domain::{NoDomain, registrable};
use crate::limits::{EXCLUDED_DOMAINS, IDENTIFIERS_PER_CUSTOMER};
use crate::namespace::{Namespace, Subject};
use crate::normalizer::Normalizer;
use crate::rules::{ConflictRule, Policy};

/// The name of the policy of accounts.
const ACCOUNTS: &str = "accounts";

/// The policies that are defined.
#[derive(Debug, Default)]
pub(super) struct Policies {
    pub(super) customers: Option<Policy>,
    pub(super) accounts: Option<Policy>,
    pub(super) domain_rule: DomainRule,
    /// Registrable domains that are nobody's.
    excluded: Vec<String>,
}

impl Policies {
    /// Reads one definition.
    pub(super) fn read(
        &mut self,
        definition: &v1::IdentityPolicy,
        version: u32,
        mistakes: &mut Mistakes,
    ) {
        let is_of_accounts = definition.name == ACCOUNTS;
        let own = match is_of_accounts {
            true => &mut self.accounts,
            false => &mut self.customers,
        };
        if own.is_some() {
            let message = match is_of_accounts {
                true => "an installation has one policy of accounts",
                false => "an installation has one policy",
            };
            mistakes.add("name", message);
        }
        *own = read_policy(definition, version, mistakes);
        if is_of_accounts {
            self.domain_rule = read_domain_rule(definition, mistakes);
            self.excluded = read_excluded(definition, mistakes);
        } else {
            refuse_domains(definition, mistakes);
        }
    }

    /// Blocks the excluded domains in the namespaces of accounts that take domains.
    pub(super) fn exclude_domains(&self, namespaces: &mut [Namespace]) {
        let takes = |it: &&mut Namespace| {
            it.subject == Subject::Account && it.normalizer == Normalizer::Domain
        };
        for namespace in namespaces.iter_mut().filter(takes) {
            let excluded = self.excluded.iter().map(|it| it.as_str().into());
            namespace.blocked.extend(excluded);
        }
    }
}

/// Domains are a matter of accounts.
fn refuse_domains(definition: &v1::IdentityPolicy, mistakes: &mut Mistakes) {
    let message = "only the policy `accounts` has it: leave it out here";
    if definition.domain_rule != 0 {
        mistakes.add("domain_rule", message);
    }
    if !definition.excluded_domains.is_empty() {
        mistakes.add("excluded_domains", message);
    }
}

fn read_domain_rule(definition: &v1::IdentityPolicy, mistakes: &mut Mistakes) -> DomainRule {
    match v1::DomainRule::try_from(definition.domain_rule) {
        Ok(v1::DomainRule::Unspecified | v1::DomainRule::Known) => DomainRule::Known,
        Ok(v1::DomainRule::Off) => DomainRule::Off,
        Ok(v1::DomainRule::Create) => DomainRule::Create,
        Err(_) => {
            let message = "expected DOMAIN_RULE_OFF, DOMAIN_RULE_KNOWN or DOMAIN_RULE_CREATE";
            mistakes.add("domain_rule", message);
            DomainRule::default()
        }
    }
}

/// Reads the excluded domains. Each is a whole registrable domain, since domains are compared as
/// such: what is said of a host below one would hold for all of it.
fn read_excluded(definition: &v1::IdentityPolicy, mistakes: &mut Mistakes) -> Vec<String> {
    if definition.excluded_domains.len() > EXCLUDED_DOMAINS {
        let message = format!("expected at most {EXCLUDED_DOMAINS}");
        mistakes.add("excluded_domains", message);
        return Vec::new();
    }
    let mut excluded = Vec::with_capacity(definition.excluded_domains.len());
    for (place, written) in definition.excluded_domains.iter().enumerate() {
        match excluded_domain(written) {
            Ok(domain) => excluded.push(domain),
            Err(message) => mistakes.add(format!("excluded_domains[{place}]"), message),
        }
    }
    excluded
}

fn excluded_domain(written: &str) -> Result<String, String> {
    let domain = registrable(written).map_err(|error: NoDomain| error.to_string())?;
    let labels = |text: &str| text.trim().trim_end_matches('.').split('.').count();
    let is_plain = !written.contains(['/', '@', ':', '?', '#']);
    if is_plain && labels(written) == labels(&domain) {
        return Ok(domain);
    }
    Err(format!(
        "expected a registrable domain alone: say `{domain}` to exclude all of it"
    ))
}

fn read_policy(
    definition: &v1::IdentityPolicy,
    version: u32,
    mistakes: &mut Mistakes,
) -> Option<Policy> {
    use v1::ConflictRule as Rule;
    let rule = match Rule::try_from(definition.conflict_rule) {
        Ok(Rule::Unspecified | Rule::DropLowestPriority) => ConflictRule::DropLowestPriority,
        Ok(Rule::ReassignNewest) => ConflictRule::ReassignNewest,
        Ok(Rule::AmbiguousAnonymous) => ConflictRule::AmbiguousAnonymous,
        Ok(Rule::RefuseIfKnown) => ConflictRule::RefuseIfKnown,
        Ok(Rule::SwitchSession) => ConflictRule::SwitchSession,
        Ok(Rule::UnionAll) => ConflictRule::UnionAll,
        Err(_) => {
            let message = "expected CONFLICT_RULE_DROP_LOWEST_PRIORITY, _REASSIGN_NEWEST, \
                _AMBIGUOUS_ANONYMOUS, _REFUSE_IF_KNOWN, _SWITCH_SESSION or _UNION_ALL";
            mistakes.add("conflict_rule", message);
            return None;
        }
    };
    let mut policy = Policy {
        version,
        ..Policy::of(rule)
    };
    match definition.identifier_limit {
        0 => {}
        limit if limit > IDENTIFIERS_PER_CUSTOMER => {
            let message = format!("expected 1 to {IDENTIFIERS_PER_CUSTOMER}, or 0 for the usual");
            mistakes.add("identifier_limit", message);
        }
        limit => policy.identifier_limit = limit,
    }
    Some(policy)
}

#[cfg(test)]
mod tests;
