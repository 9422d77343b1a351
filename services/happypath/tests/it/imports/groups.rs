//! Imports of files whose lines name accounts.

use super::super::Dev;
use super::import;

#[test]
fn lines_name_accounts_their_traits_and_members() {
    let dev = Dev::start();
    dev.file(
        "a.csv",
        "timestamp,event,user_id,firm,tier\n\
         2026-01-01,visit,ann,acme,\n\
         2026-01-02,visit,bob,acme,pro\n\
         2026-01-03,renewed,,acme,team\n\
         2026-01-04,visit,eve,,\n",
    );
    let flags = [
        "a.csv",
        "--group-column",
        "firm",
        "--group-trait-column",
        "account.plan=tier",
    ];
    let preview = import(&dev, &[&flags[..], &["--dry-run"]].concat());
    assert_eq!(preview.code, Some(0), "{}", preview.said);
    let first = &preview.file["first"][1];
    assert_eq!(first["groups"]["account"], "acme", "{first}");
    assert_eq!(first["group_traits"]["account"]["plan"], "pro");
    assert_eq!(import(&dev, &flags).counts(), (4, 0));
    assert_eq!(import(&dev, &flags).counts(), (0, 4));
    dev.file(
        "b.jsonl",
        "{\"timestamp\": \"2026-01-05\", \"event\": \"visit\", \"user_id\": \"kim\", \
         \"groups\": {\"account\": \"acme\"}, \"group_traits\": {\"account\": {\"seats\": 7}}}\n",
    );
    assert_eq!(import(&dev, &["b.jsonl"]).counts(), (1, 0));
    dev.settle();
    let members = dev.json("accounts members account:acme");
    let members = members["memberships"].as_array().expect("members");
    assert_eq!(members.len(), 3, "{members:?}");
    let account = dev.json("accounts get account:acme");
    let told = account["profile"]["traits"].to_string();
    for part in ["team", "seats"] {
        assert!(told.contains(part), "{account}");
    }
    dev.stop();
}
