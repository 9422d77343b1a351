//! Checks of arguments and files, whatever people write: for the fuzz targets of `tests/fuzz`, and
//! for nobody else.

pub use crate::commands::audit::fuzz::audit_line;
pub use crate::import::fuzz::{file, json_lines, json_values, separated};
use crate::import::value_fuzz;
use crate::{customer_key, when};

/// Reads a text as the values of arguments, and as a cell of a file.
///
/// # Panics
/// Where an instant is not what is written of it, or a refusal does not quote what it refuses.
pub fn arguments(text: &str) {
    if let Some(time) = when::parse_time(text) {
        let written = proto::convert::instant(&time);
        let again =
            when::parse_time(&written.to_string()).map(|time| proto::convert::instant(&time));
        assert_eq!(again, Some(written), "{text:?}");
        when::when(Some(&time));
    }
    value_fuzz::value(text);
    value_fuzz::instant(text);
    if let Err(refused) = customer_key::parse(text) {
        assert!(refused.to_string().contains(text));
    }
}
