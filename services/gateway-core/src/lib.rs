//! Reads the calls of tracking SDKs, posts of `CloudEvents` and webhooks: from what they send, in
//! any of their dialects, to events of the contracts, and the answers that they wait for. Pure.
//!
//! It decides nothing about customers, which identity does, and knows no HTTP.

mod answer;
mod blame;
mod call;
mod cloud_events;
mod draft;
mod facts;
mod json;
mod letter;
pub mod limits;
mod mapping;
mod posthog;
mod reason;
mod route;
mod segment;
mod settings;
mod source;
mod text;
mod time;
mod webhook;

pub use answer::{Answer, Denial};
pub use blame::fault_of;
pub use call::{Call, CallFault, Circumstances, Readable, Reading, Verdict, reread};
pub use cloud_events::{CLOUD_EVENTS_PATH, CloudEvents, Format, Post};
pub use letter::{Fault, Letter};
pub use mapping::{Mapped, Mappings, Thing};
pub use reason::{Reason, Unit};
pub use route::{Dialect, Kind, Route};
pub use settings::settings;
pub use source::{SourceFault, SourceRules};
pub use text::Text;
pub use webhook::{
    PRESETS, SignatureFault, WEBHOOK_PATH, Webhook, WebhookCall, WebhookPost, reread_webhook,
};
