//! Methods as operations.

use prost_reflect::ReflectMessage as _;
use serde_json::{Map, Value, json};

use super::rules::Rules;
use super::schema::{Schemas, describe, object};
use super::{comment, example};
use crate::contract::{self, Binding, Body, Field, Form, Kind, Message, Method, Repeat};

/// The option of a method that says what its caller has to have.
const ACCESS: &str = "happypath.access.v1.access";
/// Messages in messages whose fields are parameters of a query.
const QUERY_DEPTH: usize = 3;
/// The other form of a stream.
const EVENTS_TEXT: &str = " With `accept: text/event-stream` each message is a server-sent event, with its \
    `position`, where it has one, as its id: `last-event-id` counts as `position`. Where the call fails after \
    the first of them, the last event is an `error`.";

/// The path of a binding, with names as JSON has them.
pub(super) fn path(method: &Method, binding: &Binding) -> String {
    let message = contract::message(method.input);
    binding
        .template
        .written(|name| format!("{{{}}}", json_path(message, name)))
}

/// A method at one of its paths; others than the first have a number in their id.
pub(super) fn operation(
    method: &'static Method,
    binding: &'static Binding,
    number: usize,
    schemas: &mut Schemas,
) -> Value {
    let service = method.descriptor.parent_service();
    let text = comment::of(method.descriptor.full_name());
    let mut id = format!("{}_{}", service.name(), method.descriptor.name());
    if number > 1 {
        id.push_str(&format!("_{number}"));
    }
    let mut operation = object(json!({
        "operationId": id,
        "tags": [service.name()],
        "summary": comment::summary(text),
        "description": format!("{text}\n\n{}", demand(method)),
    }));
    let parameters = parameters(method, binding, schemas);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = body(method, binding, schemas) {
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), responses(method, schemas));
    Value::Object(operation)
}

fn body(
    method: &'static Method,
    binding: &'static Binding,
    schemas: &mut Schemas,
) -> Option<Value> {
    let message = contract::message(method.input);
    let schema = match binding.body {
        Body::Absent => return None,
        Body::Whole => schemas.message(message),
        Body::Field(place) => schemas.field(&message.fields[place]),
    };
    let mut content = object(json!({"application/json": {"schema": schema}}));
    if let Some(example) = example::of(method.descriptor.name())
        && binding.body == Body::Whole
    {
        content["application/json"]["example"] = example;
    }
    let mut text = String::new();
    if method.is_client_stream {
        content.insert(
            "application/x-ndjson".to_owned(),
            json!({"schema": {"type": "string", "description": "A message on each line."}}),
        );
        text.push_str(
            "One message as JSON, or as many as there are, each on a line of application/x-ndjson. They are \
             read and answered as they come, so that a body has no bound; a line has that of a \
             message, 8 MiB.",
        );
    }
    let mut body = object(json!({"required": true, "content": content}));
    describe(&mut body, &text);
    Some(Value::Object(body))
}

fn responses(method: &'static Method, schemas: &mut Schemas) -> Value {
    let schema = schemas.message(contract::message(method.output));
    let mut content = Map::new();
    let mut text = "The answer.".to_owned();
    if method.is_unary() {
        content.insert("application/json".to_owned(), json!({"schema": schema}));
    } else {
        text = "A message on each line. Where the call fails after the first of them, the last line is an \
                object with the field `error`, as in other answers."
            .to_owned();
        content.insert("application/x-ndjson".to_owned(), json!({"schema": schema}));
    }
    if method.answers_events() {
        text.push_str(EVENTS_TEXT);
        let events = json!({"schema": {"type": "string", "description": "Server-sent events."}});
        content.insert("text/event-stream".to_owned(), events);
    }
    json!({
        "200": {"description": text, "content": content},
        "default": {"$ref": "#/components/responses/Error"},
    })
}

/// The fields that are in the path, and where nothing else holds the others, in the query.
fn parameters(
    method: &'static Method,
    binding: &'static Binding,
    schemas: &mut Schemas,
) -> Vec<Value> {
    let message = contract::message(method.input);
    let mut parameters = Vec::new();
    let mut taken = Vec::new();
    for name in binding.template.names() {
        let path = json_path(message, name);
        let mut schema = match field_at(message, name) {
            Some(field) => schemas.field(field),
            None => Map::new(),
        };
        let text = schema.remove("description").unwrap_or_default();
        parameters.push(json!({
            "name": path, "in": "path", "required": true, "description": text, "schema": schema,
        }));
        taken.push(path);
    }
    match binding.body {
        Body::Whole => return parameters,
        Body::Field(place) => taken.push(message.fields[place].json.clone()),
        Body::Absent => {}
    }
    add_query(message, "", &taken, schemas, &mut parameters);
    parameters
}

fn add_query(
    message: &'static Message,
    prefix: &str,
    taken: &[String],
    schemas: &mut Schemas,
    to: &mut Vec<Value>,
) {
    for field in &message.fields {
        let name = format!("{prefix}{}", field.json);
        if taken.contains(&name) || matches!(field.repeat, Repeat::Map(_)) {
            continue;
        }
        if let Kind::Message(place) = field.kind {
            let inner = contract::message(place);
            match inner.form {
                Form::Fields if field.repeat == Repeat::One => {
                    if prefix.split('.').count() <= QUERY_DEPTH {
                        add_query(inner, &format!("{name}."), taken, schemas, to);
                    }
                    continue;
                }
                Form::Timestamp | Form::Duration | Form::FieldMask | Form::Wrapper => {}
                _ => continue,
            }
        }
        let mut schema = schemas.field(field);
        let text = schema.remove("description").unwrap_or_default();
        let is_required = prefix.is_empty()
            && field.oneof.is_none()
            && Rules::of(&field.descriptor).is_required();
        let mut parameter = object(json!({"name": name, "in": "query"}));
        if is_required {
            parameter.insert("required".to_owned(), true.into());
        }
        parameter.insert("description".to_owned(), text);
        parameter.insert("schema".to_owned(), schema.into());
        to.push(Value::Object(parameter));
    }
}

/// The field at a path of names in a contract.
fn field_at(message: &'static Message, path: &str) -> Option<&'static Field> {
    let mut inside = Some(message);
    let mut found = None;
    for name in path.split('.') {
        let message = inside?;
        let field = &message.fields[message.field(name)?];
        inside = match field.kind {
            Kind::Message(place) => Some(contract::message(place)),
            _ => None,
        };
        found = Some(field);
    }
    found
}

fn json_path(message: &'static Message, path: &str) -> String {
    let mut names = Vec::new();
    let mut so_far = String::new();
    for name in path.split('.') {
        if !so_far.is_empty() {
            so_far.push('.');
        }
        so_far.push_str(name);
        names.push(field_at(message, &so_far).map_or(name, |field| field.json.as_str()));
    }
    names.join(".")
}

/// Says what a caller has to have.
fn demand(method: &Method) -> String {
    let options = method.descriptor.options();
    let demand = || {
        let extension = options.descriptor().get_extension_by_full_name(ACCESS)?;
        let access = options.get_extension(&extension);
        let scope = access.as_message()?.get_field_by_name("scope")?;
        let scope = scope.as_str()?;
        (!scope.is_empty()).then(|| format!("Scope: `{scope}`."))
    };
    demand().unwrap_or_else(|| "Any caller with a credential.".to_owned())
}
