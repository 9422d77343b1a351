//! Requests that several cases need, and what there is before any of them.

/// Something of each kind. A run asks for two activations at once.
pub(crate) const DEFINITIONS: &str = r#"{"request_id": "$ID", "definitions": [
    {"segment": {"name": "seen", "expression": "events(\"seen\").count() >= 1"}},
    {"segment": {"name": "seen_twice", "expression": "events(\"seen\").count() >= 2"}},
    {"channel": {"name": "quiet", "log": {}}},
    {"template": {"name": "hello", "text": {"body": "Hello"}}},
    {"policy": {"name": "default", "consent_by_default": true}},
    {"source": {"name": "web_shop", "event_names": {"Order Completed": "purchase"}}},
    {"subscription": {"name": "warehouse", "url": "http://127.0.0.1:9/", "allow_private_network": true,
        "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}},
    {"journey_map": {"name": "shop", "stages": [{"name": "in", "enter": [{"event": "seen"}]}]}},
    {"happy_path": {"name": "way", "map": "shop", "milestones": [
        {"name": "in", "trigger": {"event": "seen"}}, {"name": "out", "trigger": {"event": "left"}}
    ]}},
    {"journey": {
        "name": "greet",
        "entry": {"triggers": [{"event": "seen"}], "reentry": "REENTRY_AFTER_EXIT"},
        "steps": [
            {"id": "one", "send": {"channel": "quiet", "template": "hello", "purpose": "news"}},
            {"id": "two", "send": {"channel": "quiet", "template": "hello", "purpose": "news"}}
        ]
    }}
]}"#;

/// Events of four customers.
pub(crate) const EVENTS: &str = r#"{"request_id": "$ID", "events": [
    {"name": "seen", "identifiers": {"user_id": "u0"}},
    {"name": "seen", "identifiers": {"user_id": "u1"}},
    {"name": "left", "identifiers": {"user_id": "u2"}},
    {"name": "left", "identifiers": {"user_id": "u3"}}
]}"#;

/// Accounts.
pub(crate) const ACCOUNTS: [&str; 3] = [
    r#"{"request_id": "$ID", "identifiers": [{"namespace": "account", "value": "a0"}]}"#,
    r#"{"request_id": "$ID", "identifiers": [{"namespace": "account", "value": "a1"}]}"#,
    r#"{"request_id": "$ID", "identifiers": [{"namespace": "account", "value": "a2"}]}"#,
];

/// A membership, for whoever reads and ends it.
pub(crate) const PUT_MEMBERSHIP: &str = "AccountService/PutMembership";
pub(crate) const MEMBERSHIP: &str = r#"{"request_id": "$ID", "customer": {"customer_id": "$0"},
    "account": {"account_id": "$4"}, "role": "champion"}"#;

/// A buying group, for whoever reads and deletes it.
pub(crate) const PUT_GROUP: &str = "AccountService/PutBuyingGroup";
pub(crate) const GROUP: &str = r#"{"request_id": "$ID", "account": {"account_id": "$4"}, "opportunity": "crm-1",
    "slots": [{"role": "champion", "required_count": 1}]}"#;

/// A merge of accounts, for whoever takes it apart.
pub(crate) const MERGE_ACCOUNTS: &str = "AccountService/MergeAccounts";
pub(crate) const MERGED_ACCOUNTS: &str = r#"{"request_id": "$ID", "account_ids": ["$5", "$6"]}"#;

/// A segment that nothing refers to.
pub(crate) const SPARE: &str = r#"{"request_id": "$ID", "definitions": [
    {"segment": {"name": "spare", "expression": "events(\"seen\").count() >= 3"}}
]}"#;

/// A key.
pub(crate) const KEY: &str = r#"{"request_id": "$ID", "id": "0123456789abcdef", "name": "shop",
    "hash": "0000000000000000000000000000000000000000000000000000000000000000", "scopes": ["events:write"]}"#;

/// The same with another name.
pub(crate) const OTHER_KEY: &str = r#"{"id": "0123456789abcdef", "name": "other",
    "hash": "0000000000000000000000000000000000000000000000000000000000000000", "scopes": ["events:write"]}"#;

/// A key that is revoked.
pub(crate) const REVOKED_KEY: &str = r#"{"request_id": "$ID", "id": "0123456789abcdeh", "name": "gone",
    "hash": "2222222222222222222222222222222222222222222222222222222222222222", "scopes": ["events:write"]}"#;

/// A merge, for whoever takes it apart.
pub(crate) const MERGE: &str = "IdentityService/MergeCustomers";
pub(crate) const MERGED: &str = r#"{"request_id": "$ID", "customer_ids": ["$2", "$3"]}"#;

/// An erasure of nobody, whose name follows from its request id.
pub(crate) const ERASE: &str = "ErasureService/Erase";
pub(crate) const ERASED: &str = r#"{"request_id": "erasure-one",
    "identifiers": [{"namespace": "user_id", "value": "never_seen"}]}"#;
