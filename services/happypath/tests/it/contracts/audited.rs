//! Every RPC leaves what it should in the audit log, and nothing else.

use std::time::Duration;

use audit::{Class, class_of};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tonic::Code;

use super::call::{Server, methods, name_of};
use super::cases::{CASES, case_of};

/// Longer than a read may wait until it is written.
const WRITTEN: Duration = Duration::from_secs(1);

/// The actions by which changes are recorded in the transaction that makes them; those that are not
/// here are recorded by the name of their call.
const ACTIONS: [(&str, &str); 12] = [
    ("KeyService/CreateKey", "key.create"),
    ("KeyService/RotateKey", "key.rotate"),
    ("KeyService/RevokeKey", "key.revoke"),
    ("DefinitionService/ApplyDefinitions", "definition.create"),
    ("DefinitionService/DeleteDefinition", "definition.delete"),
    ("DefinitionService/RotateSecrets", "secrets.rotate"),
    ("IdentityService/MergeCustomers", "identity.merge"),
    ("ResolutionService/Link", "identity.merge"),
    ("ResolutionService/UnmergeCustomers", "identity.unmerge"),
    ("AccountService/MergeAccounts", "identity.merge"),
    ("AccountService/UnmergeAccounts", "identity.unmerge"),
    ("AuditService/ForgetSubjects", "audit.forget"),
];

/// Every RPC that has a case; another test holds that all have.
fn tried() -> Vec<MethodDescriptor> {
    let has_case = |name: &str| CASES.iter().any(|case| case.method == name);
    let methods = methods().into_iter();
    methods.filter(|it| has_case(&name_of(it))).collect()
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Returns the outcomes of all entries of an action.
fn outcomes(server: &Server, action: &str) -> Vec<String> {
    let request = format!(r#"{{"filter": {{"action": "{action}"}}, "page_size": 1000}}"#);
    let answer = server.ask("AuditService/ListEntries", &request);
    let entries = answer.get_field_by_name("entries").expect("a field");
    let entries = entries.as_list().expect("a list").iter();
    entries
        .map(|entry| text(entry.as_message().expect("an entry"), "outcome"))
        .collect()
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field).expect("a field");
    value.as_str().expect("a text").to_owned()
}

#[test]
fn every_change_and_every_read_of_a_customer_is_on_record() {
    let server = Server::start();
    for method in tried() {
        let _answer = server.right(&method, case_of(&name_of(&method)));
    }
    std::thread::sleep(WRITTEN);
    for method in tried() {
        let name = name_of(&method);
        let action = ACTIONS.iter().find(|(own, _)| *own == name);
        let call = rpc::call_name(&path_of(&method));
        let action = action.map_or(call.clone(), |(_, action)| (*action).to_owned());
        let found = outcomes(&server, &action);
        match class_of(&path_of(&method)) {
            Class::PersonalRead | Class::Order | Class::Change => {
                assert!(!found.is_empty(), "{name}: no entry of {action}");
            }
            Class::Event | Class::Other => assert_eq!(found, Vec::<String>::new(), "{name}"),
        }
    }
    let consent = outcomes(&server, "activation.set_consent");
    assert_eq!(consent, ["ASKED", "OK"]);
    server.stop();
}

#[test]
fn what_is_refused_is_on_record_with_its_outcome() {
    let server = Server::start();
    for (name, code) in [
        ("IdentityService/GetCustomer", Code::InvalidArgument),
        ("IdentityService/MergeCustomers", Code::InvalidArgument),
        ("ActivationService/SetConsent", Code::InvalidArgument),
    ] {
        let method = methods().into_iter().find(|it| name_of(it) == name);
        let method = method.expect(name);
        let empty = DynamicMessage::new(method.input());
        let refused = server.call(&method, empty, None).expect_err(name);
        assert_eq!(refused.code(), code, "{name}");
        std::thread::sleep(WRITTEN);
        let found = outcomes(&server, &rpc::call_name(&path_of(&method)));
        assert_eq!(found, ["INVALID_ARGUMENT"], "{name}");
    }
    server.stop();
}

#[test]
fn entries_name_who_did_it_and_from_where_but_no_customer() {
    let server = Server::start();
    let method = methods()
        .into_iter()
        .find(|it| name_of(it) == "IdentityService/GetCustomer");
    let method = method.expect("an RPC");
    let request = server.request(&method, case_of("IdentityService/GetCustomer"));
    let customer = text(&request, "customer_id");
    server.call(&method, request, None).expect("a customer");
    std::thread::sleep(WRITTEN);
    let list = |filter: String| {
        let request = format!(r#"{{"filter": {{{filter}}}}}"#);
        server.ask("AuditService/ListEntries", &request)
    };
    let answer = list(r#""action": "identity.get_customer""#.to_owned());
    let shown = format!("{answer:?}");
    assert!(!shown.contains(&customer), "{shown}");
    let entries = answer.get_field_by_name("entries").expect("a field");
    let entries = entries.as_list().expect("a list");
    let entry = entries[0].as_message().expect("an entry");
    assert_eq!(text(entry, "address"), "127.0.0.1");
    assert_ne!(text(entry, "caller_id"), "");
    let about = list(format!(r#""customer_ids": ["{customer}"]"#));
    let about = about.get_field_by_name("entries").expect("a field");
    assert!(about.as_list().is_some_and(|entries| !entries.is_empty()));
    let subject = entry.get_field_by_name("subject").expect("a field");
    assert!(matches!(subject.as_ref(), Value::Bytes(bytes) if bytes.len() == 32));
    server.stop();
}
