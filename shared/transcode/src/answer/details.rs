//! The details of a status, as JSON.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Any;
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic_types::StatusExt as _;

/// The types of details that the standard has.
static TYPES: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .expect("the library brings its own descriptors")
});

/// The details of a status, each as JSON with its `@type`.
pub(super) fn for_rest(status: &Status) -> Vec<Value> {
    let details = all(status).into_iter();
    let told = details.map(|detail| {
        let mut told = Map::new();
        told.insert("@type".to_owned(), Value::from(detail.type_url.as_str()));
        match read(&detail) {
            Some(Value::Object(fields)) => told.extend(fields),
            _ => {
                told.insert("value".to_owned(), STANDARD.encode(&detail.value).into());
            }
        }
        Value::Object(told)
    });
    told.collect()
}

/// The details of a status as Connect tells them: their bytes, and what they say beside.
///
/// <https://connectrpc.com/docs/protocol#error-end-stream>
pub(super) fn for_connect(status: &Status) -> Vec<Value> {
    let details = all(status).into_iter();
    let told = details.map(|detail| {
        let mut told = json!({
            "type": type_name(&detail),
            "value": STANDARD_NO_PAD.encode(&detail.value),
        });
        if let Some(debug) = read(&detail) {
            told["debug"] = debug;
        }
        told
    });
    told.collect()
}

/// Seconds after which another try may work, rounded up.
pub(super) fn retry_after(status: &Status) -> Option<u64> {
    let details = status.get_error_details();
    let delay: Duration = details.retry_info()?.retry_delay?;
    Some(delay.as_secs() + u64::from(delay.subsec_nanos() > 0))
}

/// The reason of a status.
pub(super) fn reason(status: &Status) -> Option<String> {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone())
}

fn all(status: &Status) -> Vec<Any> {
    tonic_types::Status::decode(status.details())
        .map(|status| status.details)
        .unwrap_or_default()
}

fn type_name(detail: &Any) -> &str {
    detail.type_url.rsplit('/').next().unwrap_or_default()
}

fn read(detail: &Any) -> Option<Value> {
    let descriptor = TYPES.get_message_by_name(type_name(detail))?;
    let message = DynamicMessage::decode(descriptor, detail.value.as_slice()).ok()?;
    serde_json::to_value(&message).ok()
}
