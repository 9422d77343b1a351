//! Scenarios over whole processes; everything is under `tests/`.
