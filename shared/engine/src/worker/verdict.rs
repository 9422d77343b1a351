//! The word that a customer was joined into another, judged by what is known of the customer.

use kernel::CustomerId;
use messages::stream::v1::CustomerMerged;

use crate::head::{Head, id_bytes};

/// The answer to the word that a customer was joined into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It says nothing new.
    Known,
    /// The customer leaves for the survivor.
    Leave,
    /// Whoever took the customer in has left for the survivor.
    Repoint,
    /// Two other customers are to be joined: the younger one, which is told, and the older one.
    Join {
        younger: CustomerId,
        older: CustomerId,
    },
}

/// Judges the word that a customer was joined into another. Each word that this one causes is about
/// an older pair, so that all of them end.
pub(super) fn judge(
    customer: CustomerId,
    head: &Head,
    survivor: CustomerId,
    merged: &CustomerMerged,
) -> Verdict {
    // It was so before the customer came out of another.
    if head.is_before_split(merged.graph_epoch) {
        return Verdict::Known;
    }
    let is_news = !merged.repoints && merged.arrived_leave_id == 0;
    if is_news && merged.graph_epoch > 0 && merged.graph_epoch <= head.graph_epoch {
        // Something later has been acted upon.
        return Verdict::Known;
    }
    let repoints = merged.repoints;
    let is_of = |it: Option<CustomerId>| it.is_some_and(|it| merged.told_by_id == id_bytes(it));
    let before = head.next_redirect.map(|it| it.customer);
    if head.split_epoch() > 0
        && repoints
        && (merged.graph_epoch < head.told_epoch() || !is_of(head.redirect) && !is_of(before))
    {
        // It is told by somebody whom the customer is no longer part of.
        return Verdict::Known;
    }
    let next = head.next_redirect.map(|it| it.customer);
    let own = next.or(head.redirect).unwrap_or(customer);
    if survivor == customer || survivor == own || head.has_fragment(survivor) {
        return Verdict::Known;
    }
    let is_older = survivor < own;
    match head.redirect {
        None if is_older => Verdict::Leave,
        Some(_) if repoints && is_older => Verdict::Repoint,
        // It was told of a later move already.
        Some(_) if repoints => Verdict::Known,
        // The one that it was joined into is told too. It may be about to come out of that one.
        Some(_) if merged.graph_epoch > 0 || head.merge_epoch > 0 => Verdict::Known,
        _ => Verdict::Join {
            younger: survivor.max(own),
            older: survivor.min(own),
        },
    }
}
