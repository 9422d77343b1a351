//! A log of many changes, written as workers write it.

use changes::{ChangeLog, ChangeSink as _, Pending, Place, Scribe};
use kernel::{Owner, PartitionId};
use prost::Message as _;
use proto::stream::v1::change_record::Kind;
use proto::stream::v1::{
    ActivationMoved, ChangeBatch, ChangeReason, ChangeRecord, MapMoved, RunMoved, SegmentChange,
};
use storage::{Database, DatabaseUrl};
use uuid::Uuid;

use crate::Failure;

/// The service and the partition that the changes are of.
const OWNER: Owner = Owner::Segmentation;
const PARTITION: PartitionId = PartitionId::new(0);
/// Changes of one commit: those of a batch of a busy worker.
const COMMIT: u32 = 200;
/// Commits between two looks whether the log has them.
const AHEAD: u64 = 100;

/// Writes so many changes to the log of a database.
pub(super) async fn fill(database: &str, changes: u32) -> Result<(), Failure> {
    let database = Database::connect(&database.parse::<DatabaseUrl>()?).await?;
    let scribe = Scribe::new(ChangeLog::open(database).await?);
    // Far above what the installation has, where nobody has changed anything.
    let mut place = Place {
        epoch: u64::from(u32::MAX),
        seq: 0,
    };
    scribe.open(OWNER, PARTITION, place.epoch, Vec::new());
    for first in (0..changes).step_by(COMMIT as usize) {
        let numbers = first..(first + COMMIT).min(changes);
        let batch = ChangeBatch {
            changes: numbers.map(change).collect(),
        };
        place.seq += 1;
        let changes = batch.encode_to_vec().into();
        scribe.push(OWNER, PARTITION, Pending { place, changes });
        if place.seq.is_multiple_of(AHEAD) {
            bring(&scribe, place).await?;
        }
    }
    bring(&scribe, place).await
}

/// Returns once the log has everything up to a commit.
async fn bring(scribe: &Scribe, place: Place) -> Result<(), Failure> {
    while scribe.logged(OWNER, PARTITION) < place {
        scribe.flush().await?;
    }
    Ok(())
}

/// A change of each kind in turn, of a customer and a run with this number.
fn change(number: u32) -> ChangeRecord {
    let id = |of: u32| Uuid::from_u128(u128::from(of) << 64 | u128::from(number));
    let id = |of: u32| id(of).into_bytes().to_vec().into();
    let (journey, version) = ("win_back".to_owned(), 3);
    let kind = match number % 4 {
        0 => Kind::Membership(SegmentChange {
            segment: "loyal_customers".to_owned(),
            version,
            entered: number.is_multiple_of(8),
            reason: ChangeReason::Event.into(),
            time_ms: i64::from(number),
        }),
        1 => Kind::Transition(RunMoved {
            run_id: id(2),
            journey,
            version,
            from_step: "wait_for_order".to_owned(),
            to_step: "send_reminder".to_owned(),
            reason: "TIMED_OUT".to_owned(),
            visit: 4,
            ..RunMoved::default()
        }),
        2 => Kind::Position(MapMoved {
            journey_map: "shop".to_owned(),
            version,
            from_stage: "browsing".to_owned(),
            to_stage: "buying".to_owned(),
            ..MapMoved::default()
        }),
        _ => Kind::Activation(ActivationMoved {
            run_id: id(2),
            visit: 4,
            journey,
            step: "send_reminder".to_owned(),
            channel: "mail".to_owned(),
            template: "reminder".to_owned(),
            purpose: "marketing".to_owned(),
            status: "DELIVERED".to_owned(),
            ..ActivationMoved::default()
        }),
    };
    ChangeRecord {
        customer_id: id(1),
        time_ms: 1_700_000_000_000 + i64::from(number),
        kind: Some(kind),
    }
}
