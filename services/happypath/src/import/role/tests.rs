//! Tests of the meaning of columns.

use super::*;

/// The uses of each column, or the fields at fault.
fn roles(mapping: &Mapping, header: &str, is_json: bool) -> Result<String, String> {
    let columns: Vec<&str> = header.split(',').collect();
    match mapping.roles(&columns, is_json) {
        Ok(roles) => {
            let shown = roles.iter().map(|role| format!("{:?}", role.uses));
            Ok(shown.collect::<Vec<_>>().join(" ").replace('"', ""))
        }
        Err(faults) => {
            let fields: Vec<String> = faults.into_iter().map(|(field, _)| field).collect();
            Err(fields.join(","))
        }
    }
}

fn mapping(yaml: &str) -> Mapping {
    serde_saphyr::from_str(yaml).expect("a mapping")
}

#[test]
fn the_usual_names_are_found() {
    for (header, found) in [
        (
            "timestamp,customer_id,event,value",
            "[Time] [Identifier(user_id)] [Event] [Property(value)]",
        ),
        (
            "date,time,email,event_type",
            "[Property(date)] [Time] [Identifier(email), Address(email)] [Event]",
        ),
        (
            "event_id,event,occurred_at,user_id,anonymous_id",
            "[EventId] [Event] [Time] [Identifier(user_id)] [Identifier(anonymous_id)]",
        ),
        (
            "Event Name,Event Time,User ID,E-mail",
            "[Event] [Time] [Identifier(user_id)] [Identifier(email), Address(email)]",
        ),
        (
            "event_date,event_timestamp,event_name,user_pseudo_id",
            "[Property(event_date)] [Time] [Event] [Identifier(anonymous_id)]",
        ),
    ] {
        let roles = roles(&Mapping::default(), header, false);
        assert_eq!(roles.as_deref(), Ok(found));
    }
}

#[test]
fn objects_of_json_lines_are_taken_whole() {
    let roles = |names| roles(&Mapping::default(), names, true);
    assert_eq!(
        roles("name,time,identifiers,properties,traits").as_deref(),
        Ok("[Event] [Time] [Identifiers] [Properties] [Traits]")
    );
    assert_eq!(
        roles("type,userId,anonymousId,messageId,timestamp,traits").as_deref(),
        Ok("[Event] [Identifier(user_id)] [Identifier(anonymous_id)] [EventId] [Time] [Traits]")
    );
    assert_eq!(
        roles("type,name,userId,timestamp,context").as_deref(),
        Ok("[Event] [Property(name)] [Identifier(user_id)] [Time] [Context]")
    );
    assert_eq!(
        roles("type,event,userId,timestamp").as_deref(),
        Ok("[Property(type)] [Event] [Identifier(user_id)] [Time]")
    );
}

#[test]
fn what_the_mapping_says_wins() {
    let mapping = mapping(
        "time: at\nevent_name: purchase\nidentifiers: {crm_id: household}\ntraits: {plan: p}\nproperties: {value: sum}\n",
    );
    assert_eq!(
        roles(&mapping, "at,household,event,p,sum,x", false).as_deref(),
        Ok("[Time] [Identifier(crm_id)] [] [Trait(plan)] [Property(value)] []")
    );
}

#[test]
fn a_column_may_have_several_uses_and_an_identifier_several_columns() {
    let mapping = mapping(
        "identifiers: {email: [work, home]}\ntraits: {email: work, first: home, again: home}\n",
    );
    assert_eq!(
        roles(&mapping, "time,event,work,home", false).as_deref(),
        Ok(
            "[Time] [Event] [Identifier(email), Trait(email)] [Identifier(email), Trait(again), Trait(first)]"
        )
    );
}

#[test]
fn columns_of_accounts_are_named_and_are_enough() {
    let mapping = mapping("groups: {account: firm}\ngroup_traits: {account: {plan: tier}}");
    assert_eq!(
        roles(&mapping, "time,event,firm,tier", false).as_deref(),
        Ok("[Time] [Event] [Group(account)] [GroupTrait(account, plan)]")
    );
    assert_eq!(
        roles(&Mapping::default(), "time,event,groups,groupTraits", true).as_deref(),
        Ok("[Time] [Event] [Groups] [GroupTraits]")
    );
    // In separated values, no cell is an object.
    assert_eq!(
        roles(&Mapping::default(), "time,event,user_id,groups", false).as_deref(),
        Ok("[Time] [Event] [Identifier(user_id)] [Property(groups)]")
    );
}

#[test]
fn columns_that_nobody_could_tell_apart_are_refused() {
    let none = Mapping::default();
    for (header, found) in [
        ("time,event,user_id,price,price", Err("price")),
        ("time,event,user_id,Price,price", Err("price")),
        ("time,event,user_id,o\u{308},ö", Err("ö")),
        ("time,event,user_id,time", Err("time")),
        ("time,event,user_id,User ID", Ok(())),
    ] {
        let roles = roles(&none, header, false);
        assert_eq!(roles.as_ref().map(|_| ()).map_err(String::as_str), found);
    }
    let ignoring = mapping("ignore: ['#5']");
    assert!(roles(&ignoring, "time,event,user_id,price,price", false).is_ok());
    let faults = none
        .roles(&["time", "event", "user_id", "price", "price"], false)
        .expect_err("a fault");
    assert!(faults[0].1.contains("columns 4 and 5"), "{faults:?}");
}

#[test]
fn a_column_without_a_name_is_known_by_its_number() {
    assert_eq!(
        roles(&Mapping::default(), ",time,event,user_id,", false).as_deref(),
        Ok("[Nameless] [Time] [Event] [Identifier(user_id)] [Nameless]")
    );
    let mapping = mapping("identifiers: {user_id: '#1'}\nignore: ['#4']");
    assert_eq!(
        roles(&mapping, ",time,event,", false).as_deref(),
        Ok("[Identifier(user_id)] [Time] [Event] []")
    );
}

#[test]
fn everything_that_is_missing_is_named_at_once_with_what_it_may_be() {
    let mapping = mapping("event: kind\ntypes: {skuu: text}\n");
    assert_eq!(
        roles(&mapping, "a,b,sku", false),
        Err("kind,skuu,time,event,identifiers".to_owned())
    );
    let faults = mapping
        .roles(&["tiemstamp", "kinds", "sku"], false)
        .expect_err("faults");
    for (place, part) in [
        (0, "did you mean `kinds`?"),
        (1, "did you mean `sku`?"),
        (2, "is it `tiemstamp`? Name it with --time-column COLUMN"),
        (4, "--customer-column user_id=COLUMN"),
    ] {
        assert!(faults[place].1.contains(part), "{faults:?}");
    }
}
