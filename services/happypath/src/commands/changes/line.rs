//! A change on one line, for people.

use proto::gateway::v1::change::Kind;
use proto::gateway::v1::{
    AccountChange, ActivationChange, Change, MembershipChange, PositionChange, TransitionChange,
};

use crate::output::visible;
use crate::when::when;

/// Writes a change: when, for whom, and what.
pub(super) fn text_of(change: &Change) -> String {
    let (time, customer) = (when(change.time.as_ref()), &change.customer_id);
    visible(&format!("{time}  {customer}  {}", what(change)))
}

fn what(change: &Change) -> String {
    match &change.kind {
        Some(Kind::Membership(it)) => membership(it),
        Some(Kind::Transition(it)) => transition(it),
        Some(Kind::Position(it)) => position(it),
        Some(Kind::Activation(it)) => activation(it),
        Some(Kind::Merge(it)) => format!("is now part of {}", it.into_customer_id),
        Some(Kind::Unmerge(it)) => format!("is no longer part of {}", it.from_customer_id),
        Some(Kind::Erasure(it)) => format!("was erased ({})", it.operation_id),
        Some(Kind::Account(it)) => account(it),
        // A newer server knows more kinds than this program.
        None => "changed in a way that this version does not know".to_owned(),
    }
}

fn account(it: &AccountChange) -> String {
    let verb = if it.is_member { "joined" } else { "left" };
    let role = match it.role.as_str() {
        "" => String::new(),
        role => format!(" as {role}"),
    };
    format!("{verb} account {}{role}", it.account_id)
}

fn membership(it: &MembershipChange) -> String {
    let verb = if it.is_member { "entered" } else { "left" };
    format!("{verb} segment {} ({})", it.segment, it.reason)
}

fn transition(it: &TransitionChange) -> String {
    let journey = &it.journey;
    let moved = match (it.from_step.as_str(), it.to_step.as_str()) {
        ("", to) => format!("began journey {journey} at {to}"),
        (from, "") if it.outcome.is_empty() => format!("left journey {journey} at {from}"),
        (from, "") => format!("ended journey {journey} at {from}: {}", it.outcome),
        (from, to) => format!("moved in journey {journey} from {from} to {to}"),
    };
    let holdout = if it.is_holdout {
        ", in the control group"
    } else {
        ""
    };
    format!("{moved} ({}{holdout})", it.reason)
}

fn position(it: &PositionChange) -> String {
    let map = &it.journey_map;
    match (it.from_stage.as_str(), it.to_stage.as_str()) {
        ("", to) => format!("came to stage {to} of map {map}"),
        (from, "") => format!("left map {map} at stage {from}"),
        (from, to) => format!("moved in map {map} from {from} to {to}"),
    }
}

fn activation(it: &ActivationChange) -> String {
    let because = match it.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    format!(
        "activation {} of journey {} through {}: {}{because}",
        it.step, it.journey, it.channel, it.status
    )
}

#[cfg(test)]
mod tests {
    use proto::gateway::v1::MergeChange;

    use super::*;

    fn check(kind: Option<Kind>, expected: &str) {
        let change = Change {
            customer_id: "c".to_owned(),
            kind,
            ..Change::default()
        };
        assert_eq!(text_of(&change), format!("-  c  {expected}"));
    }

    #[test]
    fn a_change_of_a_segment_or_a_journey_is_told_in_a_sentence() {
        let membership = MembershipChange {
            segment: "loyal".to_owned(),
            is_member: true,
            reason: "EVENT".to_owned(),
            ..MembershipChange::default()
        };
        check(
            Some(Kind::Membership(membership)),
            "entered segment loyal (EVENT)",
        );
        let moved = |from: &str, to: &str| TransitionChange {
            journey: "welcome".to_owned(),
            from_step: from.to_owned(),
            to_step: to.to_owned(),
            outcome: "GOAL".to_owned(),
            reason: "WHY".to_owned(),
            ..TransitionChange::default()
        };
        for (from, to, expected) in [
            ("", "a", "began journey welcome at a (WHY)"),
            ("a", "b", "moved in journey welcome from a to b (WHY)"),
            ("b", "", "ended journey welcome at b: GOAL (WHY)"),
        ] {
            check(Some(Kind::Transition(moved(from, to))), expected);
        }
        let left = TransitionChange {
            outcome: String::new(),
            reason: "MERGED_INTO".to_owned(),
            ..moved("b", "")
        };
        let expected = "left journey welcome at b (MERGED_INTO)";
        check(Some(Kind::Transition(left)), expected);
    }

    #[test]
    fn a_change_of_a_stage_or_an_activation_is_told_in_a_sentence() {
        let placed = |from: &str, to: &str| PositionChange {
            journey_map: "shop".to_owned(),
            from_stage: from.to_owned(),
            to_stage: to.to_owned(),
            ..PositionChange::default()
        };
        for (from, to, expected) in [
            ("", "in", "came to stage in of map shop"),
            ("in", "out", "moved in map shop from in to out"),
            ("out", "", "left map shop at stage out"),
        ] {
            check(Some(Kind::Position(placed(from, to))), expected);
        }
        let activation = ActivationChange {
            journey: "welcome".to_owned(),
            step: "hello".to_owned(),
            channel: "mail\u{1b}".to_owned(),
            status: "FAILED".to_owned(),
            reason: "GONE".to_owned(),
            ..ActivationChange::default()
        };
        check(
            Some(Kind::Activation(activation)),
            "activation hello of journey welcome through mail\\u{1b}: FAILED (GONE)",
        );
    }

    #[test]
    fn a_change_of_identity_is_told_in_a_sentence() {
        let merge = MergeChange {
            into_customer_id: "d".to_owned(),
        };
        check(Some(Kind::Merge(merge)), "is now part of d");
        let account = |is_member: bool, role: &str| AccountChange {
            account_id: "a".to_owned(),
            role: role.to_owned(),
            is_member,
            ..AccountChange::default()
        };
        for (is_member, role, expected) in [
            (true, "", "joined account a"),
            (true, "admin", "joined account a as admin"),
            (false, "admin", "left account a as admin"),
        ] {
            check(Some(Kind::Account(account(is_member, role))), expected);
        }
        check(None, "changed in a way that this version does not know");
    }
}
