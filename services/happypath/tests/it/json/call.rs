//! Calls of RPCs that are known by their descriptors only, in JSON.

use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage as _, SerializeOptions};
use serde_json::Value;
use tonic::Code;

use super::http::{Response, send};

/// A way of calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the path of the contract.
    Rest,
    /// By the Connect protocol.
    Connect,
}

/// All of them.
pub(crate) const WAYS: [Way; 2] = [Way::Rest, Way::Connect];

const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM: (&str, &str) = ("content-type", "application/connect+json");

/// An answer in JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    messages: Vec<Value>,
    error: Option<Value>,
}

/// A path of HTTP with its verb; where fields of the request are in it, as variables.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) verb: &'static str,
    pub(crate) path: String,
    pub(crate) has_body: bool,
}

impl Answer {
    /// Reads an answer of REST: one document, or lines.
    pub(crate) fn of_rest(response: &Response) -> Self {
        let read = |text: &[u8]| -> Value {
            let shown = String::from_utf8_lossy(text);
            serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {shown}"))
        };
        let documents = match response.header("content-type") {
            Some("application/x-ndjson") => {
                let lines = response.body.split(|byte| *byte == b'\n');
                lines.filter(|line| !line.is_empty()).map(read).collect()
            }
            _ => vec![read(&response.body)],
        };
        let (errors, messages): (Vec<Value>, Vec<Value>) = documents
            .into_iter()
            .partition(|document| document["error"]["status"].is_string());
        Self {
            status: response.status,
            messages,
            error: errors
                .into_iter()
                .next()
                .map(|mut error| error["error"].take()),
        }
    }

    /// Reads an answer of Connect: one document, or envelopes.
    pub(crate) fn of_connect(response: &Response) -> Self {
        let mut answer = Self {
            status: response.status,
            messages: Vec::new(),
            error: None,
        };
        let read = |text: &[u8]| -> Value { serde_json::from_slice(text).expect("JSON") };
        if response.header("content-type") != Some(STREAM.1) {
            match response.status {
                200 => answer.messages.push(read(&response.body)),
                _ => answer.error = Some(read(&response.body)),
            }
            return answer;
        }
        let mut rest = response.body.as_slice();
        while let Some((head, more)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let (message, after) = more.split_at(length);
            match head[0] {
                0 => answer.messages.push(read(message)),
                _ => answer.error = read(message).get("error").cloned(),
            }
            rest = after;
        }
        answer
    }

    /// The code that it ended with, by whichever name.
    pub(crate) fn code(&self) -> Code {
        let Some(error) = &self.error else {
            return Code::Ok;
        };
        let name = error["status"].as_str().or_else(|| error["code"].as_str());
        let name = name.expect("a name").to_ascii_uppercase();
        (0..=16)
            .map(Code::from)
            .find(|code| name_of(*code) == name)
            .unwrap_or_else(|| panic!("{name} is no code"))
    }

    pub(crate) fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// The message for people; empty where it ended well.
    pub(crate) fn message(&self) -> &str {
        let message = self
            .error
            .as_ref()
            .and_then(|error| error["message"].as_str());
        message.unwrap_or_default()
    }

    /// The details, as what they say.
    pub(crate) fn details(&self) -> Vec<Value> {
        let details = self
            .error
            .as_ref()
            .and_then(|error| error["details"].as_array());
        let details = details.cloned().unwrap_or_default().into_iter();
        details
            .map(|mut detail| match detail.get_mut("debug") {
                Some(debug) => debug.take(),
                None => detail,
            })
            .collect()
    }
}

/// The name of a code, as `google.rpc` has it; Connect leaves an L out of one.
fn name_of(code: Code) -> String {
    let name = format!("{code:?}");
    let mut spelled = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_uppercase());
    }
    match spelled.as_str() {
        "CANCELLED" => "CANCELED".to_owned(),
        _ => spelled,
    }
}

/// Calls an RPC.
pub(crate) fn ask(
    address: &str,
    way: Way,
    method: &MethodDescriptor,
    request: &DynamicMessage,
    headers: &[(&str, &str)],
) -> Answer {
    let options = SerializeOptions::new();
    let json = request.serialize_with_options(serde_json::value::Serializer, &options);
    let json = json.expect("JSON");
    match way {
        Way::Connect => connect(address, method, &json.to_string(), headers),
        Way::Rest => {
            let binding = binding_for(method, &json);
            let (target, body) = filled(method, &binding, json);
            let headers = [headers, &[JSON]].concat();
            let body = if binding.has_body {
                body
            } else {
                String::new()
            };
            let response = send(address, binding.verb, &target, &headers, body.as_bytes());
            Answer::of_rest(&response)
        }
    }
}

/// Calls an RPC with a document that is none of its requests; none where it takes no document.
pub(crate) fn ask_document(
    address: &str,
    way: Way,
    method: &MethodDescriptor,
    document: &str,
) -> Option<Answer> {
    if way == Way::Connect {
        return Some(connect(address, method, document, &[]));
    }
    let binding = bindings(method).into_iter().find(|it| it.has_body)?;
    let target = with_variables(&binding.path, |_| "x".to_owned());
    let response = send(address, binding.verb, &target, &[JSON], document.as_bytes());
    Some(Answer::of_rest(&response))
}

fn connect(
    address: &str,
    method: &MethodDescriptor,
    json: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let is_stream = method.is_client_streaming() || method.is_server_streaming();
    let (kind, body) = match is_stream {
        true => {
            let length = u32::try_from(json.len()).expect("short").to_be_bytes();
            (STREAM, [&[0], &length[..], json.as_bytes()].concat())
        }
        false => (JSON, json.as_bytes().to_vec()),
    };
    let headers = [headers, &[kind]].concat();
    Answer::of_connect(&send(address, "POST", &path, &headers, &body))
}

/// The paths of an RPC.
pub(crate) fn bindings(method: &MethodDescriptor) -> Vec<Binding> {
    let options = method.options();
    let extension = options
        .descriptor()
        .get_extension_by_full_name("google.api.http")
        .expect("the option");
    let rule = options.get_extension(&extension);
    let rule = rule.as_message().expect("a rule");
    let more = rule
        .get_field_by_name("additional_bindings")
        .expect("a field");
    let more = more.as_list().expect("a list").iter();
    let more = more.map(|rule| binding(rule.as_message().expect("a rule")));
    std::iter::once(binding(rule)).chain(more).collect()
}

fn binding(rule: &DynamicMessage) -> Binding {
    let verbs = ["GET", "PUT", "POST", "DELETE", "PATCH"];
    let field = |name: &str| {
        let value = rule.get_field_by_name(name).expect("a field");
        value.as_str().expect("a text").to_owned()
    };
    let is_there = |verb: &&&str| rule.has_field_by_name(&verb.to_ascii_lowercase());
    let verb = verbs.iter().find(is_there).expect("a verb");
    Binding {
        verb,
        path: field(&verb.to_ascii_lowercase()),
        has_body: !field("body").is_empty(),
    }
}

/// The first path whose variables a request has.
fn binding_for(method: &MethodDescriptor, json: &Value) -> Binding {
    let all = bindings(method);
    let has_all = |binding: &&Binding| {
        let names = variables(&binding.path);
        names.iter().all(|name| {
            let value = json.get(json_name(method, name));
            value.is_some_and(|value| value != "")
        })
    };
    let found = all.iter().find(has_all).cloned();
    // One that lacks a field of its path cannot be sent, but for the body of another path.
    let found = found.or_else(|| all.iter().find(|it| it.has_body).cloned());
    found.unwrap_or_else(|| all[0].clone())
}

fn json_name(method: &MethodDescriptor, name: &str) -> String {
    let field = method.input().get_field_by_name(name);
    field.expect("a field").json_name().to_owned()
}

/// The names of the variables of a path.
fn variables(path: &str) -> Vec<String> {
    let parts = path.split('{').skip(1);
    parts
        .filter_map(|part| part.split('}').next())
        .map(str::to_owned)
        .collect()
}

pub(crate) fn with_variables(path: &str, mut value: impl FnMut(&str) -> String) -> String {
    let mut target = path.to_owned();
    for name in variables(path) {
        target = target.replace(&format!("{{{name}}}"), &value(&name));
    }
    target
}

/// The target and the body of a request.
fn filled(method: &MethodDescriptor, binding: &Binding, mut json: Value) -> (String, String) {
    let fields = json.as_object_mut().expect("an object");
    let mut target = with_variables(&binding.path, |name| {
        let value = fields.remove(&json_name(method, name));
        encoded(&text_of(&value.unwrap_or_else(|| "x".into())))
    });
    if !binding.has_body {
        let mut query = Vec::new();
        flatten("", &json, &mut query);
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
    }
    (target, json.to_string())
}

fn flatten(prefix: &str, value: &Value, query: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, query);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(prefix, item, query)),
        value => query.push(format!("{prefix}={}", encoded(&text_of(value)))),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
