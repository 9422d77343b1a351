//! What must hold for whatever a destination answers: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

pub use crate::deliverer::fuzz::answer;
