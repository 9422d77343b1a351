//! Every RPC says how it is reached over HTTP: by which verb and path, each for itself.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, Value};
use proto::DESCRIPTORS;

/// The verbs of a rule.
const VERBS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// One way to reach an RPC.
#[derive(Debug)]
struct Binding {
    verb: &'static str,
    path: String,
    body: String,
}

/// Every RPC of our contracts.
fn methods() -> Vec<MethodDescriptor> {
    let services = DESCRIPTORS.services();
    let ours = services.filter(|it| it.package_name().starts_with("happypath."));
    let methods: Vec<_> = ours
        .flat_map(|it| it.methods().collect::<Vec<_>>())
        .collect();
    assert!(methods.len() > 25, "{}", methods.len());
    methods
}

/// The bindings of an RPC: its rule, and those beside it.
fn bindings(method: &MethodDescriptor) -> Vec<Binding> {
    let extension = DESCRIPTORS.get_extension_by_name("google.api.http");
    let extension = extension.expect("the annotations are compiled");
    let options = method.options();
    if !options.has_extension(&extension) {
        return Vec::new();
    }
    let rule = options.get_extension(&extension);
    let rule = rule.as_message().expect("a rule");
    let more = rule.get_field_by_name("additional_bindings");
    let more = more.as_deref().and_then(Value::as_list).expect("a list");
    let more = more.iter().filter_map(Value::as_message);
    std::iter::once(rule).chain(more).map(binding).collect()
}

fn binding(rule: &DynamicMessage) -> Binding {
    let text = |name: &str| {
        let value = rule.get_field_by_name(name);
        value.and_then(|it| it.as_str().map(str::to_owned))
    };
    let set = VERBS
        .into_iter()
        .filter(|verb| rule.has_field_by_name(verb));
    let set: Vec<&'static str> = set.collect();
    let &[verb] = set.as_slice() else {
        panic!("{rule:?}: has not one verb");
    };
    Binding {
        verb,
        path: text(verb).expect("a path"),
        body: text("body").unwrap_or_default(),
    }
}

/// The segments of a path, each a literal or the field that stands there, and the verb behind `:`.
fn segments(path: &str) -> (Vec<Result<&str, &str>>, &str) {
    let rest = path.strip_prefix('/').expect("a path begins with /");
    let (rest, verb) = match rest.rsplit_once(':') {
        Some((rest, verb)) => (rest, verb),
        None => (rest, ""),
    };
    let segment = |text| match str::strip_prefix(text, '{') {
        Some(field) => Err(field.strip_suffix('}').expect("a field ends with }")),
        None => Ok(text),
    };
    (rest.split('/').map(segment).collect(), verb)
}

/// Returns whether some URL is of both paths.
fn overlap(one: &str, other: &str) -> bool {
    let ((one, verb), (other, other_verb)) = (segments(one), segments(other));
    verb == other_verb
        && one.len() == other.len()
        && one.iter().zip(&other).all(|pair| match pair {
            (Ok(one), Ok(other)) => one == other,
            // A field that has a colon in it would be read as a verb.
            _ => true,
        })
}

/// Returns whether a path of names leads to one text, number or value of an enumeration.
fn is_scalar(message: &MessageDescriptor, path: &str) -> bool {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let Some(field) = message.get_field_by_name(name) else {
        return false;
    };
    match (field.kind(), rest) {
        (Kind::Message(inner), Some(rest)) => !field.is_list() && is_scalar(&inner, rest),
        (Kind::Message(_), None) | (_, Some(_)) => false,
        (_, None) => !field.is_list(),
    }
}

#[test]
fn every_rpc_has_a_path() {
    let bare: Vec<String> = methods()
        .iter()
        .filter(|method| bindings(method).is_empty())
        .map(|method| method.full_name().to_owned())
        .collect();
    assert!(bare.is_empty(), "no google.api.http: {bare:?}");
}

#[test]
fn no_two_paths_collide() {
    let all = methods();
    let all: Vec<(&str, Binding)> = all
        .iter()
        .flat_map(|method| {
            let bindings = bindings(method).into_iter();
            bindings.map(move |it| (method.full_name(), it))
        })
        .collect();
    for (place, (name, one)) in all.iter().enumerate() {
        for (other_name, other) in &all[place + 1..] {
            let collide = one.verb == other.verb && overlap(&one.path, &other.path);
            assert!(!collide, "{name} {one:?} and {other_name} {other:?}");
        }
    }
}

#[test]
fn what_a_path_names_is_a_field_of_the_request() {
    for method in methods() {
        for binding in bindings(&method) {
            let name = method.full_name();
            let (segments, _) = segments(&binding.path);
            assert_eq!(segments.first(), Some(&Ok("v1")), "{name}: {binding:?}");
            for field in segments.into_iter().filter_map(Result::err) {
                let is_there = is_scalar(&method.input(), field);
                assert!(is_there, "{name}: {field} is no field of the request");
            }
            let has_body = !matches!(binding.verb, "get" | "delete");
            let body = if has_body { "*" } else { "" };
            assert_eq!(binding.body, body, "{name}: {binding:?}");
        }
    }
}

#[test]
fn paths_that_share_a_url_are_found() {
    for (one, other, expected) in [
        ("/v1/a/{b}", "/v1/a/{c}", true),
        ("/v1/a/{b}", "/v1/a/c", true),
        ("/v1/a/{b}", "/v1/a/{b}/c", false),
        ("/v1/a:x", "/v1/a:y", false),
        ("/v1/a:x", "/v1/a", false),
        ("/v1/a/{b}:x", "/v1/a/{c}:x", true),
        ("/v1/a", "/v1/b", false),
    ] {
        assert_eq!(overlap(one, other), expected, "{one} {other}");
    }
}
