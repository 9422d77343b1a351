//! The class of each call, as the audit log sees it.

use self::Class::{Change, Event, Order, Other, PersonalRead};

/// The class of a call, as the audit log sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It reads data of customers: recorded with its outcome before it is answered, once for each
    /// customer.
    PersonalRead,
    /// It changes definitions, credentials, consents or identities: recorded where the change is
    /// made, and here where it fails.
    Change,
    /// It is an operator's order: recorded with its outcome.
    Order,
    /// It brings events, which are not audited. What they change of identities is.
    Event,
    /// It tells nothing of a customer, and changes nothing.
    Other,
}

/// The class of each call of the contracts. A test holds this list against the contracts.
const CLASSES: &[(&str, Class)] = &[
    ("happypath.access.v1.KeyService/CreateKey", Change),
    ("happypath.access.v1.KeyService/GetCaller", Other),
    ("happypath.access.v1.KeyService/ListKeys", Other),
    ("happypath.access.v1.KeyService/RevokeKey", Change),
    ("happypath.access.v1.KeyService/RotateKey", Change),
    (
        "happypath.activation.v1.ActivationService/GetConsent",
        PersonalRead,
    ),
    (
        "happypath.activation.v1.ActivationService/GetStatistics",
        Other,
    ),
    (
        "happypath.activation.v1.ActivationService/ListActivations",
        PersonalRead,
    ),
    (
        "happypath.activation.v1.ActivationService/PreviewTemplate",
        Other,
    ),
    (
        "happypath.activation.v1.ActivationService/SetConsent",
        Change,
    ),
    ("happypath.audit.v1.AuditService/ExportEntries", Order),
    ("happypath.audit.v1.AuditService/ForgetSubjects", Change),
    ("happypath.audit.v1.AuditService/ListEntries", Order),
    ("happypath.audit.v1.AuditService/PruneEntries", Order),
    (
        "happypath.definition.v1.DefinitionService/ApplyDefinitions",
        Change,
    ),
    (
        "happypath.definition.v1.DefinitionService/DeleteDefinition",
        Change,
    ),
    (
        "happypath.definition.v1.DefinitionService/GetDefinition",
        Other,
    ),
    (
        "happypath.definition.v1.DefinitionService/ListDefinitions",
        Other,
    ),
    (
        "happypath.definition.v1.DefinitionService/RotateSecrets",
        Change,
    ),
    ("happypath.engine.v1.PartitionService/AwaitIdle", Other),
    (
        "happypath.engine.v1.PartitionService/DiscardQuarantinedRecords",
        Order,
    ),
    (
        "happypath.engine.v1.PartitionService/GetInstallation",
        Other,
    ),
    ("happypath.engine.v1.PartitionService/ListPartitions", Other),
    (
        "happypath.engine.v1.PartitionService/ListQuarantinedRecords",
        PersonalRead,
    ),
    (
        "happypath.engine.v1.PartitionService/PreviewSplit",
        PersonalRead,
    ),
    (
        "happypath.engine.v1.PartitionService/RetryQuarantinedRecords",
        Order,
    ),
    ("happypath.gateway.v1.ChangeService/GetChangeLog", Other),
    (
        "happypath.gateway.v1.ChangeService/ListSubscriptions",
        Other,
    ),
    (
        "happypath.gateway.v1.ChangeService/ResumeSubscription",
        Order,
    ),
    (
        "happypath.gateway.v1.ChangeService/WatchChanges",
        PersonalRead,
    ),
    (
        "happypath.gateway.v1.ExportService/ExportAccount",
        PersonalRead,
    ),
    (
        "happypath.gateway.v1.ExportService/ExportCustomer",
        PersonalRead,
    ),
    (
        "happypath.gateway.v1.IntakeService/DiscardDeadLetters",
        Order,
    ),
    (
        "happypath.gateway.v1.IntakeService/GetIntakeStatistics",
        Other,
    ),
    (
        "happypath.gateway.v1.IntakeService/ListDeadLetters",
        PersonalRead,
    ),
    (
        "happypath.gateway.v1.IntakeService/ReplayDeadLetters",
        Order,
    ),
    (
        "happypath.identity.v1.AccountService/DeleteBuyingGroup",
        Change,
    ),
    ("happypath.identity.v1.AccountService/EndMembership", Change),
    (
        "happypath.identity.v1.AccountService/GetAccount",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.AccountService/GetBuyingGroup",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.AccountService/ListAccounts",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.AccountService/ListBuyingGroups",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.AccountService/ListMembers",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.AccountService/ListMemberships",
        PersonalRead,
    ),
    ("happypath.identity.v1.AccountService/MergeAccounts", Change),
    ("happypath.identity.v1.AccountService/PutAccount", Event),
    (
        "happypath.identity.v1.AccountService/PutBuyingGroup",
        Change,
    ),
    ("happypath.identity.v1.AccountService/PutMembership", Change),
    (
        "happypath.identity.v1.AccountService/UnmergeAccounts",
        Change,
    ),
    ("happypath.identity.v1.ErasureService/Erase", Change),
    (
        "happypath.identity.v1.ErasureService/GetErasure",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.ErasureService/ListErasures",
        PersonalRead,
    ),
    ("happypath.identity.v1.ErasureService/Suppress", Change),
    ("happypath.identity.v1.ErasureService/Unsuppress", Change),
    ("happypath.identity.v1.IdentityService/AdvanceClock", Order),
    (
        "happypath.identity.v1.IdentityService/GetCustomer",
        PersonalRead,
    ),
    ("happypath.identity.v1.IdentityService/Ingest", Event),
    ("happypath.identity.v1.IdentityService/IngestStream", Event),
    (
        "happypath.identity.v1.IdentityService/ListCustomers",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.IdentityService/ListEvents",
        PersonalRead,
    ),
    (
        "happypath.identity.v1.IdentityService/MergeCustomers",
        Change,
    ),
    (
        "happypath.identity.v1.ResolutionService/ExplainIdentity",
        PersonalRead,
    ),
    ("happypath.identity.v1.ResolutionService/Identify", Event),
    ("happypath.identity.v1.ResolutionService/Link", Change),
    (
        "happypath.identity.v1.ResolutionService/ListHistory",
        PersonalRead,
    ),
    ("happypath.identity.v1.ResolutionService/Resolve", Other),
    (
        "happypath.identity.v1.ResolutionService/ResolveStream",
        Other,
    ),
    ("happypath.identity.v1.ResolutionService/Simulate", Other),
    (
        "happypath.identity.v1.ResolutionService/UnmergeCustomers",
        Change,
    ),
    (
        "happypath.journey.v1.JourneyService/GetCustomerJourneys",
        PersonalRead,
    ),
    ("happypath.journey.v1.JourneyService/GetFlow", Other),
    ("happypath.journey.v1.JourneyService/GetMapFlow", Other),
    (
        "happypath.journey.v1.JourneyService/MeasureHappyPath",
        Other,
    ),
    (
        "happypath.segmentation.v1.SegmentationService/CheckExpression",
        Other,
    ),
    (
        "happypath.segmentation.v1.SegmentationService/ExplainMembership",
        PersonalRead,
    ),
    (
        "happypath.segmentation.v1.SegmentationService/GetProfile",
        PersonalRead,
    ),
    (
        "happypath.segmentation.v1.SegmentationService/ListEventNames",
        Other,
    ),
    (
        "happypath.segmentation.v1.SegmentationService/ListSegments",
        Other,
    ),
];

/// Returns the class of a call by its path, such as
/// `/happypath.identity.v1.IdentityService/GetCustomer`. One that the contracts do not
/// have is another one.
pub fn class_of(path: &str) -> Class {
    let name = path.strip_prefix('/').unwrap_or(path);
    let found = CLASSES.binary_search_by(|(own, _)| own.cmp(&name));
    found.map_or(Other, |place| CLASSES[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_contracts_has_one_class() {
        let services = proto::DESCRIPTORS.services();
        let ours = services.filter(|it| it.package_name().starts_with("happypath."));
        let mut found: Vec<String> = ours
            .flat_map(|it| it.methods().collect::<Vec<_>>())
            .map(|it| format!("{}/{}", it.parent_service().full_name(), it.name()))
            .collect();
        found.sort();
        let known: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, known, "give every call a class, in order");
    }

    /// The field of a request or answer by which it names a customer.
    const NAMES: [&str; 3] = ["customer_id", "customer_ids", "customer"];

    #[test]
    fn a_call_that_names_a_customer_is_on_record() {
        for service in proto::DESCRIPTORS.services() {
            for method in service.methods() {
                let input = method.input();
                let names = NAMES
                    .iter()
                    .any(|name| input.get_field_by_name(name).is_some());
                let path = format!("/{}/{}", service.full_name(), method.name());
                assert!(!names || class_of(&path) != Other, "{path}");
            }
        }
    }

    #[test]
    fn what_is_no_call_of_ours_is_another() {
        for path in ["", "/", "/grpc.health.v1.Health/Check", "/x/y/z"] {
            assert_eq!(class_of(path), Other, "{path}");
        }
    }
}
