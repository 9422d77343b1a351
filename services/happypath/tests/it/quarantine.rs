//! The quarantine, from the command line: shown, retried, discarded.

use hot::{Append, EmbeddedStore, HotStore as _, StreamId, StreamName};
use kernel::{PartitionCount, PartitionId};
use tempfile::TempDir;

use super::Dev;

/// A batch of two records without a customer, at times 7 and 8.
const BATCH: [u8; 8] = [10, 2, 16, 7, 10, 2, 16, 8];

/// Puts what cannot be processed before the journey service, while nobody works.
fn poison(folder: &TempDir) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let count = PartitionCount::try_new(4).expect("a count");
        let store = EmbeddedStore::open(&folder.path().join("stores").join("hot"), count).await;
        let append = Append {
            to: StreamId {
                name: StreamName::Facts,
                partition: PartitionId::new(2),
            },
            payload: BATCH.to_vec().into(),
            source: None,
            origin: None,
        };
        let store = store.expect("opened");
        store.append(&append).await.expect("appended");
    });
}

#[test]
fn records_that_cannot_be_processed_are_shown_retried_and_discarded() {
    let folder = Dev::start().stop();
    poison(&folder);
    let dev = Dev::start_in(folder);
    dev.settle();
    let said = dev.ok("status");
    assert!(said.contains("happypath quarantine journey list"), "{said}");
    assert_eq!(
        dev.ok("quarantine activation list"),
        "Nothing is quarantined.\n"
    );
    let listed = dev.json("quarantine journey list");
    let ids = ["2-1-0", "2-1-1"];
    for (record, (id, time)) in listed["records"]
        .as_array()
        .expect("records")
        .iter()
        .zip(ids.into_iter().zip([7, 8]))
    {
        assert_eq!(record["id"], id, "{record}");
        assert_eq!(record["reason"], "the record names no customer");
        assert_eq!(
            (&record["stream"], &record["try_count"]),
            (&"facts".into(), &1.into())
        );
        assert_eq!(record["record_json"]["time_ms"], time);
        assert_eq!(record["record"], "");
    }
    let said = dev.ok("quarantine journey list --limit 1");
    assert!(
        said.contains("2-1-0") && said.contains("There are more"),
        "{said}"
    );

    let said = dev.ok("quarantine journey retry 2-1-0");
    assert!(said.starts_with("1 are going to be retried"), "{said}");
    dev.settle();
    let shown: serde_json::Value =
        serde_json::from_str(&dev.ok("quarantine journey show 2-1-0 --bytes")).expect("JSON");
    assert_eq!(
        (&shown["try_count"], &shown["record"]),
        (&2.into(), &"EAc=".into())
    );
    let (code, said) = dev.refused("quarantine journey retry 2-1-0 2-1-9");
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("not in the quarantine of journey: 2-1-9"),
        "{said}"
    );
    assert_eq!(dev.refused("quarantine journey show 2-1-9").0, 3);
    assert_eq!(dev.refused("quarantine journey retry 2-1").0, 2);

    let said = dev.ok("quarantine journey discard --all --partition 2 --because tests");
    assert!(
        said.starts_with("2 quarantined records of journey are to be discarded, by request "),
        "{said}"
    );
    dev.settle();
    assert_eq!(
        dev.ok("quarantine journey list"),
        "Nothing is quarantined.\n"
    );
    dev.stop();
}
