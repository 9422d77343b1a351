//! An activation as it is posted to a webhook.

use bytes::Bytes;
use kernel::{ActivationId, CustomerId, Timestamp};
use proto::stream::v1::Delivery;
use serde_json::json;

/// One delivery, as it is told to the destination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) id: ActivationId,
    pub(super) customer: CustomerId,
    /// When the attempt was decided, in the time of the installation, which may be virtual.
    pub(super) time: Timestamp,
    pub(super) delivery: &'a Delivery,
}

impl Message<'_> {
    /// Returns the body of the post, JSON.
    pub(super) fn body(&self) -> Bytes {
        let delivery = self.delivery;
        let body = json!({
            "type": "activation",
            "timestamp": self.time.to_string(),
            "data": {
                "activation_id": self.id.to_string(),
                "customer_id": self.customer.to_string(),
                "journey": delivery.journey,
                "step": delivery.step,
                "channel": delivery.channel,
                "template": delivery.template,
                "subject": delivery.subject,
                "body": delivery.body,
            },
        });
        body.to_string().into()
    }
}
