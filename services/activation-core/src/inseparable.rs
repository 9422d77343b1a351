//! What an unmerge cannot take apart, for people who are about to undo a merge.

use std::fmt;

use decision::{Split, limits::FRAGMENTS};

use crate::limits;
use crate::state::{MissingPart, State};

/// Something that stays as it is when fragments leave a customer, though it would be another way had
/// they never been joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inseparable {
    /// Whatever was decided while they were one.
    Decisions,
    /// Activations of those who leave with an attempt under way.
    Attempts {
        /// The number of them.
        activations: usize,
    },
    /// A withdrawal that counts for more than was said.
    UnlistedWithdrawal,
    /// Words that do not count any more, for which there was no room.
    ForgottenWords,
    /// Sends that were forgotten because newer ones were as many as are kept.
    ForgottenSends,
    /// The fragments beyond those that are told apart.
    SharedOrdinal,
}

impl Inseparable {
    /// Returns the code that names it, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Decisions => "ACTIVATION_DECISIONS",
            Self::Attempts { .. } => "ACTIVATION_ATTEMPTS",
            Self::UnlistedWithdrawal => "ACTIVATION_UNLISTED_WITHDRAWAL",
            Self::ForgottenWords => "ACTIVATION_FORGOTTEN_WORDS",
            Self::ForgottenSends => "ACTIVATION_FORGOTTEN_SENDS",
            Self::SharedOrdinal => "ACTIVATION_SHARED_ORDINAL",
        }
    }
}

impl fmt::Display for Inseparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decisions => f.write_str(
                "Messages that were sent, and those that consent or the frequency cap held back, while the customers were one, stay so.",
            ),
            Self::Attempts { activations } => write!(
                f,
                "{activations} messages are being delivered: they stay with the customer who stays, and end there.",
            ),
            Self::UnlistedWithdrawal => f.write_str(
                "Consent was withdrawn for more than there was room to list: it stays withdrawn for both customers.",
            ),
            Self::ForgottenWords => f.write_str(
                "There are as many words of consent as are kept: the oldest that another fragment's word replaced may be forgotten.",
            ),
            Self::ForgottenSends => f.write_str(
                "There are as many sends as are kept for frequency caps: older ones are forgotten, and count for neither customer.",
            ),
            Self::SharedOrdinal => f.write_str(
                "The customer has more fragments than are told apart: what those beyond the 255th did goes with all of them.",
            ),
        }
    }
}

/// Lists what would stay joined in a customer. Nothing where nothing is known of anybody.
///
/// # Errors
/// [`MissingPart`] where what was said is not loaded.
pub fn inseparable(state: &State, split: &Split<'_>) -> Result<Vec<Inseparable>, MissingPart> {
    if state.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = vec![Inseparable::Decisions];
    let leaving = state.pending().iter();
    let leaving = leaving.filter(|own| own.in_flight && split.ordinal_of(own.ordinal).is_some());
    let activations = leaving.count();
    if activations > 0 {
        all.push(Inseparable::Attempts { activations });
    }
    let consents = state.consents()?;
    if consents.rest_withdrawn().is_some() {
        all.push(Inseparable::UnlistedWithdrawal);
    }
    if consents.iter().len() + consents.superseded().len() >= limits::CONSENTS {
        all.push(Inseparable::ForgottenWords);
    }
    if state.send_times().iter().len() >= limits::SEND_TIMES {
        all.push(Inseparable::ForgottenSends);
    }
    if split.ordinal_of(FRAGMENTS - 1).is_some() {
        all.push(Inseparable::SharedOrdinal);
    }
    Ok(all)
}
