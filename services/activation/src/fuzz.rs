//! Checks of answers, whatever a destination says: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

pub use crate::deliverer::fuzz::answer;
