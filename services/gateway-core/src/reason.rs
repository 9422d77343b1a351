//! The outcomes of what senders send: one list, by which events and calls are counted and dead
//! letters are found.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $unit:ident;)+) => {
        /// The outcome of an event, or of a call whose events could not be read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in statistics, dead letters and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The unit in which it counts.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)+ }
            }

            /// The reason of a text.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

impl Reason {
    /// Returns whether an event with this reason is kept as a dead letter: not where its person is
    /// to be forgotten.
    pub const fn is_kept(self) -> bool {
        !matches!(self, Self::Erased | Self::Suppressed)
    }
}

/// The unit in which a reason counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Events.
    Event,
    /// Calls of which no event was read.
    Call,
}

reasons! {
    /// It was taken.
    Accepted = "ACCEPTED", Event;
    /// It is no event: a field is missing, or of the wrong kind.
    MalformedEvent = "MALFORMED_EVENT", Event;
    /// Its bytes are no UTF-8.
    BadText = "BAD_TEXT", Event;
    /// Its `type` is none that is known.
    UnknownType = "UNKNOWN_TYPE", Event;
    /// It names nobody.
    NoIdentifier = "NO_IDENTIFIER", Event;
    /// Its time cannot be read, or cannot be right.
    BadTime = "BAD_TIME", Event;
    /// It is larger than an event may be.
    EventTooLarge = "EVENT_TOO_LARGE", Event;
    /// It carries another write key than its call.
    OtherKey = "OTHER_KEY", Event;
    /// Identity refuses it for another reason.
    Refused = "REFUSED", Event;
    /// It said something of a group, and of nobody: versions before accounts dropped it.
    GroupWithoutPerson = "GROUP_WITHOUT_PERSON", Event;
    /// It was sent again as a dead letter that is not whole, and nothing was given in its place.
    PayloadCut = "PAYLOAD_CUT", Event;
    /// It was a dead letter that gave way to newer ones, since its source has too many.
    DeadLetterDropped = "DEAD_LETTER_DROPPED", Event;
    /// A call that could not be read.
    MalformedCall = "MALFORMED_CALL", Call;
    /// A call that was too large, or had too many events.
    CallTooLarge = "CALL_TOO_LARGE", Call;
    /// A call that took too long to arrive.
    SlowCall = "SLOW_CALL", Call;
    /// A call without a key.
    KeyMissing = "KEY_MISSING", Call;
    /// A call whose key is not known, or has ended.
    KeyInvalid = "KEY_INVALID", Call;
    /// A call whose key may not send events.
    KeyScope = "KEY_SCOPE", Call;
    /// A call from a web page that may not send for its source.
    OriginRefused = "ORIGIN_REFUSED", Call;
    /// A call that came while there was no room, and was asked to come again.
    Overloaded = "OVERLOADED", Call;
    /// A call that came while something did not answer, and was asked to come again.
    Unavailable = "UNAVAILABLE", Call;
    /// A thing of a webhook for which its source has no mapping. It is left out.
    NotMapped = "NOT_MAPPED", Event;
    /// A post of a webhook that is not signed, or not by its sender.
    BadSignature = "BAD_SIGNATURE", Call;
    /// A post of a webhook that was signed too long ago, or in the future.
    StaleSignature = "STALE_SIGNATURE", Call;
    /// A post of a webhook to a source that takes none.
    NoWebhook = "NO_WEBHOOK", Call;
    /// It is of somebody who was erased after it happened. It is dropped, and nothing of it is
    /// kept.
    Erased = "ERASED", Event;
    /// It is of somebody whose events are not to be processed. It is dropped, and nothing of it is
    /// kept.
    Suppressed = "SUPPRESSED", Event;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_text() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_text(reason.code()), Some(*reason));
            // Counters stand in the order of the list.
            assert_eq!(*reason as usize, place);
            let is_right = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            assert!(reason.code().bytes().all(is_right), "{reason:?}");
        }
        assert_eq!(Reason::from_text("NO_SUCH_REASON"), None);
        assert_eq!(Reason::Accepted.unit(), Unit::Event);
        assert_eq!(Reason::KeyMissing.unit(), Unit::Call);
    }
}
