//! The reasons for which calls fail: one list for the whole suite, with a remedy each.

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $code:ident, $remedy:literal;)+) => {
        /// The reason why a call failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorReason {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason as `ErrorInfo` carries it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The status code that goes with it.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)+ }
            }

            /// Returns what the caller can do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }

            /// The reason of a text in `ErrorInfo`.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The request breaks rules of its contract.
    InvalidRequest = "INVALID_REQUEST", InvalidArgument,
        "Correct every field that is listed and send the request again.";
    /// The call has no credential.
    CredentialMissing = "CREDENTIAL_MISSING", Unauthenticated,
        "Send a key or a token as `authorization: Bearer …`. `happypath login` keeps one for the command line, and `happypath keys create` makes one.";
    /// The credential is not one of this installation, or cannot be read.
    CredentialInvalid = "CREDENTIAL_INVALID", Unauthenticated,
        "Send a key of this installation, or a token of an issuer that its operators have named. `happypath login` replaces what the command line sends.";
    /// The credential was good, and is no longer.
    CredentialExpired = "CREDENTIAL_EXPIRED", Unauthenticated,
        "Send a new one: `happypath keys rotate` gives a key another secret, and its issuer another token. A connection that outlives its certificate has to be opened again.";
    /// The credential cannot be checked at this moment.
    CredentialUnchecked = "CREDENTIAL_UNCHECKED", Unavailable,
        "Send the same request again after the delay; if it lasts, check the database, or the issuer of the token.";
    /// The caller is known, and lacks the scope of the method.
    ScopeMissing = "SCOPE_MISSING", PermissionDenied,
        "Use a credential with the scope that is named; who has the scope keys:write gives one with `happypath keys create NAME --scope SCOPE`.";
    /// The contract of the method lets nobody call it.
    MethodClosed = "METHOD_CLOSED", PermissionDenied,
        "Report it: the contract of the method has to name a scope.";
    /// A key would be given more than its giver has.
    ScopeNotHeld = "SCOPE_NOT_HELD", PermissionDenied,
        "Leave out the scopes that are named, or use a credential that has them.";
    /// The key is not there.
    KeyNotFound = "KEY_NOT_FOUND", NotFound,
        "List the keys to find its id: `happypath keys list`.";
    /// Another key has this id.
    KeyExists = "KEY_EXISTS", AlreadyExists,
        "Make another key: an id is random, and never used twice.";
    /// The key was revoked.
    KeyRevoked = "KEY_REVOKED", FailedPrecondition,
        "Create another key: one that was revoked never comes back.";
    /// The installation has as many keys as it may.
    KeyLimit = "KEY_LIMIT", FailedPrecondition,
        "Revoke keys that nobody uses: those that ended are removed after 90 days.";
    /// The page token belongs to another request, or was altered.
    PageTokenInvalid = "PAGE_TOKEN_INVALID", InvalidArgument,
        "Start again without a page token, and keep the other fields the same from page to page.";
    /// The position is not one of this installation.
    PositionInvalid = "POSITION_INVALID", InvalidArgument,
        "Pass on the position of an answer of this installation as it came, or leave it empty to read what is there now.";
    /// A write that is asked for is not there yet.
    PositionNotReached = "POSITION_NOT_REACHED", Unavailable,
        "Send the same request again after the delay, or with a longer deadline; leave the position empty to read what is there now. If it lasts, `happypath status` shows which service is away or behind.";
    /// The request id was used before with another body.
    RequestIdReused = "REQUEST_ID_REUSED", FailedPrecondition,
        "Use a new request_id for a new request; keep the old one only to repeat exactly the same request.";
    /// The same request is being carried out at this moment.
    RequestInProgress = "REQUEST_IN_PROGRESS", Aborted,
        "Send the same request again, with the same request_id, after the delay.";
    /// A definition of the request does not hold together.
    DefinitionInvalid = "DEFINITION_INVALID", InvalidArgument,
        "Correct every mistake that is listed; nothing of the request was applied.";
    /// Another definition refers to this one.
    DefinitionInUse = "DEFINITION_IN_USE", FailedPrecondition,
        "Change or delete the definitions that refer to it first.";
    /// The definition changed while this request was carried out.
    DefinitionContended = "DEFINITION_CONTENDED", Aborted,
        "Send the same request again.";
    /// Another version of the definition is in force than the request expects.
    EtagMismatch = "ETAG_MISMATCH", Aborted,
        "Read the definition again, make the change to what it is now, and send it with the new etag.";
    /// The definition is not there.
    DefinitionNotFound = "DEFINITION_NOT_FOUND", NotFound,
        "List the definitions to find its name; names are in lower case.";
    /// This process does not own definitions of that kind.
    DefinitionKindNotServed = "DEFINITION_KIND_NOT_SERVED", FailedPrecondition,
        "Send it to the service that owns the kind: identity owns namespaces; segmentation segments; journey maps, happy paths and journeys; activation channels, templates and policies; gateway sources and subscriptions.";
    /// The customer is not known.
    CustomerNotFound = "CUSTOMER_NOT_FOUND", NotFound,
        "Check the id or identifier; a customer exists once an event of theirs was ingested.";
    /// The account is not known.
    AccountNotFound = "ACCOUNT_NOT_FOUND", NotFound,
        "Check the id or identifier; an account exists once PutAccount or an event in its context named it.";
    /// The id is that of an account, and the call is about customers.
    IsAccount = "IS_ACCOUNT", NotFound,
        "Call AccountService/GetAccount for the account, AccountService/ListMembers for the customers who belong to it, and SegmentationService/GetProfile for its traits.";
    /// The id is that of a customer, and the call is about accounts.
    IsCustomer = "IS_CUSTOMER", NotFound,
        "Call IdentityService/GetCustomer for the customer, and AccountService/ListMemberships for the accounts that they belong to.";
    /// The membership is not there.
    MembershipNotFound = "MEMBERSHIP_NOT_FOUND", NotFound,
        "List the members of the account or the memberships of the customer to find its id: ListMembers, ListMemberships.";
    /// The buying group is not there.
    BuyingGroupNotFound = "BUYING_GROUP_NOT_FOUND", NotFound,
        "List the buying groups to find its id: ListBuyingGroups.";
    /// The customer or the account has as many memberships as it may.
    MembershipLimit = "MEMBERSHIP_LIMIT", ResourceExhausted,
        "Merge accounts that are one and the same. Memberships that ended count too, since lists of earlier times have them.";
    /// The account has as many buying groups as it may.
    BuyingGroupLimit = "BUYING_GROUP_LIMIT", ResourceExhausted,
        "Delete buying groups of opportunities that are over: ListBuyingGroups, DeleteBuyingGroup.";
    /// Somebody who should fill a role does not belong to the account.
    NotAMember = "NOT_A_MEMBER", FailedPrecondition,
        "Say first that the customers who are named are members, with PutMembership, or leave them out.";
    /// There was no such erasure.
    ErasureNotFound = "ERASURE_NOT_FOUND", NotFound,
        "List the erasures to find its operation id: `happypath identity erasures`.";
    /// Nothing of the customer was processed here yet.
    ProfileNotFound = "PROFILE_NOT_FOUND", NotFound,
        "Check the id of the customer or account, and try again once events of it were processed.";
    /// The segment is not defined.
    SegmentNotFound = "SEGMENT_NOT_FOUND", NotFound,
        "List the segments to find its name.";
    /// The journey, or that version of it, is not defined.
    JourneyNotFound = "JOURNEY_NOT_FOUND", NotFound,
        "List the definitions of kind DEFINITION_KIND_JOURNEY to find its name.";
    /// The journey map is not defined.
    MapNotFound = "MAP_NOT_FOUND", NotFound,
        "List the definitions of kind DEFINITION_KIND_JOURNEY_MAP to find its name.";
    /// The happy path is not defined.
    HappyPathNotFound = "HAPPY_PATH_NOT_FOUND", NotFound,
        "List the definitions of kind DEFINITION_KIND_HAPPY_PATH to find its name.";
    /// This process does not run that service.
    ServiceNotFound = "SERVICE_NOT_FOUND", NotFound,
        "Ask the process that runs the service, or leave the service empty.";
    /// The expression has mistakes.
    ExpressionInvalid = "EXPRESSION_INVALID", InvalidArgument,
        "Correct the expression at the line and column that are named; CheckExpression lists every mistake.";
    /// The template cannot be rendered.
    TemplateInvalid = "TEMPLATE_INVALID", InvalidArgument,
        "Correct the template at the line that is named; PreviewTemplate shows what it gives.";
    /// The deployment keeps no event log.
    EventLogAbsent = "EVENT_LOG_ABSENT", FailedPrecondition,
        "Run the deployment at the durability level `journal`, which keeps every event from then on.";
    /// The installation runs on the wall clock.
    ClockNotVirtual = "CLOCK_NOT_VIRTUAL", FailedPrecondition,
        "Start the installation on stream time to move its clock, as the demo does.";
    /// The virtual clock only moves forward.
    ClockBackwards = "CLOCK_BACKWARDS", FailedPrecondition,
        "Ask for a time that is not before the current one.";
    /// The services behind are slower than the sender.
    StreamFull = "STREAM_FULL", ResourceExhausted,
        "Send the same request again after the delay; nothing of it was taken.";
    /// Another call changed dead letters that this one was about.
    DeadLettersContended = "DEAD_LETTERS_CONTENDED", Aborted,
        "Send the same request again: what was taken of it counts once.";
    /// A partition waits for room in the quarantine of a service.
    QuarantineFull = "QUARANTINE_FULL", ResourceExhausted,
        "Send the same request again after the delay; nothing of it was taken. An operator has to make room: `happypath quarantine SERVICE list` shows what could not be processed, and `retry` and `discard` take it out.";
    /// The messages under way take all the memory that is set aside for them.
    MemoryFull = "MEMORY_FULL", ResourceExhausted,
        "Send the same request again after the delay; nothing of it was taken. If it lasts, send smaller requests, fewer at once, or give the process more with `--message-memory-mib`.";
    /// The consequences of the events before these are still under way.
    ReceiptsPending = "RECEIPTS_PENDING", Unavailable,
        "Send the same request again after the delay, or with a longer deadline: with the same request_id, or source and sequences, what was taken is not taken again. If it lasts, `happypath status` shows what does not go on; a destination that does not answer holds events up too.";
    /// Concurrent changes to the same customers won every attempt.
    IdentityContended = "IDENTITY_CONTENDED", Aborted,
        "Send the same request again.";
    /// The customers cannot become one.
    MergeRefused = "MERGE_REFUSED", FailedPrecondition,
        "Merge fewer customers, or raise the limit of the namespace that stands in the way.";
    /// Nothing of what an unmerge names holds the customer together.
    EvidenceNotFound = "EVIDENCE_NOT_FOUND", NotFound,
        "Find what holds the customer together: ListHistory names the operations, ExplainIdentity the fragments, identifiers and events.";
    /// There is nothing to take apart.
    UnmergeRefused = "UNMERGE_REFUSED", FailedPrecondition,
        "Name another operation, fragment, identifier or event: this customer has nothing beside it.";
    /// The customer has spoken about as many purposes and channels as are kept.
    ConsentLimit = "CONSENT_LIMIT", FailedPrecondition,
        "Use a purpose and channel that GetConsent lists, or an empty channel, which stands for all; withdrawals are always taken.";
    /// A store does not answer.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable,
        "Send the same request again after the delay; if it lasts, check the database and the hot store.";
    /// Another service does not answer.
    PeerUnavailable = "PEER_UNAVAILABLE", Unavailable,
        "Send the same request again after the delay; if it lasts, check the address and health of the service that is named.";
    /// An act cannot be put on record.
    AuditUnavailable = "AUDIT_UNAVAILABLE", Unavailable,
        "Send the same request again after the delay; nothing was shown or changed. If it lasts, check the database: what cannot be put on record is not done.";
    /// As many exports of the audit log are under way as may be.
    AuditExportsBusy = "AUDIT_EXPORTS_BUSY", ResourceExhausted,
        "Send the same request again after the delay, once another export has ended.";
    /// The log of changes does not have a position.
    ChangesOutOfRange = "CHANGES_OUT_OF_RANGE", OutOfRange,
        "Begin again: with `from_start` for the changes that are kept, or without a position for what changes from now on. Read the state of what you keep anew, since changes are missing; `GetChangeLog` tells how far the log goes.";
    /// The installation keeps no changes.
    ChangesNotKept = "CHANGES_NOT_KEPT", FailedPrecondition,
        "Set `change_retention` to a time such as 7d at every service and start them again: changes are kept from then on.";
    /// The subscription is not defined.
    SubscriptionNotFound = "SUBSCRIPTION_NOT_FOUND", NotFound,
        "List the subscriptions to find its name: `happypath subscriptions list`.";
    /// As many streams of changes are open as may be.
    WatchesBusy = "WATCHES_BUSY", ResourceExhausted,
        "End streams that nobody reads, or share one among several consumers, and send the same request again after the delay.";
    /// Nothing was read of a stream of changes for too long.
    WatchNotRead = "WATCH_NOT_READ", Aborted,
        "Come back with the last position and read on: nothing is missed. A consumer that is slow keeps what it gets, and works on it beside reading.";
    /// The caller has made more calls than it may.
    RateLimited = "RATE_LIMITED", ResourceExhausted,
        "Send the same request again after the delay, and fewer calls at once: many events fit into one request or a stream. An operator can raise `caller_rate`.";
    /// A secret is sealed with a key that this process does not have.
    SecretSealed = "SECRET_SEALED", FailedPrecondition,
        "Add the key that is named to the file of `secret_keys` of this process, and keep old keys there until `happypath secrets rotate` has replaced them.";
    /// The process has no keys for secrets.
    SecretKeysAbsent = "SECRET_KEYS_ABSENT", FailedPrecondition,
        "Start the process that owns the channels with `secret_keys`, a file of keys.";
    /// The process is going down.
    ShuttingDown = "SHUTTING_DOWN", Unavailable,
        "Send the same request again; another replica takes it.";
    /// The deadline of the caller passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded,
        "Allow more time, or ask for less at once. A change may have taken effect: repeat it with the same request_id.";
    /// The record of the customer is damaged.
    CustomerDamaged = "CUSTOMER_DAMAGED", DataLoss,
        "Report the customer and the trace id to the operators: at level journal, happypath rebuild restores what is kept of them.";
    /// A fault of ours.
    Internal = "INTERNAL", Internal,
        "Try once more; if it fails again, report the trace id to the operators.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_text_and_has_a_remedy() {
        for reason in ErrorReason::ALL {
            assert_eq!(ErrorReason::from_text(reason.as_str()), Some(*reason));
            assert!(reason.remedy().ends_with('.'), "{reason:?}");
            assert_ne!(reason.code(), Code::Ok);
        }
        assert_eq!(ErrorReason::from_text("NO_SUCH_REASON"), None);
    }
}
