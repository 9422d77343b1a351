//! Scenarios over all services in one process, on stream time. There is nothing here but tests: see
//! `tests/sim`.
