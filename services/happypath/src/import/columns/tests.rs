//! Tests of lines.

mod group;

use rpc::properties::Entries;

use super::*;

/// Reads a line of separated cells, by a mapping.
fn separated(yaml: &str, header: &str, line: &str) -> Result<Event, BadLine> {
    let mapping: Mapping = serde_saphyr::from_str(yaml).expect("a mapping");
    let names: Vec<&str> = header.split('|').collect();
    let roles = mapping.roles(&names, false).expect("roles");
    let mut builder = Builder::new(2, mapping.event_name.as_deref());
    for (role, cell) in roles.iter().zip(line.split('|')) {
        builder.text(role, cell);
    }
    builder.build()
}

/// Reads a line of JSON, by a mapping.
fn json_line(yaml: &str, line: &str) -> Result<Event, BadLine> {
    let mapping: Mapping = serde_saphyr::from_str(yaml).expect("a mapping");
    let entries = Entries::read(line).expect("an object");
    let names: Vec<&str> = entries.0.iter().map(|(name, _)| name.as_str()).collect();
    let roles = mapping.roles(&names, true).expect("roles");
    let mut builder = Builder::new(2, mapping.event_name.as_deref());
    for (role, (name, json)) in roles.iter().zip(&entries.0) {
        builder.json(role, name, json.get());
    }
    builder.build()
}

fn properties(event: &Event) -> &str {
    match &event.properties_form {
        Some(PropertiesForm::PropertiesJson(json)) => json,
        _ => "",
    }
}

fn traits(event: &Event) -> &str {
    match &event.traits_form {
        Some(TraitsForm::TraitsJson(json)) => json,
        _ => "",
    }
}

const HEADER: &str = "time|event|user_id|a|b";

#[test]
fn cells_become_values_by_their_digits_and_types() {
    for (yaml, line, found) in [
        ("{}", "2017-01-01|x|u|1e5|19.90", r#"{"a":"1e5","b":19.90}"#),
        ("{}", "2017-01-01|x|u||\\N", ""),
        (
            "types: {a: number, b: text}",
            "2017-01-01|x|u|1e5|19.90",
            r#"{"a":1e5,"b":"19.90"}"#,
        ),
        (
            "nulls: ['NULL', n/a]",
            "2017-01-01|x|u|NULL|null",
            r#"{"b":"null"}"#,
        ),
        ("ignore: [a]", "2017-01-01|x|u|1|2", r#"{"b":2}"#),
        (
            "decimal: comma",
            "2017-01-01|x|u|19,90|1.249",
            r#"{"a":19.90,"b":1249}"#,
        ),
        (
            "types: {a: json}",
            "2017-01-01|x|u|[1]|2",
            r#"{"a":[1],"b":2}"#,
        ),
    ] {
        let event = separated(yaml, HEADER, line).expect("an event");
        assert_eq!(properties(&event), found, "{yaml}");
    }
}

#[test]
fn a_column_is_an_identifier_and_a_trait_and_email_is_so_by_itself() {
    let event =
        separated("{}", "time|event|email", "2017-01-01|x| Ada@Example.com ").expect("an event");
    assert_eq!(event.identifiers["email"], "Ada@Example.com");
    assert_eq!(traits(&event), r#"{"email":"Ada@Example.com"}"#);
    let event =
        separated("{}", "time|event|user_id|email", "2017-01-01|x|u|n/a").expect("an event");
    assert_eq!(traits(&event), "");
    let named = "identifiers: {email: mail, crm: mail}\ntraits: {address: mail}";
    let event = separated(named, "time|event|mail", "2017-01-01|x|a@b.c").expect("an event");
    assert_eq!(event.identifiers.len(), 2);
    assert_eq!(traits(&event), r#"{"address":"a@b.c"}"#);
}

#[test]
fn several_columns_name_one_customer() {
    let event = separated(
        "identifiers: {email: [work, home]}",
        "time|event|work|home",
        "2017-01-01|x|a@b.c|d@e.f",
    )
    .expect("an event");
    assert_eq!(event.identifiers["email"], "a@b.c");
    assert_eq!(event.other_identifiers[0].value, "d@e.f");
    let event = json_line(
        "{}",
        r#"{"time":"2017-01-01","event":"x","identifiers":{"email":["a@b.c","d@e.f"]}}"#,
    );
    assert_eq!(event.expect("an event").other_identifiers.len(), 1);
}

#[test]
fn names_of_events_are_mapped_and_others_stay() {
    for (name, found) in [("Order Completed", "purchase"), ("Signed Up", "Signed Up")] {
        let line = format!("2017-01-01|{name}|u");
        let yaml = "event_names: {Order Completed: purchase}";
        assert_eq!(
            separated(yaml, HEADER, &line).expect("an event").name,
            found
        );
    }
}

#[test]
fn a_line_tells_all_its_faults_and_is_one() {
    let bad =
        separated("types: {a: number, b: boolean}", HEADER, "soon|||x|z").expect_err("faults");
    let text = bad.to_string();
    for part in [
        "`soon` is no instant",
        "event: is empty",
        "identifiers: no column",
        "a: `x` is no number",
        "b: `z` is neither",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("time: is empty"), "{text}");
    let header: Vec<String> = (0..20).map(|place| format!("c{place}")).collect();
    let types: Vec<String> = header
        .iter()
        .map(|name| format!("{name}: number"))
        .collect();
    let bad = separated(
        &format!("types: {{{}}}", types.join(", ")),
        &format!("time|event|user_id|{}", header.join("|")),
        &format!("2017-01-01|x|u{}", "|x".repeat(20)),
    );
    let text = bad.expect_err("faults").to_string();
    assert!(
        text.ends_with("; and 12 more") && text.matches("is no number").count() == 8,
        "{text}"
    );
}

#[test]
fn a_value_under_no_name_is_refused_and_an_empty_cell_is_not() {
    let header = "time|event|user_id||";
    assert!(separated("{}", header, "2017-01-01|x|u||").is_ok());
    let bad = separated("{}", header, "2017-01-01|x|u||7").expect_err("a fault");
    assert!(bad.to_string().contains("--ignore-column '#5'"), "{bad}");
}

#[test]
fn numbers_of_json_name_a_customer_only_where_they_are_whole() {
    let line = |user: &str| format!(r#"{{"time":"2017-01-01","event":"x","user_id":{user}}}"#);
    for (yaml, user, found) in [
        ("{}", "12345", Some("12345")),
        (
            "{}",
            "123456789012345678901234",
            Some("123456789012345678901234"),
        ),
        ("{}", "-5", Some("-5")),
        ("{}", "12345.0", None),
        ("{}", "1e3", None),
        ("types: {user_id: integer}", "12345.0", Some("12345")),
        ("types: {user_id: text}", "12345.0", Some("12345.0")),
        ("{}", "true", None),
    ] {
        let event = json_line(yaml, &line(user));
        let value = event
            .as_ref()
            .ok()
            .map(|event| event.identifiers["user_id"].as_str());
        assert_eq!(value, found, "{user} {event:?}");
    }
}

#[test]
fn null_removes_a_trait_and_says_nothing_of_a_property() {
    let line = |rest: &str| format!(r#"{{"time":"2017-01-01","event":"x","user_id":"u",{rest}}}"#);
    for (yaml, rest, of_traits, of_properties) in [
        ("traits: {plan: p}", r#""p":null"#, r#"{"plan":null}"#, ""),
        ("traits: {plan: p}", r#""p":"pro""#, r#"{"plan":"pro"}"#, ""),
        (
            "{}",
            r#""traits":{"a":null,"b":1}"#,
            r#"{"a":null,"b":1}"#,
            "",
        ),
        ("{}", r#""traits":null"#, "", ""),
        ("{}", r#""properties":{"a":null,"b":1}"#, "", r#"{"b":1}"#),
        ("{}", r#""colour":null"#, "", ""),
        ("{}", r#""event_id":null"#, "", ""),
        (
            "nulls: [NULL]",
            r#""colour":"NULL","n":"x""#,
            "",
            r#"{"n":"x"}"#,
        ),
        (
            "types: {properties.a: text}",
            r#""properties":{"a":1e5}"#,
            "",
            r#"{"a":"1e5"}"#,
        ),
        (
            "types: {n: number, m: json}",
            r#""n":"7.5","m":"[1]""#,
            "",
            r#"{"m":[1],"n":7.5}"#,
        ),
    ] {
        let event = json_line(yaml, &line(rest)).expect("an event");
        assert_eq!(
            (traits(&event), properties(&event)),
            (of_traits, of_properties),
            "{rest}"
        );
    }
}

#[test]
fn where_an_event_comes_from_is_kept_beside_it() {
    let line = |rest: &str| format!(r#"{{"time":"2017-01-01","event":"x","user_id":"u",{rest}}}"#);
    let event = json_line("{}", &line(r#""context":{"ip":"192.0.2.1"}"#)).expect("an event");
    let context = ContextForm::ContextJson(r#"{"ip":"192.0.2.1"}"#.to_owned());
    assert_eq!(event.context_form, Some(context));
    let event = json_line("{}", &line(r#""context":"shop""#)).expect("an event");
    assert_eq!(
        (event.context_form.as_ref(), properties(&event)),
        (None, r#"{"context":"shop"}"#)
    );
}
