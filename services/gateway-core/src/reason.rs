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

            /// Its text in statistics, dead letters and metrics.
            pub const fn as_str(self) -> &'static str {
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
    /// It is no object, or a field of it has a form that it cannot have.
    MalformedEvent = "MALFORMED_EVENT", Event;
    /// Its type is none that is known here.
    UnknownType = "UNKNOWN_TYPE", Event;
    /// It has no name.
    NoName = "NO_NAME", Event;
    /// It names nobody.
    NoIdentifier = "NO_IDENTIFIER", Event;
    /// Its time is none, or lies where no event can be.
    MalformedTime = "MALFORMED_TIME", Event;
    /// It is larger than an event may be.
    EventTooLarge = "EVENT_TOO_LARGE", Event;
    /// Identity did not take it, as for a namespace that is not there.
    EventRefused = "EVENT_REFUSED", Event;
    /// It names no person and changes none, as the update of a group does.
    NothingToTake = "NOTHING_TO_TAKE", Event;
    /// It was a dead letter that gave way, since its source has too many.
    DeadLetterDropped = "DEAD_LETTER_DROPPED", Event;
    /// Its body is no JSON, no UTF-8, or not compressed as it says.
    MalformedCall = "MALFORMED_CALL", Call;
    /// Its body is larger than a call may be, or holds too many events.
    CallTooLarge = "CALL_TOO_LARGE", Call;
    /// Its body did not come in time.
    CallTooSlow = "CALL_TOO_SLOW", Call;
    /// Its key is missing, unknown, or not one of a source.
    KeyRefused = "KEY_REFUSED", Call;
    /// Its web page is not of an origin that may send.
    OriginRefused = "ORIGIN_REFUSED", Call;
    /// Its sender sent more than they may.
    RateLimited = "RATE_LIMITED", Call;
    /// It could not be taken at that moment, and its sender was told to send it again.
    Unavailable = "UNAVAILABLE", Call;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_text() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_text(reason.as_str()), Some(*reason));
            // Counters stand in the order of the list.
            assert_eq!(*reason as usize, place);
            let is_right = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            assert!(reason.as_str().bytes().all(is_right), "{reason:?}");
        }
        assert_eq!(Reason::from_text("NO_SUCH_REASON"), None);
        assert_eq!(Reason::Accepted.unit(), Unit::Event);
        assert_eq!(Reason::KeyRefused.unit(), Unit::Call);
    }
}
