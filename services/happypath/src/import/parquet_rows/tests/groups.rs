//! Rows that name accounts.

use super::*;

#[test]
fn structs_and_objects_in_texts_name_accounts() {
    let schema = format!(
        "message m {{ {WHO}
            optional group groups {{ optional binary account (STRING); }}
            optional binary group_traits (STRING);
        }}"
    );
    let mut columns = who(2);
    columns.push((Values::Text(vec!["acme"]), vec![2, 1], Vec::new()));
    let traits = vec!["{\"account\":{\"plan\":\"pro\"}}"];
    columns.push((Values::Text(traits), vec![1, 0], Vec::new()));
    let lines = read(&schema, &columns, 1, Compression::SNAPPY);
    let [Ok(first), Ok(second)] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(first.event.groups["account"], "acme");
    assert!(first.event.group_traits.contains_key("account"));
    assert!(second.event.groups.is_empty() && second.event.group_traits.is_empty());
    assert_eq!(json(first), (String::new(), String::new()));
}
