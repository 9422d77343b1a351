//! Tests of segmentation's decisions through the engine's interface.

mod accounts;
mod apart;
mod cases;
mod changes;
mod definitions;
mod features;
mod harness;
mod lifetime;
mod merges;
mod names;
mod oracle;
mod repetitions;
mod traits;
mod unmerges;
