//! Definitions, and what is wrong with them.

use super::*;

fn namespace(name: &str, priority: u32, limit: u32) -> v1::Namespace {
    v1::Namespace {
        name: name.to_owned(),
        priority,
        limit,
        ..Default::default()
    }
}

fn compile(definitions: &[v1::Namespace]) -> Result<Rules, Vec<Mistake>> {
    let kinds: Vec<Kind> = definitions.iter().cloned().map(Kind::Namespace).collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Rules::compile(&sources, &Names::default())
}

fn check(definitions: &[v1::Namespace], expected: &[(usize, &str, &str)]) {
    let mistakes = compile(definitions).expect_err("a mistake");
    let seen: Vec<_> = mistakes
        .iter()
        .map(|mistake| {
            (
                mistake.source,
                mistake.path.as_str(),
                mistake.message.as_str(),
            )
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn every_mistake_is_reported_at_once() {
    check(
        &[
            namespace("email", 1, 5),
            namespace("till", 1, 0),
            namespace("email", 2, 1),
            v1::Namespace {
                normalizer: 77,
                ..namespace("x", 0, 2_000)
            },
        ],
        &[
            (1, "limit", "expected 1 to 1000 values a customer"),
            (2, "name", "`email` is defined twice"),
            (3, "priority", "expected 1 to 1000; 1 is kept longest"),
            (3, "limit", "expected 1 to 1000 values a customer"),
            (
                3,
                "normalizer",
                "expected NORMALIZER_TRIM, NORMALIZER_LOWERCASE, NORMALIZER_EMAIL, NORMALIZER_PHONE, NORMALIZER_NFKC or NORMALIZER_DOMAIN",
            ),
        ],
    );
}

#[test]
fn without_definitions_the_default_namespaces_exist() {
    let namespaces = compile(&[]).expect("the default");
    let seen: Vec<_> = namespaces
        .iter()
        .map(|n| (n.name(), n.priority(), n.limit()))
        .collect();
    assert_eq!(
        seen,
        [
            ("crm_id", 1, 1),
            ("user_id", 1, 1),
            ("email", 2, 5),
            ("phone", 2, 5),
            ("anonymous_id", 3, 5)
        ]
    );
}

#[test]
fn a_namespace_blocks_its_own_values_too() {
    let namespaces = compile(&[v1::Namespace {
        blocked_values: vec!["Team@Example.com".to_owned()],
        ..namespace("email", 1, 5)
    }])
    .expect("a namespace");
    let (_, email) = namespaces.find("email").expect("defined");
    assert!(email.is_blocked(" 'TEAM@example.com'") && email.is_blocked("null"));
    assert!(!email.is_blocked("jane@example.com"));
}

#[test]
fn built_in_namespaces_stay_unless_they_are_defined_or_switched_off() {
    let off = v1::Namespace {
        name: "phone".to_owned(),
        disabled: true,
        ..Default::default()
    };
    let definitions = [namespace("device", 1, 3), namespace("email", 1, 2), off];
    let rules = compile(&definitions).expect("rules");
    let names: Vec<_> = rules.iter().map(|it| (it.name(), it.limit())).collect();
    let expected = [
        ("crm_id", 1),
        ("device", 3),
        ("email", 2),
        ("user_id", 1),
        ("anonymous_id", 5),
    ];
    assert_eq!(names, expected);
    let known = |name: &str| rules.find(name).expect("defined").1.names_people();
    assert!(known("user_id") && known("crm_id") && !known("email") && !known("device"));
}

#[test]
fn a_built_in_namespace_keeps_what_its_definition_leaves_out() {
    let bare = |name: &str| v1::Namespace {
        name: name.to_owned(),
        ..Default::default()
    };
    let country = v1::Namespace {
        default_country: "DE".to_owned(),
        ..bare("phone")
    };
    let off = v1::Namespace {
        disabled: true,
        ..bare("crm_id")
    };
    let all = [
        bare("email"),
        bare("anonymous_id"),
        bare("user_id"),
        country,
        off,
    ];
    let rules = compile(&all).expect("rules");
    let built_in = compile(&[]).expect("rules");
    for name in ["email", "anonymous_id", "user_id"] {
        assert_eq!(
            rules.find(name),
            built_in
                .find(name)
                .map(|(rank, it)| (rank - usize::from(rank > 0), it))
        );
    }
    let (_, phone) = rules.find("phone").expect("defined");
    let read = phone.normalize("030 123456".to_owned());
    assert_eq!(read.ok().as_deref(), Some("+4930123456"));
    assert!(rules.find("crm_id").is_none());
    assert!(rules.all().any(|it| it.name() == "crm_id"));
}

#[test]
fn what_a_definition_says_of_a_built_in_namespace_holds() {
    let own = v1::Namespace {
        normalizer: v1::Normalizer::Trim.into(),
        window_seconds: 60,
        ..namespace("anonymous_id", 9, 20)
    };
    let shared = v1::Namespace {
        uniqueness: v1::Uniqueness::Shared.into(),
        ..namespace("email", 1, 5)
    };
    let rules = compile(&[own, shared]).expect("rules");
    let (_, own) = rules.find("anonymous_id").expect("defined");
    let seen = (own.priority(), own.limit(), own.normalizer(), own.window_ms);
    assert_eq!(seen, (9, 20, Normalizer::Trim, Some(60_000)));
    let (_, shared) = rules.find("email").expect("defined");
    assert_eq!(shared.normalizer(), Normalizer::Email);
}

#[test]
fn the_name_of_a_namespace_is_none_of_its_values() {
    let rules = compile(&[]).expect("rules");
    let (_, user) = rules.find("user_id").expect("built in");
    for (value, expected) in [
        ("User_ID", true),
        ("$userId", true),
        ("crm_id", false),
        ("u1", false),
    ] {
        assert_eq!(user.is_blocked(value), expected, "{value}");
    }
}

#[test]
fn fields_that_contradict_each_other_are_told() {
    check(
        &[
            v1::Namespace {
                disabled: true,
                ..namespace("till", 1, 1)
            },
            v1::Namespace {
                uniqueness: v1::Uniqueness::Shared.into(),
                names_people: Some(true),
                when_full: v1::WhenFull::DropOldest.into(),
                window_seconds: 9,
                ..namespace("family", 1, 5)
            },
            v1::Namespace {
                default_country: "ZZ".to_owned(),
                fan_out_limit: 65,
                blocked_patterns: vec!["a)|(b".to_owned(), "(a{200}){200}".to_owned()],
                ..namespace("x", 1, 5)
            },
        ],
        &[
            (
                0,
                "disabled",
                "only built-in namespaces are switched off; delete this one instead",
            ),
            (
                1,
                "names_people",
                "values that are shared name nobody: leave it out, or make them unique",
            ),
            (
                1,
                "when_full",
                "of shared values the newest is refused: leave it out",
            ),
            (
                1,
                "window_seconds",
                "values that are shared have no window: leave it out",
            ),
            (2, "fan_out_limit", "expected 1 to 64, or 0 for 20"),
            (
                2,
                "blocked_patterns[0]",
                "is no regular expression: error: unopened group",
            ),
            (
                2,
                "blocked_patterns[1]",
                "is too large: shorten it, or its repetitions",
            ),
            (
                2,
                "default_country",
                "only numbers of NORMALIZER_PHONE have a country: leave it out",
            ),
            (
                2,
                "default_country",
                "expected a country of ISO 3166-1 alpha-2, such as `DE`",
            ),
        ],
    );
}

#[test]
fn patterns_match_all_of_a_value_in_any_case_without_quotes() {
    let namespaces = compile(&[v1::Namespace {
        blocked_patterns: vec!["test-\\d+".to_owned(), "qa|bot".to_owned()],
        ..namespace("device", 1, 5)
    }])
    .expect("a namespace");
    let (_, device) = namespaces.find("device").expect("defined");
    for (value, expected) in [
        ("TEST-12", true),
        (" 'test-1' ", true),
        ("test-1x", false),
        ("bot", true),
        ("robot", false),
    ] {
        assert_eq!(device.is_blocked(value), expected, "{value:?}");
    }
}

#[test]
fn a_policy_has_its_version_and_its_usual_limit() {
    let policy = |rule: v1::ConflictRule, limit| {
        Kind::IdentityPolicy(v1::IdentityPolicy {
            name: "default".to_owned(),
            conflict_rule: rule.into(),
            identifier_limit: limit,
            ..Default::default()
        })
    };
    for (rule, limit, expected) in [
        (v1::ConflictRule::Unspecified, 0, 1_000),
        (v1::ConflictRule::ReassignNewest, 0, 50),
        (v1::ConflictRule::ReassignNewest, 70, 70),
    ] {
        let kind = policy(rule, limit);
        let source = Source {
            version: 3,
            ..Source::current(&kind)
        };
        let rules = Rules::compile(&[source], &Names::default()).expect("a policy");
        let own = rules.policy;
        assert_eq!((own.identifier_limit, own.version), (expected, 3));
    }
}
