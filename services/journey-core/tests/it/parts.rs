//! States in parts: what a customer of the demo costs, and what nobody here knows.

use bytes::Bytes;
use decision::{Core as _, PartKey};
use journey_core::JourneyCore;
use messages::journey::state_v1 as stored;
use prost::Message as _;

use crate::world::{World, compiled, customer};

const DEMO: &str = concat!(
    include_str!("../../../happypath/demo/2-map-and-happy-path.yaml"),
    "---\n",
    include_str!("../../../happypath/demo/4-journey.yaml"),
);

/// A household of the demo over a year: a campaign every two months, and what comes of it.
fn household() -> World {
    let mut world = World::new(compiled(DEMO));
    world.take_line("0d purchase value=31.5 items=9 @age=45-54 @income=50-74K @household_size=2");
    for campaign in 0..7 {
        let day = 10 + campaign * 60;
        world.take_line(&format!(
            "{day}d campaign_received campaign_id=c{campaign} campaign_type=TypeA"
        ));
        if campaign % 2 == 0 {
            world.take_line(&format!("{}d coupon_redeemed +redeemers", day + 20));
        }
        for week in 0..6 {
            world.take_line(&format!(
                "{}d purchase value=12 items=4",
                day + 21 + week * 4
            ));
        }
    }
    world
}

#[test]
fn a_customer_of_the_demo_keeps_their_bytes_and_their_one_key() {
    let world = household();
    let own = &world.stored[&customer(1)];
    assert_eq!(own.parts.len(), 0, "one key, as before");
    // As one value without pages, as it was stored before there were parts.
    let mut plain = stored::CustomerState::decode(&*own.head).expect("a head");
    let pages = std::mem::take(&mut plain.history_pages).into_iter();
    let history: Vec<_> = pages.flat_map(|page| page.entries).collect();
    let pages = std::mem::take(&mut plain.ended_run_pages).into_iter();
    let ended: Vec<_> = pages.flat_map(|page| page.entries).collect();
    assert!(history.len() > 40 && ended.len() > 5, "a year has gone by");
    let frames = |sizes: Vec<usize>| -> usize {
        let framed = sizes
            .iter()
            .map(|size| 1 + prost::length_delimiter_len(*size) + size);
        framed.sum()
    };
    let before = plain.encoded_len()
        + frames(history.iter().map(prost::Message::encoded_len).collect())
        + frames(ended.iter().map(prost::Message::encoded_len).collect());
    let now = own.head.len();
    assert!(before > 2_000, "{before}");
    assert!(
        now * 100 <= before * 103,
        "{now} bytes, and {before} before"
    );
}

const KEEP: &str = "journey:
  name: j
  entry: {triggers: [{event: go}], reentry: REENTRY_AFTER_EXIT}
  steps: [{id: a, wait: {duration: 5d}}]
";

/// A field that no version has so far.
const NEW_FIELD: [u8; 3] = [0x98, 0x06, 7];

fn new_kind(ordinal: u16, name: u64) -> PartKey {
    PartKey {
        ordinal,
        kind: 200,
        name,
    }
}

/// Adds to a stored customer what a newer version may have written: a field, and two parts.
fn age(world: &mut World, number: u32) {
    let who = customer(number);
    let own = world.stored.get_mut(&who).expect("a customer");
    let mut head = own.head.to_vec();
    let large = Bytes::from(vec![9; 2_000]);
    for (name, apart) in [(1, None), (2, Some(2_000))] {
        let entry = stored::CustomerState {
            parts: vec![stored::PartEntry {
                kind: 200,
                name,
                apart_bytes: apart,
                body: apart.map_or(Bytes::from_static(b"small"), |_| Bytes::new()),
                ..stored::PartEntry::default()
            }],
            ..stored::CustomerState::default()
        };
        head.extend(entry.encode_to_vec());
    }
    head.extend(NEW_FIELD);
    own.head = head.into();
    own.parts.insert(new_kind(0, 2), large);
    let mut state = own.read();
    let keys = state.not_loaded();
    own.load(&mut state, keys);
    world.states.insert(who, state);
}

fn has_new_field(head: &[u8]) -> bool {
    head.windows(NEW_FIELD.len()).any(|own| own == NEW_FIELD)
}

#[test]
fn what_a_newer_version_wrote_is_carried_along_and_moves_with_a_merge() {
    let mut world = World::new(compiled(KEEP));
    world.take_line("0d c2 go");
    age(&mut world, 2);
    world.take_line("1d c2 note @a=1");
    let own = &world.stored[&customer(2)];
    assert!(has_new_field(&own.head));
    assert_eq!(own.parts.len(), 1);
    let message = stored::CustomerState::decode(&*own.head).expect("a head");
    let sizes: Vec<_> = message.parts.iter().map(|own| own.apart_bytes).collect();
    assert_eq!(sizes, [None, Some(2_000)]);
    assert_eq!(message.parts[0].body, Bytes::from_static(b"small"));
    world.take_line("2d c2 merged c1");
    let survivor = &world.stored[&customer(1)];
    assert!(has_new_field(&survivor.head));
    let keys: Vec<_> = survivor.parts.keys().copied().collect();
    assert_eq!(keys, [new_kind(1, 2)], "the part is that of a fragment");
    assert_eq!(world.states[&customer(1)].open().runs.len(), 1);
}

#[test]
fn a_part_that_the_head_does_not_list_is_refused() {
    let mut world = World::new(compiled(KEEP));
    world.take_line("0d go");
    let mut state = world.states[&customer(1)].clone();
    let refused = JourneyCore::load_part(&mut state, new_kind(0, 1), Bytes::new());
    assert!(refused.is_err());
}
