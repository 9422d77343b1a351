//! Words that are on the way when a store goes back to before what they are about.

use messages::stream::v1::{CustomerMerged, Record, StateMoved, record::Body};

use super::super::driver::memory;
use super::asked::write_head;
use super::handed_on::{sent_on, settle_and_copy};
use super::records::{customer, event, merged, record};
use super::waits::elsewhere;
use super::world::{SERVICES, World};
use crate::Head;
use crate::head::id_bytes;

#[tokio::test]
async fn a_word_that_a_state_is_part_of_another_moves_nobody_who_never_left() {
    for service in 0..SERVICES {
        let world = World::new(memory());
        world.tell(service, record(service, 2, "a", 1)).await;
        world.settle().await;
        let word = Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(customer(1)),
            folded_in: true,
            ..CustomerMerged::default()
        });
        let word = Record {
            body: Some(word),
            ..event(2, "", "", 2)
        };
        world.tell(service, word).await;
        world.settle().await;
        assert_eq!(world.root(service, 2).await, 2, "of {service}");
        assert_eq!(world.log(service, 2).await, ["a"], "of {service}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_with_the_state_it_is_about_is_asked_for_again() {
    let world = World::new(memory());
    let younger = elsewhere(&world);
    world.tell(0, event(younger, "b", "add", 1)).await;
    world.tell(0, merged(younger, 1, 2)).await;
    let copies = settle_and_copy(&world, younger, 1).await;
    let released_leave_id = world.head(0, younger).await.released_leave_id;
    let pieces = sent_on(copies, released_leave_id);
    assert_eq!(pieces.len(), 1);

    // The store of the survivor is as it was before the state came.
    let world = World::new(memory());
    let head = Head {
        released_leave_id,
        ..Head::redirected_to(customer(1))
    };
    write_head(&world, (0, younger), &head).await;
    let answer = Body::Moved(StateMoved {
        from_customer_id: id_bytes(customer(younger)),
        leave_id: released_leave_id,
        released: true,
        ..StateMoved::default()
    });
    let answer = Record {
        body: Some(answer),
        ..event(1, "", "", 2)
    };
    for record in pieces.into_iter().chain([answer]) {
        world.tell(0, record).await;
    }
    world.settle().await;
    assert_eq!(world.quarantined().await, Vec::<String>::new());
    assert_eq!(world.fragments(0, 1).await, [younger]);
    assert_eq!(world.log(0, 1).await, ["b"]);
}
