//! The senders whose documented forms are known: definitions that can be copied and changed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use messages::DESCRIPTORS;
use messages::gateway::v1::{Source, WebhookReading};
use prost_reflect::DynamicMessage;

/// The names of the presets, each with its definition in YAML.
pub const PRESETS: [(&str, &str); 7] = [
    ("hubspot", include_str!("presets/hubspot.yaml")),
    ("intercom", include_str!("presets/intercom.yaml")),
    ("salesforce", include_str!("presets/salesforce.yaml")),
    (
        "salesforce_outbound",
        include_str!("presets/salesforce_outbound.yaml"),
    ),
    ("shopify", include_str!("presets/shopify.yaml")),
    ("standard", include_str!("presets/standard.yaml")),
    ("stripe", include_str!("presets/stripe.yaml")),
];

/// The preset that reads SOAP.
pub(super) const OUTBOUND: &str = "salesforce_outbound";

/// The presets, read once.
static READ: LazyLock<BTreeMap<&'static str, WebhookReading>> = LazyLock::new(|| {
    let read = PRESETS.into_iter();
    read.map(|(name, text)| (name, reading(text))).collect()
});

/// Returns a preset.
pub(super) fn find(name: &str) -> Option<&'static WebhookReading> {
    READ.get(name)
}

/// Reads the definition of a preset.
fn reading(yaml: &str) -> WebhookReading {
    let document: serde_json::Value =
        serde_saphyr::from_str(yaml).expect("a test reads all of them");
    let source = document.get("source").expect("a test reads all of them");
    let descriptor = DESCRIPTORS
        .get_message_by_name("happypath.gateway.v1.Source")
        .expect("the contract has sources");
    let message =
        DynamicMessage::deserialize(descriptor, source).expect("a test reads all of them");
    let source: Source = message.transcode_to().expect("the same message");
    source.webhook.expect("a test reads all of them")
}
