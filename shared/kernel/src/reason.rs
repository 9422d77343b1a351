//! Reason codes: why something was done, or was not.
//!
//! One list for all services; every transition and every decision not to act carries one.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal;)+) => {
        /// The reason that something was done, or was not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code, as answers and counters carry it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Returns its meaning, with the remedy where there is one.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// The reason of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// A run started.
    Entered = "ENTERED";
    /// The entry's condition did not hold.
    FilterNotMatched = "FILTER_NOT_MATCHED";
    /// The journey takes each customer (and key) once only.
    ReentryNever = "REENTRY_NEVER";
    /// An earlier run of the customer (and key) is still under way.
    ReentryActive = "REENTRY_ACTIVE";
    /// An earlier run ended too recently for the journey's cool-down.
    ReentryCooldown = "REENTRY_COOLDOWN";
    /// The event lacks the property that names the run; send it, or drop `key` from the entry.
    KeyMissing = "KEY_MISSING";
    /// The event is older than the entry's `max_age`.
    EventTooOld = "EVENT_TOO_OLD";
    /// The customer has as many runs under way as one may have; after a merge, those that started
    /// last end. Let runs of one customer end sooner, or give journeys fewer keys.
    RunLimit = "RUN_LIMIT";
    /// As many ends of runs are kept of the customer as may be, so that this one could not be told
    /// from a repeated run; give the journey a cool-down, or a key with fewer values.
    ReentryLimit = "REENTRY_LIMIT";
    /// Properties of the event were left out of the run, because they take more room than a run
    /// has: later conditions and templates do not see them; send shorter ones.
    PropertyLimit = "PROPERTY_LIMIT";

    /// The run went on to the next step.
    Advanced = "ADVANCED";
    /// A wait was over.
    WaitDue = "WAIT_DUE";
    /// The event that was waited for came.
    WaitEvent = "WAIT_EVENT";
    /// The segment change that was waited for came.
    WaitSegment = "WAIT_SEGMENT";
    /// The awaited happening did not come in time.
    WaitTimeout = "WAIT_TIMEOUT";
    /// A branch's condition held.
    BranchMatched = "BRANCH_MATCHED";
    /// No condition of a branch held.
    BranchElse = "BRANCH_ELSE";
    /// A split assigned an arm.
    ArmAssigned = "ARM_ASSIGNED";
    /// An activation was asked for.
    ActivationRequested = "ACTIVATION_REQUESTED";
    /// A milestone was passed.
    MilestonePassed = "MILESTONE_PASSED";
    /// The run took more steps at once than one may; give its loop a wait.
    StepLimit = "STEP_LIMIT";

    /// The run came to the end of the journey.
    Completed = "COMPLETED";
    /// A goal was reached.
    GoalReached = "GOAL_REACHED";
    /// An exit rule applied.
    ExitRule = "EXIT_RULE";
    /// A newer run took its place.
    Replaced = "REPLACED";
    /// The customer was joined into another: it goes on there, or gave way to what that one had.
    MergedInto = "MERGED_INTO";
    /// Another customer was joined into this one, and brought it.
    Merged = "MERGED";
    /// It was another customer's, who came apart from this one again, and went with them.
    SplitOff = "SPLIT_OFF";
    /// A merge was undone, and it is with its customer again.
    Unmerged = "UNMERGED";
    /// The customer was erased.
    Erased = "ERASED";
    /// The step that the run was at is no longer defined.
    StepRemoved = "STEP_REMOVED";
    /// The journey was deleted.
    JourneyDeleted = "JOURNEY_DELETED";

    /// The customer came to a stage of a map.
    StageEntered = "STAGE_ENTERED";
    /// The stage that the customer was at, or its map, is no longer defined.
    StageRemoved = "STAGE_REMOVED";
    /// The customer reached a milestone of a happy path.
    MilestoneReached = "MILESTONE_REACHED";
    /// The customer left the happy path.
    Deviated = "DEVIATED";
    /// The customer has positions in as many maps as one may have, so this map is left out.
    PositionLimit = "POSITION_LIMIT";
    /// The customer is on as many happy paths as one may be, so this one is left out; make paths
    /// shorter.
    PathLimit = "PATH_LIMIT";
    /// The customer has more traits than there is room for, so some are not known here: in journeys
    /// those that no definition reads, and large ones, go first; send fewer or shorter ones.
    TraitLimit = "TRAIT_LIMIT";
    /// The customer is in more segments than there is room for, so a membership is not known here;
    /// use fewer segments in journeys, maps and happy paths.
    SegmentLimit = "SEGMENT_LIMIT";

    /// The activation was admitted and handed to its channel.
    SentToChannel = "SENT_TO_CHANNEL";
    /// The customer has not consented to the purpose.
    NoConsent = "NO_CONSENT";
    /// The customer is in the control group.
    Holdout = "HOLDOUT";
    /// The customer was sent as many messages as the policy allows in its window.
    FrequencyCap = "FREQUENCY_CAP";
    /// It became too late to send.
    Expired = "EXPIRED";
    /// The same activation was asked for before.
    Duplicate = "DUPLICATE";
    /// The channel is not defined.
    UnknownChannel = "UNKNOWN_CHANNEL";
    /// The template is not defined.
    UnknownTemplate = "UNKNOWN_TEMPLATE";
    /// The template could not be rendered for this customer.
    TemplateError = "TEMPLATE_ERROR";
    /// The customer has as many pending activations as one may have, or they take as many bytes as
    /// they may; let journeys send less at once, and look for a destination that takes nothing.
    PendingLimit = "PENDING_LIMIT";
    /// The values that the template reads of the customer, or the text that it makes of it, is
    /// larger than one send may be; let the template read fewer values, or shorter ones.
    SendTooLarge = "SEND_TOO_LARGE";
    /// The customer has spoken about as many purposes and channels as one may; a grant beyond them
    /// is not taken, and a withdrawal counts for all that is not listed. Use fewer purposes.
    ConsentLimit = "CONSENT_LIMIT";

    /// The destination took it.
    Delivered = "DELIVERED";
    /// An attempt failed; another one follows.
    Retrying = "RETRYING";
    /// The destination refused it for good.
    ProviderRejected = "PROVIDER_REJECTED";
    /// Every attempt failed.
    DeadLetter = "DEAD_LETTER";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_code() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
        }
    }
}
