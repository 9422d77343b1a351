//! Requests that carry more than the right ones of the contracts: everything that can be about a
//! customer.

/// A journey that sends what events say to a webhook and to the log, and by a template that fails.
pub(super) const DEFINITIONS: &str = r#"{"request_id": "$ID", "definitions": [
    {"channel": {"name": "hook", "max_attempts": 1, "webhook": {
        "url": "$HOOK", "secret": "whsec_aGFwcHlwYXRoLWZpcnN0LWpvdXJuZXktc2VjcmV0", "allow_private_network": true
    }}},
    {"template": {"name": "note", "text": {
        "subject": "{{ event.note }} {{ profile.first_name }}", "body": "{{ event.note }}"
    }}},
    {"template": {"name": "broken", "text": {"body": "{{ event.note + 1 }}"}}},
    {"journey": {
        "name": "tell",
        "entry": {"triggers": [{"event": "noted"}], "reentry": "REENTRY_AFTER_EXIT"},
        "steps": [
            {"id": "one", "send": {"channel": "hook", "template": "note", "purpose": "news"}},
            {"id": "two", "send": {"channel": "quiet", "template": "note", "purpose": "news"}},
            {"id": "three", "send": {"channel": "quiet", "template": "broken", "purpose": "news"}}
        ]
    }}
]}"#;

/// Requests by their RPC.
pub(super) const FURTHER: &[(&str, &str)] = &[
    (
        "IdentityService/Ingest",
        r#"{"request_id": "$ID", "events": [{
            "name": "noted", "identifiers": {"user_id": "u9", "email": "u9@example.com"},
            "properties_json": "{\"note\": \"n\"}", "traits_json": "{\"first_name\": \"Ada\"}",
            "context_json": "{\"ip\": \"10.0.0.1\"}"
        }]}"#,
    ),
    (
        "IdentityService/Ingest",
        r#"{"request_id": "$ID", "events": [{
            "name": "noted", "identifiers": {"user_id": "u9"},
            "properties": {"note": "n", "count": "three", "list": ["a", {"deep": "b"}]},
            "traits": {"first_name": "Ada", "plan": {"name": "pro"}}
        }]}"#,
    ),
    (
        "IdentityService/IngestStream",
        r#"{"source": "s", "events": [{"name": "noted", "identifiers": {"user_id": "u9"}, "traits": {"first_name": "Ada"}}]}"#,
    ),
    (
        "IdentityService/GetCustomer",
        r#"{"identifier": {"namespace": "email", "value": "u9@example.com"}}"#,
    ),
    (
        "IdentityService/ListEvents",
        r#"{"identifier": {"namespace": "email", "value": "u9@example.com"}}"#,
    ),
    (
        "IdentityService/MergeCustomers",
        r#"{"request_id": "$ID", "customer_ids": ["$0", "$1"], "reason": "the same person"}"#,
    ),
    (
        "ResolutionService/UnmergeCustomers",
        r#"{"request_id": "$ID", "identifier": {"namespace": "email", "value": "u9@example.com"}, "reason": "two people"}"#,
    ),
    (
        "ResolutionService/UnmergeCustomers",
        r#"{"request_id": "$ID", "customer_id": "$0", "event_id": "e1", "dry_run": true}"#,
    ),
    (
        "ResolutionService/ListHistory",
        r#"{"identifier": {"namespace": "email", "value": "u9@example.com"}}"#,
    ),
    (
        "AccountService/PutAccount",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "account", "value": "a9"},
            {"namespace": "domain", "value": "acme.com"}], "traits": {"plan": "team", "seats": 7}}"#,
    ),
    (
        "AccountService/GetAccount",
        r#"{"identifier": {"namespace": "account", "value": "a9"}}"#,
    ),
    (
        "AccountService/PutMembership",
        r#"{"request_id": "$ID", "customer": {"identifier": {"namespace": "email", "value": "u9@example.com"}},
            "account": {"identifier": {"namespace": "account", "value": "a9"}}, "role": "champion"}"#,
    ),
    (
        "AccountService/ListMemberships",
        r#"{"identifier": {"namespace": "email", "value": "u9@example.com"}}"#,
    ),
    (
        "AccountService/PutBuyingGroup",
        r#"{"request_id": "$ID", "account": {"identifier": {"namespace": "account", "value": "a9"}},
            "opportunity": "a deal", "slots": [{"role": "champion", "required_count": 1}]}"#,
    ),
    (
        "ActivationService/SetConsent",
        r#"{"request_id": "$ID", "customer_id": "$0", "purpose": "news", "channel": "quiet", "granted": true, "source": "a form"}"#,
    ),
    (
        "ActivationService/PreviewTemplate",
        r#"{"text": {"subject": "{{ a }}", "body": "{{ a }}{{ b.c + 1 }}"}, "context": {"a": "x", "b": {"c": "y"}}}"#,
    ),
    (
        "SegmentationService/CheckExpression",
        r#"{"expression": "profile.plan == \"pro\" && profile.first_name.startsWith(\"A\")"}"#,
    ),
    (
        "PartitionService/DiscardQuarantinedRecords",
        r#"{"request_id": "$ID", "service": "journey", "filter": {"customer_id": "$0", "reason": "r"}, "reason": "a test"}"#,
    ),
    (
        "AuditService/ListEntries",
        r#"{"filter": {"customer_ids": ["$0"], "caller_id": "ann", "action": "x"}}"#,
    ),
];
