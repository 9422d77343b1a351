//! Changes of the log as consumers get them.

use kernel::Timestamp;
use proto::convert::timestamp;
use proto::gateway::v1::change::Kind;
use proto::gateway::v1::{
    AccountChange, ActivationChange, Change, ErasureChange, MembershipChange, MergeChange,
    PositionChange, TransitionChange, UnmergeChange,
};
use proto::stream::v1 as stored;
use proto::stream::v1::ChangeRecord;
use proto::stream::v1::change_record::Kind as Stored;
use uuid::Uuid;

/// Makes what consumers get of the change at a place of a log; `None` for one that was erased.
pub(crate) fn change_of(log: u64, row: u64, index: u32, change: &ChangeRecord) -> Option<Change> {
    let kind = match change.kind.as_ref()? {
        Stored::Membership(it) => Kind::Membership(membership(it)),
        Stored::Transition(it) => Kind::Transition(transition(it)),
        Stored::Position(it) => Kind::Position(position(it)),
        Stored::Activation(it) => Kind::Activation(activation(it)),
        Stored::MergedIntoId(id) => Kind::Merge(MergeChange {
            into_customer_id: text_of(id),
        }),
        Stored::SplitFromId(id) => Kind::Unmerge(UnmergeChange {
            from_customer_id: text_of(id),
        }),
        Stored::ErasedById(id) => Kind::Erasure(ErasureChange {
            operation_id: text_of(id),
        }),
        Stored::Account(it) => Kind::Account(AccountChange {
            account_id: text_of(&it.account_id),
            role: it.role.clone(),
            is_member: it.is_member,
            is_primary: it.is_primary,
        }),
    };
    Some(Change {
        id: id_of(log, row, index),
        time: Some(timestamp(Timestamp::from_millis(change.time_ms))),
        customer_id: text_of(&change.customer_id),
        kind: Some(kind),
    })
}

/// Names a change: by its place, which never changes, in a log that no other installation has.
fn id_of(log: u64, row: u64, index: u32) -> String {
    format!("{log:016x}-{row}-{index}")
}

/// An id as text; empty where the bytes are none.
fn text_of(id: &[u8]) -> String {
    Uuid::from_slice(id).map_or_else(|_| String::new(), |id| id.to_string())
}

fn membership(it: &stored::SegmentChange) -> MembershipChange {
    MembershipChange {
        segment: it.segment.clone(),
        version: it.version,
        is_member: it.entered,
        reason: reason_of(it.reason()).to_owned(),
    }
}

/// The reason of a membership, in the words of the contract.
fn reason_of(reason: stored::ChangeReason) -> &'static str {
    match reason {
        stored::ChangeReason::Unspecified => "",
        stored::ChangeReason::Event => "EVENT",
        stored::ChangeReason::Time => "TIME",
        stored::ChangeReason::Merge => "MERGE",
        stored::ChangeReason::Definition => "DEFINITION",
        stored::ChangeReason::Unmerge => "UNMERGE",
        stored::ChangeReason::Erasure => "ERASURE",
    }
}

fn transition(it: &stored::RunMoved) -> TransitionChange {
    TransitionChange {
        run_id: text_of(&it.run_id),
        journey: it.journey.clone(),
        version: it.version,
        from_step: it.from_step.clone(),
        to_step: it.to_step.clone(),
        outcome: it.outcome.clone(),
        reason: it.reason.clone(),
        visit: it.visit,
        is_holdout: it.is_holdout,
        detail: it.detail.clone(),
    }
}

fn position(it: &stored::MapMoved) -> PositionChange {
    PositionChange {
        journey_map: it.journey_map.clone(),
        version: it.version,
        from_stage: it.from_stage.clone(),
        to_stage: it.to_stage.clone(),
        reason: it.reason.clone(),
    }
}

fn activation(it: &stored::ActivationMoved) -> ActivationChange {
    ActivationChange {
        run_id: text_of(&it.run_id),
        visit: it.visit,
        journey: it.journey.clone(),
        step: it.step.clone(),
        channel: it.channel.clone(),
        template: it.template.clone(),
        purpose: it.purpose.clone(),
        status: it.status.clone(),
        reason: it.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Stored) -> Change {
        let record = ChangeRecord {
            customer_id: vec![7; 16].into(),
            time_ms: 1_500,
            kind: Some(kind),
        };
        change_of(0xab, 12, 3, &record).expect("a change")
    }

    #[test]
    fn a_change_has_its_place_as_its_id() {
        let change = of(Stored::MergedIntoId(vec![8; 16].into()));
        assert_eq!(change.id, "00000000000000ab-12-3");
        assert_eq!(change.customer_id, "07070707-0707-0707-0707-070707070707");
        assert_eq!(
            change.time.map(|time| (time.seconds, time.nanos)),
            Some((1, 500_000_000))
        );
        let into = "08080808-0808-0808-0808-080808080808".to_owned();
        let merge = MergeChange {
            into_customer_id: into,
        };
        assert_eq!(change.kind, Some(Kind::Merge(merge)));
        let longest = change_of(
            u64::MAX,
            u64::MAX,
            u32::MAX,
            &ChangeRecord {
                kind: Some(Stored::MergedIntoId(vec![8; 16].into())),
                ..ChangeRecord::default()
            },
        );
        assert!(longest.expect("a change").id.len() <= 60);
    }

    #[test]
    fn a_change_has_everything_that_its_record_has() {
        let membership = of(Stored::Membership(stored::SegmentChange {
            segment: "loyal".to_owned(),
            version: 4,
            entered: true,
            reason: stored::ChangeReason::Time.into(),
            time_ms: 9,
        }));
        let expected = MembershipChange {
            segment: "loyal".to_owned(),
            version: 4,
            is_member: true,
            reason: "TIME".to_owned(),
        };
        assert_eq!(membership.kind, Some(Kind::Membership(expected)));
        let account = of(Stored::Account(stored::AccountMembership {
            account_id: vec![8; 16].into(),
            role: "admin".to_owned(),
            is_member: true,
            is_primary: true,
        }));
        let expected = AccountChange {
            account_id: "08080808-0808-0808-0808-080808080808".to_owned(),
            role: "admin".to_owned(),
            is_member: true,
            is_primary: true,
        };
        assert_eq!(account.kind, Some(Kind::Account(expected)));
        let activation = of(Stored::Activation(stored::ActivationMoved {
            run_id: vec![1; 16].into(),
            visit: 2,
            status: "DELIVERED".to_owned(),
            ..stored::ActivationMoved::default()
        }));
        let Some(Kind::Activation(activation)) = activation.kind else {
            panic!("another kind");
        };
        assert_eq!(activation.run_id, "01010101-0101-0101-0101-010101010101");
        assert_eq!((activation.visit, &*activation.status), (2, "DELIVERED"));
        let position = of(Stored::Position(stored::MapMoved {
            journey_map: "shop".to_owned(),
            version: 1,
            to_stage: "in".to_owned(),
            ..stored::MapMoved::default()
        }));
        let Some(Kind::Position(position)) = position.kind else {
            panic!("another kind");
        };
        assert_eq!(
            (&*position.journey_map, &*position.to_stage),
            ("shop", "in")
        );
    }

    #[test]
    fn of_an_erased_change_there_is_nothing() {
        assert_eq!(change_of(1, 2, 3, &ChangeRecord::default()), None);
    }
}
