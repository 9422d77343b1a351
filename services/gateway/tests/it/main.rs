//! The gateway as a process of its own, over loopback: in front of services that are played here,
//! so that all that reaches them is seen, and in front of real ones.

mod changes;
mod definitions;
mod forwarding;
mod openings;
mod played;
mod process;
mod refusals;
mod replicas;
mod schema;
mod senders;
mod subscriptions;
mod web;
mod webhooks;
