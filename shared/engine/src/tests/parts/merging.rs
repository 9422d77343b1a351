//! Merged customers: their parts leave with them, and nothing stays behind.

use messages::stream::v1::{CustomerMerged, Record, StateMoved, record::Body};

use super::{StreamName, book, event, feed, key, open, reasons, slot, watched};

#[tokio::test]
async fn a_customer_who_leaves_takes_all_parts_along() {
    let (bench, memory, watch) = watched().await;
    let mut worker = open(&bench, watch.clone(), 1).await;
    let sown = vec![event(2, "a", "sow:5", 1), event(1, "b", "sow:2", 1)];
    feed(&bench, &mut worker, sown).await;
    assert_eq!(
        memory.states(slot(0)).len(),
        2 + 7,
        "two heads, seven blocks"
    );
    // Another one, who knows no part but from the heads.
    let mut worker = open(&bench, watch, 2).await;
    let merged = Body::Merged(CustomerMerged {
        into_customer_id: key(1),
        ..CustomerMerged::default()
    });
    let merged = Record {
        body: Some(merged),
        ..event(2, "", "", 2)
    };
    feed(&bench, &mut worker, vec![merged.clone()]).await;
    // The word to itself goes where the customer is by id, which is not this partition.
    feed(&bench, &mut worker, vec![merged]).await;
    let all = 2 + 7 + 1;
    assert_eq!(memory.states(slot(0)).len(), all, "nothing goes yet");
    let facts = bench.records(0, StreamName::Facts).await;
    let carried = facts.into_iter().find_map(|fact| match fact.body {
        Some(Body::Carried(carried)) => carried.record,
        _ => None,
    });
    // The head as the last service hands it to the survivor; the blocks went straight to where that
    // one is by id.
    let head = *carried.expect("the head is on its way");
    let straight = bench.records(1, StreamName::Events).await;
    let blocks = straight.into_iter().find(|record| piece(record).is_some());
    let blocks = blocks.expect("the blocks are on their way");
    for (moved, parts) in [(&head, 1), (&blocks, 5)] {
        assert_eq!(moved.customer_id, key(1));
        let piece = piece(moved).expect("a piece of the state");
        assert_eq!((piece.part_count, piece.parts.len()), (6, parts));
    }
    let leave_id = piece(&head).map_or(0, |piece| piece.leave_id);
    feed(&bench, &mut worker, vec![blocks]).await;
    assert_eq!(memory.states(slot(0)).len(), all + 5, "both have them");
    feed(&bench, &mut worker, vec![head]).await;
    assert_eq!(memory.states(slot(0)).len(), all + 6, "both have all");
    let question = Record {
        body: Some(Body::Merged(CustomerMerged {
            into_customer_id: key(1),
            arrived_leave_id: leave_id,
            ..CustomerMerged::default()
        })),
        ..event(2, "", "", 2)
    };
    feed(&bench, &mut worker, vec![question]).await;
    let left = 2 + 2 + 6;
    assert_eq!(memory.states(slot(0)).len(), left, "a redirect is left");
    let released = Record {
        body: Some(Body::Moved(StateMoved {
            from_customer_id: key(2),
            leave_id,
            released: true,
            ..StateMoved::default()
        })),
        ..event(1, "", "", 2)
    };
    feed(&bench, &mut worker, vec![released]).await;
    assert_eq!(memory.states(slot(0)).len(), 2 + 2 + 5, "no part is copied");
    let book = book(&bench, 1).await.expect("a book");
    assert_eq!(book.text(), "None 2 b,0 1 a,0 1 2 3 4 | ");
    assert_eq!(reasons(&bench).await, [""; 0]);
}

fn piece(record: &Record) -> Option<&StateMoved> {
    match &record.body {
        Some(Body::Moved(piece)) => Some(piece),
        _ => None,
    }
}
