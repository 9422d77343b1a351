//! The customer that a redirect is to lead to, once nothing is on the way to the one before.
//!
//! This does not send anything: `worker::redirect` does.

use kernel::CustomerId;
use messages::engine::state_v1 as stored;

use crate::head::id_bytes;
use crate::moving::text;

/// The customer that a redirect is to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextRedirect {
    /// Who that is.
    pub(crate) customer: CustomerId,
    /// Says that something was sent the way before, behind the mark that is on that way.
    pub(crate) has_sent: bool,
    /// Since which graph epoch the customer is part of that one; 0 where nobody knows.
    pub(crate) epoch: u64,
}

impl NextRedirect {
    pub(crate) fn read(message: &stored::NextRedirect) -> Result<Self, String> {
        Ok(Self {
            customer: CustomerId::try_from_bytes(&message.customer_id).map_err(text)?,
            has_sent: message.has_sent,
            epoch: message.graph_epoch,
        })
    }

    pub(crate) fn write(self) -> stored::NextRedirect {
        stored::NextRedirect {
            customer_id: id_bytes(self.customer),
            has_sent: self.has_sent,
            graph_epoch: self.epoch,
        }
    }
}
