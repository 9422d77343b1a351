//! Tests of segmentation's decisions through the engine's interface.

mod cases;
mod definitions;
mod harness;
mod merges;
mod oracle;
