//! Accounts beside customers, who never meet.

use proptest::prelude::*;

use super::policies::RULES;
use super::*;

#[test]
fn the_groups_of_an_event_are_accounts_of_their_own() {
    let mut world = Beside::new(Rules::default());
    let groups = ["account=a1", "workspace=w1", "household=h1"];
    let ids: Vec<_> = groups.map(|it| world.group(it).customer).to_vec();
    assert!(ids.iter().all(|it| it.is_account()));
    assert_eq!(world.0.picture(), ["a1", "w1", "h1"]);
    let again = world.group("workspace=w1");
    assert!(!again.is_new && again.customer == ids[1]);
}

/// Customers and accounts in the same tables, each decided by the rules of its own.
struct Beside(World, Rules);

impl Beside {
    fn new(rules: Rules) -> Self {
        Self(World::new(rules.clone()), rules)
    }

    fn customer(&mut self, identifiers: &str) -> Resolution {
        self.0.rules = self.1.clone();
        self.0.event(identifiers)
    }

    fn group(&mut self, identifiers: &str) -> Resolution {
        self.0.rules = self.1.accounts().rules.clone();
        self.0.event(identifiers)
    }

    /// Fails where a customer and an account are one, or share what names either.
    fn check_apart(&self) {
        for (fragment, root) in &self.0.roots {
            assert_eq!(
                fragment.is_account(),
                root.is_account(),
                "{fragment} is in {root}"
            );
        }
        for moved in &self.0.log {
            assert_eq!(moved.1.is_account(), moved.2.is_account());
        }
    }

    /// The types of each account, of those that name one.
    fn types(&self) -> Vec<Vec<&str>> {
        let types = ["account", "company", "household", "workspace"];
        let roots = self.0.customers.keys().filter(|it| it.is_account());
        let of = |root: &CustomerId| {
            let own = self.0.rows.iter();
            let own = own.filter(|(_, row)| self.0.roots[&row.holding.fragment] == *root);
            let names = own.map(|(identifier, _)| identifier.namespace.as_str());
            names.filter(|it| types.contains(it)).collect()
        };
        roots.map(of).collect()
    }
}

/// A namespace of customers of a name that is built in for accounts, as it was stored before.
fn of_customers(name: &str) -> v1::Namespace {
    v1::Namespace {
        subject: v1::Subject::Customer.into(),
        ..namespace(name, 1)
    }
}

#[test]
fn a_value_that_a_customer_has_makes_no_account_and_joins_none() {
    for rule in RULES {
        let before = under(
            rule,
            compiled(vec![of_customers("account"), namespace("user_id", 1)]),
        );
        let mut world = Beside::new(before);
        let customer = world.customer("user_id=u1 account=a1").customer;
        // The definition is gone, so that the name is the built-in one's.
        world.1 = under(rule, Rules::default());
        let alone = world.group("account=a1");
        assert!(alone.is_refused, "{rule:?}");
        assert_eq!(drops(&alone), [("a1", DropReason::OtherSubject)]);
        let call = world.group("account=a1 domain=acme.com");
        assert!(call.customer.is_account() && call.is_new);
        assert_eq!(drops(&call), [("a1", DropReason::OtherSubject)]);
        assert_eq!(world.customer("user_id=u1").customer, customer);
        world.check_apart();
    }
}

#[test]
fn a_merge_of_an_account_and_a_customer_is_refused_by_the_rules_of_both() {
    let view = |id: FragmentId| CustomerView::new(id.into(), Timestamp::from_millis(5));
    let customer = view(FragmentId::new(uuid(1)));
    let account = view(FragmentId::new(uuid(2)).into_account());
    let other = view(FragmentId::new(uuid(3)).into_account());
    let rules = Rules::default();
    let of_accounts = &rules.accounts().rules;
    for both in [[&customer, &account], [&account, &customer]] {
        let refused = plan_merge(&rules, &both).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!(
                "`{}` is an account, and never joined with a customer",
                account.id
            )
        );
        let refused = plan_merge(of_accounts, &both).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!(
                "`{}` is a customer, and never joined with an account",
                customer.id
            )
        );
    }
    let joined = plan_merge(of_accounts, &[&other, &account]);
    assert_eq!(joined, Ok((account.id, vec![other.id])));
    assert!(plan_merge(&rules, &[&account]).is_err());
}

/// The subject of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whom {
    Customer,
    Group,
    Call,
}

/// Identifiers of few values, the same for customers and accounts, so that they would meet.
pub(super) fn told() -> impl Strategy<Value = (Whom, String)> {
    let pair = |names: &'static [&'static str]| {
        let value = prop_oneof![Just("v1"), Just("v2"), Just("v3.com"), Just("ada@v3.com")];
        (prop::sample::select(names), value).prop_map(|(name, value)| format!("{name}={value}"))
    };
    let words = |names: &'static [&'static str], most: usize| {
        prop::collection::vec(pair(names), 1..=most).prop_map(|pairs| pairs.join(" "))
    };
    let everything = &[
        "user_id",
        "email",
        "anonymous_id",
        "account",
        "domain",
        "crm_account_id",
    ];
    prop_oneof![
        words(everything, 3).prop_map(|it| (Whom::Customer, it)),
        words(&["account", "company", "household", "workspace"], 1)
            .prop_map(|it| (Whom::Group, it)),
        words(
            &[
                "account",
                "workspace",
                "crm_account_id",
                "domain",
                "user_id"
            ],
            3
        )
        .prop_map(|it| (Whom::Call, it)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_account_never_joins_a_customer(
        before in prop::collection::vec(told(), 0..12),
        after in prop::collection::vec(told(), 1..40),
    ) {
        for rule in RULES {
            // First under names that customers had, which are accounts' afterwards.
            let own = ["account", "domain"].map(of_customers).to_vec();
            let own = own.into_iter().chain([namespace("user_id", 1)]).collect();
            let mut world = Beside::new(under_both(rule, &compiled(own)));
            for (_, words) in &before {
                world.customer(words);
            }
            world.1 = under_both(rule, &Rules::default());
            for (whom, words) in &after {
                let resolution = match whom {
                    Whom::Customer => world.customer(words),
                    Whom::Group | Whom::Call => world.group(words),
                };
                let is_account = resolution.customer.is_account();
                let is_right = is_account != matches!(whom, Whom::Customer);
                prop_assert!(is_right || resolution.is_refused, "{:?} {}", rule, words);
            }
            world.check_apart();
        }
    }

    #[test]
    fn types_never_mix_where_groups_resolve_alone(
        events in prop::collection::vec(told(), 1..40),
    ) {
        for rule in RULES {
            let mut world = Beside::new(under_both(rule, &Rules::default()));
            for (whom, words) in &events {
                match whom {
                    Whom::Customer => world.customer(words),
                    Whom::Group => world.group(words),
                    Whom::Call => continue,
                };
            }
            for types in world.types() {
                prop_assert_eq!(types.len(), 1, "{:?}: {:?}", rule, types);
            }
        }
    }
}

/// Rules whose customers and accounts are both under a policy.
fn under_both(rule: ConflictRule, rules: &Rules) -> Rules {
    let accounts = rules.accounts().clone();
    let accounts = crate::AccountRules {
        rules: under(rule, accounts.rules),
        ..accounts
    };
    under(rule, rules.with_accounts(accounts))
}
