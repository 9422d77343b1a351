//! Tests of the newest events.

use super::*;

fn stored(events: &RecentEvents) -> Result<RecentEvents, Poison> {
    let state = stored::State::decode(events.written()).expect("a state");
    RecentEvents::stored(&state.recent_events)
}

fn check(kind: Option<Kind>, shown: Option<kernel::Value>) {
    let event = Event {
        event_id: "e1".to_owned(),
        name: "view".to_owned(),
        properties: vec![NamedValue {
            name: "it".to_owned(),
            value: Some(Value { kind }),
        }],
        ..Event::default()
    };
    let time = Timestamp::from_millis(-7);
    let mut events = RecentEvents::default();
    events.add(&event, time, 0);
    let expected = RecentEvent {
        event_id: "e1".into(),
        name: "view".into(),
        time,
        properties: shown.map(|value| ("it", value)).into_iter().collect(),
    };
    assert_eq!(events.read().collect::<Vec<_>>(), [expected]);
    assert_eq!(stored(&events), Ok(events));
}

#[test]
fn an_event_is_read_as_it_was_written_and_cut_to_what_people_look_at() {
    let text = |chars: usize| "é".repeat(chars);
    let list = |count: usize| {
        let value = Value {
            kind: Some(Kind::Text(text(121))),
        };
        Some(Kind::List(ValueList {
            values: vec![value; count],
        }))
    };
    let cut = kernel::Value::Text(format!("{}…", text(120)).into());
    check(None, None);
    check(Some(Kind::Bool(true)), Some(true.into()));
    check(Some(Kind::Number(-0.5)), Some((-0.5).into()));
    check(Some(Kind::Text(text(120))), Some(text(120).as_str().into()));
    check(Some(Kind::Text(text(121))), Some(cut.clone()));
    for (count, shown) in [(0, 0), (2, 2), (8, 8), (9, 8)] {
        let shown = kernel::Value::List(vec![cut.clone(); shown]);
        check(list(count), Some(shown));
    }
}

#[test]
fn what_has_no_value_takes_no_place_among_the_properties() {
    let named = |number: usize| NamedValue {
        name: format!("p{number:02}"),
        value: (number >= 5).then_some(Value {
            kind: Some(Kind::Bool(true)),
        }),
    };
    let event = Event {
        properties: (0..limits::RECENT_PROPERTIES + 6).map(named).collect(),
        ..Event::default()
    };
    let mut events = RecentEvents::default();
    events.add(&event, Timestamp::MIN, 0);
    let shown = events.read().next().expect("an event").properties;
    assert_eq!(shown.len(), limits::RECENT_PROPERTIES);
    assert!(shown.value("p05").is_some(), "{shown:?}");
}

#[test]
fn what_is_shown_is_bounded_whatever_the_letters_are() {
    let text = Value {
        kind: Some(Kind::Text("🛒".repeat(108))),
    };
    let named = |name: String, kind: Kind| NamedValue {
        name,
        value: Some(Value { kind: Some(kind) }),
    };
    let list = || {
        Kind::List(ValueList {
            values: vec![text.clone(); 8],
        })
    };
    let large = (0..9).map(|number| named(format!("p{number}"), list()));
    let small = named("small".to_owned(), Kind::Bool(true));
    let event = Event {
        name: "view".to_owned(),
        properties: large.chain([small]).collect(),
        ..Event::default()
    };
    let mut events = RecentEvents::default();
    for millis in 0..30 {
        events.add(&event, Timestamp::from_millis(millis), 0);
        events.drop_surplus();
    }
    let most = limits::RECENT_EVENTS * (limits::RECENT_EVENT_BYTES + 16);
    assert!(events.written().len() <= most, "{}", events.written().len());
    let shown = events.read().next().expect("an event").properties;
    assert!(shown.value("p0").is_some() && shown.value("p8").is_none());
    assert!(shown.value("small").is_some(), "it has room");
}

#[test]
fn the_newest_are_kept_in_the_order_of_time() {
    let at = |millis: i64| {
        let event = Event {
            event_id: millis.to_string(),
            ..Event::default()
        };
        (event, Timestamp::from_millis(millis))
    };
    let ids = |events: &RecentEvents| -> Vec<String> {
        let ids = events.read().map(|event| event.event_id.to_string());
        ids.collect()
    };
    let most = i64::try_from(limits::RECENT_EVENTS).expect("few");
    let (mut events, mut late) = (RecentEvents::default(), RecentEvents::default());
    let even = (0..most).map(|half| half * 2);
    for millis in even.clone().chain([1, -1, 1_000]) {
        let (event, time) = at(millis);
        events.add(&event, time, 0);
        events.drop_surplus();
        assert_eq!(stored(&events).as_ref(), Ok(&events));
    }
    // The first pushed out 0, the second itself, and the third the first.
    let expected = even.skip(1).chain([1_000]);
    let expected: Vec<String> = expected.map(|millis| millis.to_string()).collect();
    assert_eq!(ids(&events), expected);
    for millis in [5, 2_000] {
        let (event, time) = at(millis);
        late.add(&event, time, 0);
    }
    for mut element in late.to_elements() {
        element.ordinal = 3;
        events.put(element);
    }
    assert_eq!(events.count_of(3), 2);
    let dropped = [events.take_surplus(), events.take_surplus()].map(|it| it.map(|it| it.time));
    assert_eq!(dropped, [2, 4].map(|it| Some(Timestamp::from_millis(it))));
    assert_eq!(events.take_surplus(), None);
    assert_eq!(stored(&events).as_ref(), Ok(&events));
    let mut joined = ids(&events);
    assert_eq!(joined.pop().as_deref(), Some("2000"));
    assert_eq!(joined.pop().as_deref(), Some("1000"));
    assert_eq!(joined[..2], ["5", "6"]);
    assert_eq!(joined.len() + 2, limits::RECENT_EVENTS);
}

#[test]
fn what_is_no_event_is_refused() {
    assert!(RecentEvents::stored(&[Bytes::from_static(&[0xff])]).is_err());
}
