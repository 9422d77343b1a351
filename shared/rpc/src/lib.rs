//! The ground of every gRPC server and client of the suite: the field rules of the contracts,
//! errors with remedies, page tokens, safe retries, and the layers that trace, limit and protect
//! each call: its memory, its time, and others from its panics.
//!
//! Knows no service. The way in for a handler: [`validate`] the request, read its [`PageRequest`]
//! or run it under [`Idempotency`], and answer with a message or a [`Failure`].

mod call;
mod client;
mod deadline;
mod failure;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guard;
mod idempotency;
pub mod limits;
mod memory;
mod metrics;
mod page;
mod people;
pub mod properties;
mod rate;
mod reason;
mod relay;
mod rules;
mod server;
mod trace;
mod validate;
mod violation;
mod wire;

pub use call::call_name;
pub use client::{
    ClientOptions, NoConnection, Outgoing, PeerChannel, Presented, RelayChannel, Renewing,
    Resolver, connect, connect_relayed, connect_through, connect_with, secured_channel,
};
pub use deadline::Deadline;
pub use failure::{DOMAIN, Failure, omitted_violations};
pub use guard::{GuardLayer, GuardService};
pub use idempotency::Idempotency;
pub use memory::{Charge, Memory, Partial};
pub use metrics::code_name;
pub use page::PageRequest;
pub use people::explain;
pub use rate::{CallerOf, RateLayer, RateService};
pub use reason::ErrorReason;
pub use relay::SentCredential;
pub use server::{Arrival, Arrivals, HandsOn, STREAM, ServerLayer, ServerService};
pub use trace::TraceParent;
pub use validate::validate;
pub use violation::{Violation, Violations};
