//! Limits of the engine, each with its reason.
