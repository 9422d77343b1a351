//! Right requests of every RPC, and their answers: kept by hand.

mod case;
mod requests;

use tonic::Code;

pub(crate) use self::case::Case;
use self::case::{list, list_all, read, read_all, write};
pub(crate) use self::requests::{ACCOUNTS, DEFINITIONS, EVENTS};
use self::requests::{
    ERASE, ERASED, GROUP, KEY, MEMBERSHIP, MERGE, MERGE_ACCOUNTS, MERGED, MERGED_ACCOUNTS,
    OTHER_KEY, PUT_GROUP, PUT_MEMBERSHIP, REVOKED_KEY, SPARE,
};

/// Returns the case of an RPC.
pub(crate) fn case_of(name: &str) -> &'static Case {
    let case = CASES.iter().find(|case| case.method == name);
    case.unwrap_or_else(|| panic!("{name} has no case"))
}

/// Every RPC.
pub(crate) const CASES: &[Case] = &[
    write(
        "IdentityService/Ingest",
        r#"{"request_id": "$ID", "events": [{"name": "left", "identifiers": {"user_id": "u1"}}]}"#,
        r#"{"events": [{"name": "seen", "identifiers": {"user_id": "u1"}}]}"#,
    ),
    read(
        "IdentityService/IngestStream",
        r#"{"events": [{"name": "left", "identifiers": {"user_id": "u1"}}]}"#,
    ),
    read("IdentityService/GetCustomer", r#"{"customer_id": "$0"}"#),
    list_all("IdentityService/ListCustomers"),
    Case {
        // The embedded stores keep no event log.
        code: Code::FailedPrecondition,
        ..read("IdentityService/ListEvents", r#"{"customer_id": "$0"}"#)
    },
    write(
        "IdentityService/MergeCustomers",
        r#"{"request_id": "$ID", "customer_ids": ["$2", "$3"]}"#,
        r#"{"customer_ids": ["$2", "$3"], "reason": "another body"}"#,
    ),
    Case {
        // The clock is the one on the wall.
        code: Code::FailedPrecondition,
        ..read(
            "IdentityService/AdvanceClock",
            r#"{"time": "2030-01-01T00:00:00Z"}"#,
        )
    },
    read(
        "ResolutionService/Resolve",
        r#"{"identifiers": [{"namespace": "user_id", "value": "u1"}]}"#,
    ),
    read(
        "ResolutionService/ResolveStream",
        r#"{"request": {"identifiers": [{"namespace": "user_id", "value": "u1"}]}, "tag": "a"}"#,
    ),
    write(
        "ResolutionService/Identify",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "user_id", "value": "u1"}],
            "traits": {"plan": "free"}}"#,
        r#"{"identifiers": [{"namespace": "user_id", "value": "u2"}]}"#,
    ),
    write(
        "ResolutionService/Link",
        r#"{"request_id": "$ID", "customer_id": "$1",
            "identifiers": [{"namespace": "email", "value": "u1@example.com"}]}"#,
        r#"{"customer_id": "$1", "identifiers": [{"namespace": "email", "value": "u2@example.com"}]}"#,
    ),
    Case {
        before: Some((MERGE, MERGED)),
        ..write(
            "ResolutionService/UnmergeCustomers",
            r#"{"request_id": "$ID", "customer_id": "$2", "fragment_id": "$3"}"#,
            r#"{"customer_id": "$2", "fragment_id": "$3", "dry_run": true}"#,
        )
    },
    Case {
        before: Some((MERGE, MERGED)),
        items: 1,
        ..read("ResolutionService/ListHistory", r#"{"customer_id": "$2"}"#)
    },
    read(
        "ResolutionService/ExplainIdentity",
        r#"{"identifier": {"namespace": "user_id", "value": "u1"}}"#,
    ),
    Case {
        empty: Code::Ok,
        ..read(
            "ResolutionService/Simulate",
            r#"{"events": [{"identifiers": [{"namespace": "user_id", "value": "u1"}]}]}"#,
        )
    },
    write(
        "ErasureService/Erase",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "user_id", "value": "stranger"}]}"#,
        r#"{"identifiers": [{"namespace": "user_id", "value": "nobody_else"}]}"#,
    ),
    Case {
        before: Some((ERASE, ERASED)),
        ..read(
            "ErasureService/GetErasure",
            r#"{"operation_id": "0749fa47-9c64-8124-bb42-76472dbe5a5f"}"#,
        )
    },
    Case {
        before: Some((ERASE, ERASED)),
        items: 1,
        ..list_all("ErasureService/ListErasures")
    },
    write(
        "ErasureService/Suppress",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "user_id", "value": "quiet"}]}"#,
        r#"{"identifiers": [{"namespace": "user_id", "value": "silent"}]}"#,
    ),
    write(
        "ErasureService/Unsuppress",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "user_id", "value": "quiet"}]}"#,
        r#"{"identifiers": [{"namespace": "user_id", "value": "silent"}]}"#,
    ),
    write(
        "AccountService/PutAccount",
        r#"{"request_id": "$ID", "identifiers": [{"namespace": "account", "value": "a0"}],
            "traits": {"plan": "team"}}"#,
        r#"{"identifiers": [{"namespace": "domain", "value": "acme.com"}]}"#,
    ),
    read("AccountService/GetAccount", r#"{"account_id": "$4"}"#),
    list_all("AccountService/ListAccounts"),
    write(
        MERGE_ACCOUNTS,
        MERGED_ACCOUNTS,
        r#"{"account_ids": ["$5", "$6"], "reason": "another body"}"#,
    ),
    Case {
        before: Some((MERGE_ACCOUNTS, MERGED_ACCOUNTS)),
        ..write(
            "AccountService/UnmergeAccounts",
            r#"{"request_id": "$ID", "account_id": "$5", "fragment_id": "$6"}"#,
            r#"{"account_id": "$5", "fragment_id": "$6", "dry_run": true}"#,
        )
    },
    write(
        PUT_MEMBERSHIP,
        MEMBERSHIP,
        r#"{"customer": {"customer_id": "$1"}, "account": {"account_id": "$4"}}"#,
    ),
    Case {
        before: Some((PUT_MEMBERSHIP, MEMBERSHIP)),
        ..write(
            "AccountService/EndMembership",
            r#"{"request_id": "$ID", "membership_id": "$MEMBERSHIP"}"#,
            r#"{"membership_id": "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"}"#,
        )
    },
    Case {
        before: Some((PUT_MEMBERSHIP, MEMBERSHIP)),
        items: 1,
        ..read("AccountService/ListMembers", r#"{"account_id": "$4"}"#)
    },
    Case {
        before: Some((PUT_MEMBERSHIP, MEMBERSHIP)),
        items: 1,
        ..read("AccountService/ListMemberships", r#"{"customer_id": "$0"}"#)
    },
    write(
        PUT_GROUP,
        GROUP,
        r#"{"account": {"account_id": "$4"}, "opportunity": "crm-2", "slots": [{"role": "champion"}]}"#,
    ),
    Case {
        before: Some((PUT_GROUP, GROUP)),
        ..read(
            "AccountService/GetBuyingGroup",
            r#"{"buying_group_id": "$GROUP"}"#,
        )
    },
    Case {
        before: Some((PUT_GROUP, GROUP)),
        items: 1,
        ..list_all("AccountService/ListBuyingGroups")
    },
    Case {
        before: Some((PUT_GROUP, GROUP)),
        ..write(
            "AccountService/DeleteBuyingGroup",
            r#"{"request_id": "$ID", "buying_group_id": "$GROUP"}"#,
            r#"{"buying_group_id": "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"}"#,
        )
    },
    read("ExportService/ExportAccount", r#"{"account_id": "$4"}"#),
    read("ExportService/ExportCustomer", r#"{"customer_id": "$0"}"#),
    read("SegmentationService/GetProfile", r#"{"customer_id": "$0"}"#),
    list_all("SegmentationService/ListSegments"),
    list_all("SegmentationService/ListEventNames"),
    list(
        "SegmentationService/ExplainMembership",
        r#"{"customer_id": "$0"}"#,
    ),
    read(
        "SegmentationService/CheckExpression",
        r#"{"expression": "events(\"seen\").count() >= 1"}"#,
    ),
    read("JourneyService/GetFlow", r#"{"journey": "greet"}"#),
    read("JourneyService/GetMapFlow", r#"{"map": "shop"}"#),
    read(
        "JourneyService/MeasureHappyPath",
        r#"{"happy_path": "way"}"#,
    ),
    read(
        "JourneyService/GetCustomerJourneys",
        r#"{"customer_id": "$0"}"#,
    ),
    list(
        "ActivationService/ListActivations",
        r#"{"customer_id": "$0"}"#,
    ),
    read_all("ActivationService/GetStatistics"),
    write(
        "ActivationService/SetConsent",
        r#"{"request_id": "$ID", "customer_id": "$0", "purpose": "news", "granted": true}"#,
        r#"{"customer_id": "$0", "purpose": "news", "granted": false}"#,
    ),
    read("ActivationService/GetConsent", r#"{"customer_id": "$0"}"#),
    read(
        "ActivationService/PreviewTemplate",
        r#"{"text": {"body": "Hello"}, "context": {}}"#,
    ),
    write(
        "DefinitionService/ApplyDefinitions",
        SPARE,
        r#"{"definitions": [{"segment": {"name": "spare", "expression": "true"}}]}"#,
    ),
    read(
        "DefinitionService/GetDefinition",
        r#"{"kind": "DEFINITION_KIND_SEGMENT", "name": "seen"}"#,
    ),
    list_all("DefinitionService/ListDefinitions"),
    Case {
        before: Some(("DefinitionService/ApplyDefinitions", SPARE)),
        ..write(
            "DefinitionService/DeleteDefinition",
            r#"{"request_id": "$ID", "kind": "DEFINITION_KIND_SEGMENT", "name": "spare"}"#,
            r#"{"kind": "DEFINITION_KIND_SEGMENT", "name": "seen_twice"}"#,
        )
    },
    write(
        "DefinitionService/RotateSecrets",
        r#"{"request_id": "$ID"}"#,
        r#"{"validate_only": true}"#,
    ),
    Case {
        empty: Code::Ok,
        // Entries about reading the log would be on its later pages.
        ..list(
            "AuditService/ListEntries",
            r#"{"filter": {"action": "definition.create"}}"#,
        )
    },
    read_all("AuditService/ExportEntries"),
    write(
        "AuditService/ForgetSubjects",
        r#"{"request_id": "$ID", "customer_ids": ["$2"]}"#,
        r#"{"customer_ids": ["$3"]}"#,
    ),
    write(
        "AuditService/PruneEntries",
        r#"{"request_id": "$ID", "before_time": "2020-01-01T00:00:00Z"}"#,
        r#"{"before_time": "2021-01-01T00:00:00Z"}"#,
    ),
    list_all("PartitionService/ListPartitions"),
    read(
        "PartitionService/ListQuarantinedRecords",
        r#"{"service": "journey"}"#,
    ),
    read(
        "PartitionService/PreviewSplit",
        r#"{"service": "journey", "customer_id": "$2", "to_customer_id": "$3"}"#,
    ),
    write(
        "PartitionService/RetryQuarantinedRecords",
        r#"{"request_id": "$ID", "service": "journey", "filter": {}}"#,
        r#"{"service": "segmentation", "filter": {}}"#,
    ),
    write(
        "PartitionService/DiscardQuarantinedRecords",
        r#"{"request_id": "$ID", "service": "journey", "filter": {}, "reason": "a test"}"#,
        r#"{"service": "segmentation", "filter": {}, "reason": "a test"}"#,
    ),
    Case {
        items: 0,
        ..list_all("IntakeService/ListDeadLetters")
    },
    write(
        "IntakeService/ReplayDeadLetters",
        r#"{"request_id": "$ID", "filter": {}}"#,
        r#"{"filter": {"source": "other"}}"#,
    ),
    write(
        "IntakeService/DiscardDeadLetters",
        r#"{"request_id": "$ID", "filter": {}}"#,
        r#"{"filter": {"source": "other"}}"#,
    ),
    Case {
        empty: Code::Ok,
        ..read("IntakeService/GetIntakeStatistics", r#"{"days": 7}"#)
    },
    Case {
        empty: Code::Ok,
        ..read("ChangeService/WatchChanges", r#"{"from_start": true}"#)
    },
    read_all("ChangeService/GetChangeLog"),
    Case {
        items: 1,
        ..list_all("ChangeService/ListSubscriptions")
    },
    write(
        "ChangeService/ResumeSubscription",
        r#"{"request_id": "$ID", "name": "warehouse", "now": true}"#,
        r#"{"name": "warehouse", "start": true}"#,
    ),
    write("KeyService/CreateKey", KEY, OTHER_KEY),
    Case {
        before: Some(("KeyService/CreateKey", KEY)),
        items: 1,
        ..list_all("KeyService/ListKeys")
    },
    Case {
        before: Some(("KeyService/CreateKey", KEY)),
        ..write(
            "KeyService/RotateKey",
            r#"{"request_id": "$ID", "id": "0123456789abcdef",
                "hash": "1111111111111111111111111111111111111111111111111111111111111111"}"#,
            r#"{"id": "0123456789abcdeg",
                "hash": "1111111111111111111111111111111111111111111111111111111111111111"}"#,
        )
    },
    Case {
        before: Some(("KeyService/CreateKey", REVOKED_KEY)),
        ..write(
            "KeyService/RevokeKey",
            r#"{"request_id": "$ID", "id": "0123456789abcdeh"}"#,
            r#"{"id": "0123456789abcdef"}"#,
        )
    },
    read_all("KeyService/GetCaller"),
    read_all("PartitionService/GetInstallation"),
    read_all("PartitionService/AwaitIdle"),
];
