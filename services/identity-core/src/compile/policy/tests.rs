//! Policies, and what is wrong with them.

use decision::{Mistake, Names, Source};
use messages::definition::v1::definition::Kind;

use super::*;
use crate::rules::Rules;

fn policy(name: &str) -> v1::IdentityPolicy {
    v1::IdentityPolicy {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn compile(policies: &[v1::IdentityPolicy]) -> Result<Rules, Vec<Mistake>> {
    let kinds = policies.iter().cloned().map(Kind::IdentityPolicy);
    let kinds: Vec<Kind> = kinds.collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Rules::compile(&sources, &Names::default())
}

fn check(policies: &[v1::IdentityPolicy], expected: &[(usize, &str, &str)]) {
    let mistakes = compile(policies).expect_err("a mistake");
    let seen: Vec<_> = mistakes
        .iter()
        .map(|it| (it.source, it.path.as_str(), it.message.as_str()))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn customers_and_accounts_have_a_policy_each() {
    let accounts = v1::IdentityPolicy {
        conflict_rule: v1::ConflictRule::UnionAll.into(),
        identifier_limit: 7,
        domain_rule: v1::DomainRule::Create.into(),
        ..policy("accounts")
    };
    let customers = v1::IdentityPolicy {
        conflict_rule: v1::ConflictRule::ReassignNewest.into(),
        ..policy("default")
    };
    let rules = compile(&[accounts.clone(), customers]).expect("rules");
    assert_eq!(rules.policy.rule, ConflictRule::ReassignNewest);
    let own = &rules.accounts().rules.policy;
    assert_eq!(
        (own.rule, own.identifier_limit),
        (ConflictRule::UnionAll, 7)
    );
    assert_eq!(
        (own.version, rules.accounts().domain_rule),
        (1, DomainRule::Create)
    );
    let alone = compile(&[accounts]).expect("rules");
    assert_eq!(alone.policy, Policy::default());
    let none = compile(&[]).expect("rules");
    let own = &none.accounts().rules.policy;
    assert_eq!(
        (own.version, none.accounts().domain_rule),
        (0, DomainRule::Known)
    );
}

#[test]
fn each_mistake_of_a_policy_names_its_field_and_what_would_do() {
    let only_accounts = "only the policy `accounts` has it: leave it out here";
    check(
        &[v1::IdentityPolicy {
            domain_rule: v1::DomainRule::Off.into(),
            excluded_domains: vec!["acme.com".to_owned()],
            ..policy("default")
        }],
        &[
            (0, "domain_rule", only_accounts),
            (0, "excluded_domains", only_accounts),
        ],
    );
    check(
        &[policy("accounts"), policy("default"), policy("accounts")],
        &[(2, "name", "an installation has one policy of accounts")],
    );
    check(
        &[v1::IdentityPolicy {
            domain_rule: 9,
            ..policy("accounts")
        }],
        &[(
            0,
            "domain_rule",
            "expected DOMAIN_RULE_OFF, DOMAIN_RULE_KNOWN or DOMAIN_RULE_CREATE",
        )],
    );
}

#[test]
fn an_excluded_domain_is_one_that_somebody_registered() {
    let excluded = |domains: &[&str]| v1::IdentityPolicy {
        excluded_domains: domains.iter().map(|it| (*it).to_owned()).collect(),
        ..policy("accounts")
    };
    check(
        &[excluded(&[
            "Acme.COM",
            "mail.acme.com",
            "co.uk",
            "https://acme.com/",
            "acme",
            "ada@acme.com",
        ])],
        &[
            (
                0,
                "excluded_domains[1]",
                "expected a registrable domain alone: say `acme.com` to exclude all of it",
            ),
            (
                0,
                "excluded_domains[2]",
                "it is a public suffix, not a domain of one owner: expected one label more",
            ),
            (
                0,
                "excluded_domains[3]",
                "expected a registrable domain alone: say `acme.com` to exclude all of it",
            ),
            (
                0,
                "excluded_domains[4]",
                "it ends in no public suffix: expected a domain of the Internet",
            ),
            (
                0,
                "excluded_domains[5]",
                "expected a registrable domain alone: say `acme.com` to exclude all of it",
            ),
        ],
    );
    let many = vec!["acme.com"; EXCLUDED_DOMAINS + 1];
    check(
        &[excluded(&many)],
        &[(0, "excluded_domains", "expected at most 1000")],
    );
}
