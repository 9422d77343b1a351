//! Accounts under each policy, as a table.

use proptest::prelude::*;

use super::beside::told;
use super::policies::RULES;
use super::*;

/// The rules of accounts as they are built in, under a policy.
fn accounts(rule: ConflictRule) -> Rules {
    let rules = Rules::default().accounts().rules.clone();
    under(rule, rules)
}

/// A story of accounts, and the accounts at its end: each as its values, oldest first.
struct Case {
    title: &'static str,
    /// The words of calls and events, in their order.
    told: &'static [&'static str],
    /// In the order of [`RULES`].
    expected: [&'static str; 6],
}

/// One outcome under all policies.
const fn all(expected: &'static str) -> [&'static str; 6] {
    [expected; 6]
}

const CASES: [Case; 12] = [
    Case {
        title: "a group is one account, however often it acts",
        told: &["account=a1", "account=a1", "workspace=a1"],
        expected: all("a1 | a1"),
    },
    Case {
        title: "a call gives an account several identifiers",
        told: &["account=a1 crm_account_id=c1 domain=www.acme.com domain=acme.de"],
        expected: all("a1 c1 acme.com acme.de"),
    },
    Case {
        title: "whatever host of a domain is named, it is one account",
        told: &[
            "domain=acme.com",
            "domain=https://shop.acme.com/a",
            "domain=ada@acme.com",
        ],
        expected: all("acme.com"),
    },
    Case {
        title: "free mailboxes, hosts of nobody and words for nothing make no account",
        told: &[
            "domain=gmail.com",
            "domain=localhost",
            "account=null",
            "domain=co.uk",
        ],
        expected: all(""),
    },
    Case {
        title: "a domain that was there first gets its key",
        told: &["domain=acme.com", "account=a1 domain=acme.com"],
        expected: all("a1 acme.com"),
    },
    Case {
        title: "domains of one account are joined",
        told: &[
            "domain=acme.com",
            "domain=acme.de",
            "account=a1 domain=acme.com domain=acme.de",
        ],
        expected: all("a1 acme.com acme.de"),
    },
    Case {
        title: "two keys with one domain are two accounts",
        told: &["account=a1 domain=acme.com", "account=a2 domain=acme.com"],
        expected: [
            "a1 acme.com | a2",
            "a1 | a2 acme.com",
            "a1 | a2",
            "a1 acme.com | a2",
            "a1 | a2 acme.com",
            "a1 a2 acme.com",
        ],
    },
    Case {
        title: "a CRM id of a domain is of the account that has the domain",
        told: &[
            "account=a1 domain=acme.com",
            "crm_account_id=c1 domain=acme.com",
        ],
        expected: [
            "a1 c1 acme.com",
            "a1 c1 acme.com",
            "a1 c1 acme.com",
            "a1 acme.com | c1",
            "a1 c1 acme.com",
            "a1 c1 acme.com",
        ],
    },
    Case {
        title: "a key is of the account of its CRM id",
        told: &["crm_account_id=c1", "account=a1 crm_account_id=c1"],
        expected: ["a1 c1", "a1 c1", "a1 c1", "c1 | a1", "a1 c1", "a1 c1"],
    },
    Case {
        title: "two keys with one CRM id are two accounts",
        told: &[
            "account=a1 crm_account_id=c1",
            "account=a2 crm_account_id=c1",
        ],
        expected: [
            "a1 c1 | a2",
            "a1 | a2 c1",
            "a1 | a2",
            "a1 c1 | a2",
            "a1 | a2 c1",
            "a1 a2 c1",
        ],
    },
    Case {
        title: "keys of two types are one account where a call says so",
        told: &["account=a1", "workspace=w1", "account=a1 workspace=w1"],
        expected: ["a1 w1", "a1 w1", "a1 w1", "a1 | w1", "a1 w1", "a1 w1"],
    },
    Case {
        title: "an account has five domains",
        told: &[
            "account=a1 domain=a.com domain=b.com domain=c.com domain=d.com domain=e.com",
            "account=a1 domain=f.com",
        ],
        expected: [
            "a1 a.com b.com c.com d.com e.com",
            "a1 b.com c.com d.com e.com f.com",
            "a1 a.com b.com c.com d.com e.com",
            "a1 a.com b.com c.com d.com e.com",
            "a1 a.com b.com c.com d.com e.com",
            "a1 a.com b.com c.com d.com e.com f.com",
        ],
    },
];

#[test]
fn accounts_under_each_policy() {
    let mut wrong = Vec::new();
    for case in &CASES {
        for (rule, expected) in RULES.into_iter().zip(case.expected) {
            let mut world = World::new(accounts(rule));
            for words in case.told {
                world.event(words);
            }
            let seen = world.picture().join(" | ");
            if seen != expected {
                wrong.push(format!(
                    "{rule:?}: {}: {seen:?}, not {expected:?}",
                    case.title
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn accounts_of_a_batch_are_as_those_of_calls_one_by_one(
        calls in prop::collection::vec(told(), 1..30),
        size in 1_usize..8,
    ) {
        let calls: Vec<&str> = calls.iter().map(|(_, words)| words.as_str()).collect();
        for rule in RULES.into_iter().filter(|it| *it != ConflictRule::ReassignNewest) {
            let (mut one, mut many) = (World::new(accounts(rule)), World::new(accounts(rule)));
            for call in &calls {
                one.event(call);
            }
            for chunk in calls.chunks(size) {
                many.batch(chunk);
            }
            prop_assert_eq!(one.picture(), many.picture(), "{:?}", rule);
        }
    }
}

#[test]
fn a_simulation_of_accounts_numbers_accounts() {
    let rules = Rules::default();
    let mut simulation = crate::Simulation::new(&rules.accounts().rules);
    let pair = |name: &str, value: &str| Identifier {
        namespace: name.to_owned(),
        value: value.to_owned(),
    };
    let at = Timestamp::from_millis;
    let told = [pair("account", "a1"), pair("domain", "acme.com")];
    let first = simulation.event(at(1), told);
    let second = simulation.event(at(2), [pair("domain", "www.acme.com")]);
    assert_eq!((first.customer, second.customer), (Some(1), Some(1)));
}
