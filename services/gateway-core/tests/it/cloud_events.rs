//! Posts of `CloudEvents`: examples of the specification, whatever SDKs make of it, and what nobody
//! should send.

use gateway_core::{
    CLOUD_EVENTS_PATH, CallFault, Circumstances, CloudEvents, Format, Letter, Post, SourceRules,
    reread,
};
use messages::gateway::v1::{EventMapping, Source};
use messages::identity::v1::Event;

use crate::{context_of, identifiers, properties_of, received, time_of};

/// An event with everything that one has to have.
fn event(more: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","subject":"u1"{more}}}"#
    )
}

/// Reads a post by some rules.
fn read(
    format: Format,
    post: Post<'_, '_>,
    rules: &SourceRules,
) -> Result<(Vec<Event>, Vec<Letter>), CallFault> {
    let call = CloudEvents::read(format, post)?;
    let about = Circumstances {
        path: CLOUD_EVENTS_PATH,
        rules,
        key: Some("hpk_secret"),
        receive_time: received(),
        request_time: None,
    };
    let reading = call.events(&about);
    let events = reading.events.into_iter().map(|it| it.event).collect();
    Ok((events, reading.letters))
}

fn body(body: &str) -> Post<'_, '_> {
    Post {
        content_type: None,
        attributes: &[],
        body: body.as_bytes(),
    }
}

fn one_by(json: &str, rules: &SourceRules) -> Event {
    let read = read(Format::Json, body(json), rules).expect("a call");
    assert_eq!(read.1, [], "{json}");
    read.0.into_iter().next().expect("an event")
}

fn one(json: &str) -> Event {
    one_by(json, &SourceRules::default())
}

/// Reads an event that cannot be taken, and returns reason and field.
fn fault(json: &str) -> (&'static str, String) {
    let read = read(Format::Json, body(json), &SourceRules::default()).expect("a call");
    assert_eq!((read.0.len(), read.1.len()), (0, 1), "{json}");
    let fault = &read.1[0].fault;
    (fault.reason.code(), fault.field.clone())
}

#[test]
fn the_same_event_is_read_alike_in_every_mode() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","time":"2026-11-30T07:00:00Z","region":"eu west","datacontenttype":"application/json","data":{"userId":"u1","total":19.0}}"#;
    let structured = one(json);
    assert_eq!(structured.event_id, "/shop 1");
    assert_eq!(structured.name, "order.placed");
    assert_eq!(time_of(structured.time.as_ref()), "2026-11-30T07:00:00Z");
    assert_eq!(identifiers(&structured), ["user_id=u1"]);
    assert_eq!(
        properties_of(&structured),
        r#"{"userId":"u1","total":19.0}"#
    );
    assert_eq!(
        context_of(&structured),
        r#"{"id":"1","source":"/shop","type":"order.placed","region":"eu west"}"#
    );
    let binary = Post {
        content_type: Some("application/json"),
        attributes: &[
            ("specversion", b"1.0"),
            ("id", b"1"),
            ("source", b"/shop"),
            ("type", b"order.placed"),
            ("time", b"2026-11-30T07:00:00Z"),
            ("region", b"eu%20west"),
        ],
        body: br#"{"userId":"u1","total":19.0}"#,
    };
    let rules = SourceRules::default();
    let read_binary = read(Format::Binary, binary, &rules).expect("a call");
    assert_eq!(read_binary, (vec![structured.clone()], vec![]));
    let list = format!(" [{json},\n{json}] ");
    let batch = read(Format::JsonBatch, body(&list), &rules).expect("a call");
    assert_eq!(batch.0, vec![structured.clone(), structured]);
    let empty = read(Format::JsonBatch, body("[]"), &rules);
    assert_eq!(empty, Ok((vec![], vec![])));
}

#[test]
fn data_of_every_kind_has_a_place() {
    for (more, properties) in [
        (r#","data":{"a":1}"#, r#"{"a":1}"#),
        (r#","data":[1,2]"#, r#"{"data":[1,2]}"#),
        (
            r#","datacontenttype":"text/plain","data":"hi""#,
            r#"{"data":"hi"}"#,
        ),
        (r#","data_base64":"/w==""#, r#"{"data_base64":"/w=="}"#),
        (
            r#","datacontenttype":"application/json","data_base64":"eyJhIjoxfQ==""#,
            r#"{"a":1}"#,
        ),
        (r#","data":null"#, ""),
        ("", ""),
    ] {
        assert_eq!(properties_of(&one(&event(more))), properties, "{more}");
    }
}

#[test]
fn a_person_is_found_in_data_then_attributes_then_the_subject() {
    for (more, expected) in [
        ("", &["user_id=u1"][..]),
        (r#","data":{"userId":"u2","user_id":"u3"}"#, &["user_id=u2"]),
        (
            r#","userid":"u5","anonymousid":"a1","data":{"user_id":4}"#,
            &["anonymous_id=a1", "user_id=4"],
        ),
        (
            r#","userid":"u5","data":{"email":"A@b.io"}"#,
            &["email=A@b.io", "user_id=u5"],
        ),
        // The subject may be an order.
        (r#","data":{"email":"a@b.io"}"#, &["email=a@b.io"]),
        (r#","data":{"userId":"","email":7}"#, &["email=7"]),
        (r#","data":{"userId":null}"#, &["user_id=u1"]),
    ] {
        assert_eq!(identifiers(&one(&event(more))), expected, "{more}");
    }
    let nobody = event("").replace(r#","subject":"u1""#, "");
    assert_eq!(fault(&nobody), ("NO_IDENTIFIER", String::new()));
}

#[test]
fn a_source_has_its_own_words() {
    let source = Source {
        event_names: [("order.placed".to_owned(), "purchase".to_owned())].into(),
        user_namespace: "customer_number".to_owned(),
        keeps_traits_apart: true,
        ..Source::default()
    };
    let rules = SourceRules::of(&source);
    let read = one_by(&event(r#","data":{"email":"a@b.io"}"#), &rules);
    assert_eq!(read.name, "purchase");
    assert_eq!(identifiers(&read), ["customer_number=u1"]);
}

#[test]
fn a_mapping_reads_attributes_and_data_and_the_rest_stays() {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, formula)| ((*name).to_owned(), (*formula).to_owned()))
            .collect()
    };
    let mapping = EventMapping {
        when: r#"item.type == "deal.won""#.to_owned(),
        name: r#""won""#.to_owned(),
        identifiers: map(&[("email", "item.data.who.mail")]),
        properties: map(&[("total", "item.data.total"), ("team", "item.team")]),
        ..EventMapping::default()
    };
    let source = Source {
        cloud_events: vec![mapping.clone()],
        ..Source::default()
    };
    assert_eq!(SourceRules::faults(&source, |_| true), []);
    let rules = SourceRules::of(&source);
    let deal = |data: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"/crm","type":"deal.won","time":"2026-11-30T07:00:00Z","subject":"deals/7","team":"north",{data}}}"#
        )
    };
    let plain = deal(r#""data":{"who":{"mail":"a@b.io"},"total":19.0}"#);
    // The same data as bytes.
    let base64 = "eyJ3aG8iOnsibWFpbCI6ImFAYi5pbyJ9LCJ0b3RhbCI6MTkuMH0=";
    let bytes = deal(&format!(
        r#""datacontenttype":"application/json","data_base64":"{base64}""#
    ));
    for json in [plain, bytes] {
        let mapped = one_by(&json, &rules);
        assert_eq!(mapped.name, "won");
        assert_eq!(mapped.event_id, "/crm 1");
        assert_eq!(identifiers(&mapped), ["email=a@b.io"]);
        assert_eq!(properties_of(&mapped), r#"{"team":"north","total":19.0}"#);
        assert_eq!(time_of(mapped.time.as_ref()), "2026-11-30T07:00:00Z");
        assert!(
            context_of(&mapped).contains(r#""subject":"deals/7""#),
            "{mapped:?}"
        );
    }
    let other = one_by(&event(""), &rules);
    assert_eq!(identifiers(&other), ["user_id=u1"]);
}

#[test]
fn source_and_id_together_tell_an_event_from_all_others() {
    let id = |source: &str, id: &str| {
        let json = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"t","subject":"u"}}"#
        );
        one(&json).event_id
    };
    assert_eq!(id("/a", "b"), "/a b");
    assert_eq!(id("/a", "b c"), "/a b c");
    // No reference has a space: one that has could be taken for another one.
    assert!(id("/a b", "c").starts_with("hash-"));
    assert!(id("/a", r"b\n").starts_with("hash-"));
    let long = id(&"x".repeat(200), "1");
    assert!(long.starts_with("hash-") && long != id(&"x".repeat(200), "2"));
}

#[test]
fn an_attribute_that_is_wrong_is_told_by_its_name() {
    let with = |name: &str, from: &str, to: &str| {
        let (from, to) = (format!(r#""{name}":{from}"#), format!(r#""{name}":{to}"#));
        event("").replace(&from, &to)
    };
    for (name, own) in [
        ("specversion", r#""1.0""#),
        ("id", r#""1""#),
        ("source", r#""/shop""#),
        ("type", r#""order.placed""#),
    ] {
        for wrong in ["null", "7", "{}", r#""""#] {
            let told = fault(&with(name, own, wrong));
            assert_eq!(told, ("MALFORMED_EVENT", name.to_owned()), "{wrong}");
        }
    }
    let other = with("specversion", r#""1.0""#, r#""2.0""#);
    assert_eq!(fault(&other), ("MALFORMED_EVENT", "specversion".to_owned()));
    let twice = event(r#","id":"2""#);
    assert_eq!(fault(&twice), ("MALFORMED_EVENT", "id".to_owned()));
    let late = event(r#","time":"yesterday""#);
    assert_eq!(fault(&late), ("BAD_TIME", "time".to_owned()));
    let many: String = (0..100).map(|n| format!(r#","x{n}":1"#)).collect();
    assert_eq!(fault(&event(&many)), ("MALFORMED_EVENT", String::new()));
}

#[test]
fn data_that_is_wrong_is_told_with_its_place() {
    let json = r#","datacontenttype":"application/json""#;
    let letters = |count: usize| format!(r#","data":"{}""#, "x".repeat(count));
    for (more, reason, field) in [
        (
            r#","data":1,"data_base64":"AA==""#.to_owned(),
            "MALFORMED_EVENT",
            "data_base64",
        ),
        (
            r#","data_base64":"!""#.to_owned(),
            "MALFORMED_EVENT",
            "data_base64",
        ),
        (
            format!(r#"{json},"data_base64":"ew==""#),
            "MALFORMED_EVENT",
            "data",
        ),
        (
            format!(r#"{json},"data_base64":"/w==""#),
            "BAD_TEXT",
            "data",
        ),
        (
            r#","data":{"userId":{}}"#.to_owned(),
            "MALFORMED_EVENT",
            "data.userId",
        ),
        (letters(40_000), "EVENT_TOO_LARGE", ""),
        (letters(300_000), "EVENT_TOO_LARGE", ""),
    ] {
        let told = fault(&event(&more));
        assert_eq!(told, (reason, field.to_owned()), "{}", &more[..20]);
    }
}

#[test]
fn a_call_that_is_none_is_refused_and_one_bad_event_is_set_aside_alone() {
    let rules = SourceRules::default();
    for (format, bad) in [
        (Format::Json, "[]"),
        (Format::Json, "{"),
        (Format::Json, ""),
        (Format::JsonBatch, "{}"),
        (Format::JsonBatch, "[{}"),
        (Format::JsonBatch, "\u{feff}"),
        (Format::Protobuf, "x"),
    ] {
        let read = read(format, body(bad), &rules);
        assert!(
            matches!(read, Err(CallFault::Malformed(_))),
            "{bad:?} {read:?}"
        );
    }
    let many = format!("[{}1]", "1,".repeat(10_000));
    let read_many = read(Format::JsonBatch, body(&many), &rules);
    assert_eq!(read_many, Err(CallFault::TooManyEvents));
    let mut list = format!("[{},7,", event("")).into_bytes();
    list.extend(b"{\"id\":\"\xff hpk_secret\"}]");
    let post = Post {
        body: &list,
        ..body("")
    };
    let (events, letters) = read(Format::JsonBatch, post, &rules).expect("a call");
    let told: Vec<_> = letters.iter().map(|it| it.fault.reason.code()).collect();
    assert_eq!(
        (events.len(), told),
        (1, vec!["MALFORMED_EVENT", "BAD_TEXT"])
    );
    assert_eq!(letters[1].payload, "{\"id\":\"\u{fffd} REMOVED\"}");
    assert_eq!(letters[1].path, CLOUD_EVENTS_PATH);
}

#[test]
fn a_letter_is_read_again_as_it_was_the_first_time() {
    let json = event(r#","time":"2026-11-30T07:00:00Z""#);
    let rules = SourceRules::default();
    let again = reread(CLOUD_EVENTS_PATH, &json, None, received(), &rules);
    assert_eq!(again, Ok(one(&json)));
}
