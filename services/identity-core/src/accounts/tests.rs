//! The namespaces of accounts, and what e-mail addresses say of them.

use decision::{Names, Source};
use messages::definition::v1::definition::Kind;
use messages::identity::v1;

use super::*;
use crate::{DropReason, subject_fault};

fn compile(kinds: &[Kind]) -> Rules {
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Rules::compile(&sources, &Names::default()).expect("rules")
}

fn mistakes(namespace: v1::Namespace) -> Vec<(String, String)> {
    let kinds = [Kind::Namespace(namespace)];
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    let found = Rules::compile(&sources, &Names::default()).expect_err("a mistake");
    found.into_iter().map(|it| (it.path, it.message)).collect()
}

fn named(name: &str, subject: v1::Subject) -> v1::Namespace {
    v1::Namespace {
        name: name.to_owned(),
        subject: subject.into(),
        ..Default::default()
    }
}

fn names(rules: &Rules) -> Vec<(&str, u32, u32)> {
    let all = rules.iter();
    all.map(|it| (it.name(), it.priority(), it.limit()))
        .collect()
}

fn policy(rule: v1::DomainRule, excluded: &[&str]) -> Kind {
    Kind::IdentityPolicy(v1::IdentityPolicy {
        name: "accounts".to_owned(),
        domain_rule: rule.into(),
        excluded_domains: excluded.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    })
}

fn email(value: &str) -> Identifier {
    Identifier {
        namespace: "email".to_owned(),
        value: value.to_owned(),
    }
}

fn reason(screened: &Screened) -> Option<DropReason> {
    screened.dropped.first().map(|it| it.reason)
}

#[test]
fn accounts_have_namespaces_of_their_own() {
    let rules = Rules::default();
    let accounts = &rules.accounts().rules;
    let expected = [
        ("account", 1, 1),
        ("company", 1, 1),
        ("household", 1, 1),
        ("workspace", 1, 1),
        ("crm_account_id", 2, 1),
        ("domain", 3, 5),
    ];
    assert_eq!(names(accounts), expected);
    assert!(accounts.iter().all(|it| it.subject() == Subject::Account));
    assert!(rules.iter().all(|it| it.subject() == Subject::Customer));
    assert_eq!(rules.iter().len(), 5);
    assert_eq!(rules.all().count(), 11);
    assert_eq!(accounts.subject(), Subject::Account);
    assert_eq!(accounts.accounts().domain_rule, DomainRule::Off);
}

#[test]
fn an_identifier_of_the_other_ones_is_left_out_and_says_so() {
    let rules = Rules::default();
    let pair = |namespace: &str| [(namespace.to_owned(), "x1".to_owned())];
    let of_customer = screen(&rules, pair("account"));
    assert_eq!(reason(&of_customer), Some(DropReason::OtherSubject));
    let of_account = screen(&rules.accounts().rules, pair("user_id"));
    assert_eq!(reason(&of_account), Some(DropReason::OtherSubject));
    let unknown = screen(&rules, pair("badge"));
    assert_eq!(reason(&unknown), Some(DropReason::UnknownNamespace));
}

#[test]
fn the_key_of_a_group_is_screened_alone() {
    let rules = Rules::default();
    let screen = |group: &str, key: &str| {
        let accounts = rules.accounts();
        accounts.screen_group(group.to_owned(), key.to_owned())
    };
    let kept = screen("account", " Acme ").expect("a namespace");
    assert_eq!(kept.kept[0].1.value, "Acme");
    for (group, key, expected) in [
        ("account", "null", DropReason::BlockedValue),
        ("workspace", "Workspace", DropReason::BlockedValue),
        ("company", "a\u{0}b", DropReason::MalformedValue),
        ("domain", "localhost", DropReason::MalformedValue),
        (
            "domain",
            "https://mail.GMAIL.com/x",
            DropReason::BlockedValue,
        ),
        ("domain", "Marketplace.Amazon.de", DropReason::BlockedValue),
    ] {
        let screened = screen(group, key).expect("a namespace");
        assert!(screened.kept.is_empty(), "{group}={key}");
        assert_eq!(reason(&screened), Some(expected), "{group}={key}");
    }
    // Nothing is decided by what is no namespace of accounts.
    assert!(screen("team", "t1").is_none() && screen("email", "a@b.com").is_none());
}

#[test]
fn an_account_is_of_the_type_of_its_first_key() {
    let plant = v1::Namespace {
        priority: 5,
        limit: 1,
        ..named("plant", v1::Subject::Account)
    };
    let badge = v1::Namespace {
        priority: 1,
        limit: 3,
        ..named("badge", v1::Subject::Account)
    };
    let rules = compile(&[Kind::Namespace(plant), Kind::Namespace(badge)]);
    for (namespaces, expected) in [
        (&["domain", "workspace"][..], "workspace"),
        (&["workspace", "account"], "account"),
        (&["plant", "household"], "household"),
        (&["plant", "badge", "crm_account_id"], "plant"),
        (&["badge", "crm_account_id", "domain"], "account"),
        (&[], "account"),
        (&["gone"], "account"),
    ] {
        let namespaces = namespaces.iter().copied();
        let seen = rules.accounts().type_of(namespaces.clone());
        assert_eq!(seen, expected, "{:?}", namespaces.collect::<Vec<_>>());
    }
}

#[test]
fn the_domain_of_an_address_names_an_account_unless_it_is_nobodys() {
    let rule = |rule| compile(&[policy(rule, &["partner.com", "Müller.de"])]);
    let known = rule(v1::DomainRule::Unspecified);
    for (value, expected) in [
        ("ada@mail.acme.co.uk", Some("acme.co.uk")),
        ("ada@acme.com", Some("acme.com")),
        ("ada@gmail.com", None),
        ("ada@mail.yahoo.co.jp", None),
        ("x1@privaterelay.appleid.com", None),
        ("1+ada@users.noreply.github.com", None),
        ("ada@github.com", Some("github.com")),
        ("ada@example.org", None),
        ("ada@partner.com", None),
        ("ada@eu.partner.com", None),
        ("ada@müller.de", None),
        ("ada@acme.local", None),
        ("ada@[10.0.0.1]", None),
    ] {
        let claim = known.account_claim(&email(value));
        let seen = claim.as_ref().map(|(_, it)| it.value.as_str());
        assert_eq!(seen, expected, "{value}");
        let is_named =
            claim.is_none_or(|(rule, it)| rule == DomainRule::Known && it.namespace == "domain");
        assert!(is_named);
    }
    let create = rule(v1::DomainRule::Create).account_claim(&email("ada@acme.com"));
    assert_eq!(create.map(|(rule, _)| rule), Some(DomainRule::Create));
    let off = rule(v1::DomainRule::Off);
    assert_eq!(off.account_claim(&email("ada@acme.com")), None);
    // Excluded domains are nobody's in calls too.
    let accounts = off.accounts();
    let given = accounts.screen_group("domain".to_owned(), "www.partner.com".to_owned());
    assert_eq!(
        reason(&given.expect("a namespace")),
        Some(DropReason::BlockedValue)
    );
}

#[test]
fn only_addresses_of_customers_say_something_and_only_where_domains_are_a_namespace() {
    let rules = Rules::default();
    let user = Identifier {
        namespace: "user_id".to_owned(),
        value: "ada@acme.com".to_owned(),
    };
    assert_eq!(rules.account_claim(&user), None);
    let off = v1::Namespace {
        disabled: true,
        ..named("domain", v1::Subject::Unspecified)
    };
    let rules = compile(&[Kind::Namespace(off)]);
    assert_eq!(rules.account_claim(&email("ada@acme.com")), None);
    assert!(!rules.accounts().has_type("domain"));
    assert!(rules.all().any(|it| it.name() == "domain"));
}

#[test]
fn a_definition_says_whom_it_names_and_keeps_what_it_leaves_out() {
    let account = named("account", v1::Subject::Account);
    let duns = v1::Namespace {
        priority: 2,
        limit: 1,
        ..named("duns", v1::Subject::Account)
    };
    let domain = v1::Namespace {
        limit: 2,
        ..named("domain", v1::Subject::Account)
    };
    let rules = compile(&[account, duns, domain].map(Kind::Namespace));
    let expected = [
        ("account", 1, 1),
        ("company", 1, 1),
        ("household", 1, 1),
        ("workspace", 1, 1),
        ("crm_account_id", 2, 1),
        ("duns", 2, 1),
        ("domain", 3, 2),
    ];
    assert_eq!(names(&rules.accounts().rules), expected);
    let (_, domain) = rules.accounts().rules.find("domain").expect("defined");
    assert_eq!(domain.normalizer(), Normalizer::Domain);
    assert_eq!(rules.iter().len(), 5);
}

#[test]
fn a_stored_definition_of_customers_keeps_a_name_that_is_built_in_for_accounts_now() {
    let old = v1::Namespace {
        priority: 1,
        limit: 3,
        ..named("account", v1::Subject::Unspecified)
    };
    let rules = compile(&[Kind::Namespace(old.clone())]);
    let (_, account) = rules.find("account").expect("of customers");
    assert_eq!(account.limit(), 3);
    assert!(!rules.accounts().has_type("account") && rules.accounts().has_type("company"));
    let screened = screen(&rules, [("account".to_owned(), "a1".to_owned())]);
    assert_eq!(screened.kept.len(), 1);
    assert!(account_group(&rules).is_none());
    // Whoever applies it now says whom it names.
    assert!(subject_fault(&old).is_some_and(|it| it.contains("say SUBJECT_ACCOUNT")));
    for subject in [v1::Subject::Customer, v1::Subject::Account] {
        let said = v1::Namespace {
            subject: subject.into(),
            ..old.clone()
        };
        assert_eq!(subject_fault(&said), None);
    }
    let off = v1::Namespace {
        disabled: true,
        ..named("account", v1::Subject::Unspecified)
    };
    assert_eq!(subject_fault(&off), None);
    assert_eq!(
        subject_fault(&named("email", v1::Subject::Unspecified)),
        None
    );
}

fn account_group(rules: &Rules) -> Option<Screened> {
    let accounts = rules.accounts();
    accounts.screen_group("account".to_owned(), "a1".to_owned())
}

#[test]
fn whom_a_namespace_names_is_one_of_two_and_that_of_the_built_in_ones_is_theirs() {
    let of_customers = "the built-in namespace of this name names customers: leave it out, or \
                        define a namespace of another name";
    let seen = mistakes(named("email", v1::Subject::Account));
    assert_eq!(seen, [("subject".to_owned(), of_customers.to_owned())]);
    let odd = v1::Namespace {
        subject: 9,
        ..named("badge", v1::Subject::Account)
    };
    let expected = "expected SUBJECT_CUSTOMER or SUBJECT_ACCOUNT";
    assert_eq!(mistakes(odd), [("subject".to_owned(), expected.to_owned())]);
    let off = v1::Namespace {
        disabled: true,
        ..named("account", v1::Subject::Customer)
    };
    let expected = "only built-in namespaces are switched off; delete this one instead";
    assert_eq!(
        mistakes(off),
        [("disabled".to_owned(), expected.to_owned())]
    );
    let bare = mistakes(named("badge", v1::Subject::Account));
    let expected = [
        ("priority", "expected 1 to 1000; 1 is kept longest"),
        ("limit", "expected 1 to 1000 values an account"),
    ];
    let expected = expected.map(|(path, message)| (path.to_owned(), message.to_owned()));
    assert_eq!(bare, expected);
}
