//! Reads the calls of tracking SDKs: from the JSON that they send, in any of their dialects, to
//! events of the contracts, and the answers that they wait for. Pure.
//!
//! It decides nothing about customers, which identity does, and knows no HTTP.

mod answer;
mod blame;
mod call;
mod draft;
mod facts;
mod json;
mod letter;
pub mod limits;
mod posthog;
mod reason;
mod route;
mod segment;
mod settings;
mod source;
mod text;
mod time;

pub use answer::{Answer, Denial};
pub use blame::fault_of;
pub use call::{Call, CallFault, Circumstances, Readable, Reading, Verdict, reread};
pub use letter::{Fault, Letter};
pub use reason::{Reason, Unit};
pub use route::{Dialect, Kind, Route};
pub use settings::settings;
pub use source::{ANONYMOUS_NAMESPACE, IDENTIFIER_TRAIT, SourceFault, SourceRules, USER_NAMESPACE};
pub use text::Text;
