//! The forms of requests, read once from the descriptors of the contracts: which fields there are,
//! how many of each, and the memory that one takes.

mod size;

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use self::size::element_bytes;
use crate::rules::{self, Shape as RuleShape};

/// Fields of one message that can be there more than once, at most: they are counted side by side.
pub(super) const COUNTED_FIELDS: usize = 16;
/// Requests that their service checks by hand, element by element, because the interpreter of rules
/// costs more than all the rest. The interpreter holds a second copy of every other one.
const CHECKED_BY_HAND: [&str; 2] = [
    "happypath.identity.v1.IngestRequest",
    "happypath.identity.v1.IngestStreamRequest",
];
/// The option of a method that binds it to HTTP.
const HTTP_OPTION: &str = "google.api.http";
/// Messages that hold JSON: their fields are not steps of a path that a sender knows.
const JSON: [&str; 3] = [
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
];

/// The request of a method.
#[derive(Debug)]
pub(crate) struct Method {
    /// Returns whether a caller may send more than one message.
    pub(crate) is_stream: bool,
    /// Returns whether it only reads, as its binding to `GET` says: asked twice, it does nothing
    /// twice.
    pub(crate) is_read: bool,
    /// Returns whether it may be answered with more than one message.
    pub(crate) answers_stream: bool,
    /// Returns whether the interpreter of rules makes a copy of each message. Where it does not,
    /// the service answers for each element of its list by itself.
    pub(crate) is_interpreted: bool,
    request: usize,
}

/// The form of one message.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// By number.
    fields: Vec<Option<FieldShape>>,
    /// Returns whether it is an entry of a map, which no path shows.
    pub(super) is_entry: bool,
    /// Returns whether it is a part of a JSON value.
    pub(super) is_json: bool,
}

/// The form of one field.
#[derive(Debug)]
pub(super) struct FieldShape {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) form: Form,
    /// Bytes of memory of the first element, and of each one after it, beyond its message.
    pub(super) bytes: (usize, usize),
}

/// The content of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Varint,
    Fixed64,
    Fixed32,
    Text,
    Bytes,
    Message(usize),
}

/// The number of times that a field may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    /// Elements at this place among the counted fields of its message, at most so many.
    List(usize, u64),
    /// Entries.
    Map(usize, u64),
}

/// The forms of all requests.
struct Contracts {
    shapes: Vec<Shape>,
    methods: HashMap<String, Method>,
}

static CONTRACTS: LazyLock<Contracts> = LazyLock::new(Contracts::compile);

/// The method of a path such as `/happypath.identity.v1.IdentityService/Ingest`; none where the
/// contracts have no such method.
pub(crate) fn method(path: &str) -> Option<&'static Method> {
    CONTRACTS.methods.get(path)
}

/// The form of a message that another one names.
pub(super) fn shape(place: usize) -> &'static Shape {
    &CONTRACTS.shapes[place]
}

impl Method {
    /// The form of its request.
    pub(super) fn shape(&self) -> &'static Shape {
        shape(self.request)
    }
}

impl Shape {
    /// The field of a number; none where the contract knows none.
    #[inline]
    pub(super) fn field(&self, number: u32) -> Option<&FieldShape> {
        let number = usize::try_from(number).ok()?;
        self.fields.get(number)?.as_ref()
    }
}

impl Contracts {
    fn compile() -> Self {
        let mut contracts = Self {
            shapes: Vec::new(),
            methods: HashMap::new(),
        };
        let mut places = HashMap::new();
        for service in proto::DESCRIPTORS.services() {
            for method in service.methods() {
                let input = method.input();
                let request = contracts.place(&input, &mut places);
                let path = format!("/{}/{}", service.full_name(), method.name());
                let method = Method {
                    is_stream: method.is_client_streaming(),
                    is_read: is_bound_to_get(&method),
                    answers_stream: method.is_server_streaming(),
                    is_interpreted: !CHECKED_BY_HAND.contains(&input.full_name()),
                    request,
                };
                contracts.methods.insert(path, method);
            }
        }
        contracts
    }

    /// The place of a message among the shapes. It is taken before the fields are looked at, since
    /// messages may hold themselves.
    fn place(&mut self, message: &MessageDescriptor, places: &mut HashMap<String, usize>) -> usize {
        let name = message.full_name();
        if let Some(place) = places.get(name) {
            return *place;
        }
        let place = self.shapes.len();
        places.insert(name.to_owned(), place);
        self.shapes.push(Shape::default());
        let mut counted = 0;
        let mut fields = Vec::new();
        for field in message.fields() {
            let number = field.number() as usize;
            if fields.len() <= number {
                fields.resize_with(number + 1, || None);
            }
            let content = self.content(&field, places);
            fields[number] = Some(FieldShape {
                name: field.name().to_owned(),
                content,
                form: form(&field, &mut counted),
                bytes: element_bytes(&field),
            });
        }
        self.shapes[place] = Shape {
            fields,
            is_entry: message.is_map_entry(),
            is_json: JSON.contains(&name),
        };
        place
    }

    fn content(&mut self, field: &FieldDescriptor, places: &mut HashMap<String, usize>) -> Content {
        match field.kind() {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Content::Fixed64,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Content::Fixed32,
            Kind::String => Content::Text,
            Kind::Bytes => Content::Bytes,
            Kind::Message(message) => Content::Message(self.place(&message, places)),
            Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Bool
            | Kind::Enum(_) => Content::Varint,
        }
    }
}

fn is_bound_to_get(method: &MethodDescriptor) -> bool {
    let Some(extension) = proto::DESCRIPTORS.get_extension_by_name(HTTP_OPTION) else {
        return false;
    };
    let option = method.options();
    let option = option.get_extension(&extension);
    option
        .as_message()
        .is_some_and(|rule| rule.has_field_by_name("get"))
}

fn form(field: &FieldDescriptor, counted: &mut usize) -> Form {
    if field.cardinality() != Cardinality::Repeated {
        return Form::Single;
    }
    // Never beyond, as a test knows.
    let place = (*counted).min(COUNTED_FIELDS - 1);
    *counted += 1;
    let most = most(field);
    if field.is_map() {
        Form::Map(place, most)
    } else {
        Form::List(place, most)
    }
}

/// The rule for the number of elements; without one, their memory bounds them.
fn most(field: &FieldDescriptor) -> u64 {
    let rules = rules::all().ok().and_then(|all| {
        let message = all.get(field.parent_message().full_name())?;
        message.fields.iter().find(|own| own.field == *field)
    });
    match rules.map(|rules| &rules.shape) {
        Some(RuleShape::List(list)) => list.max,
        Some(RuleShape::Map(map)) => map.max,
        Some(RuleShape::Single(_)) | None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::size::message_bytes;
    use super::*;

    #[test]
    fn every_method_of_the_contracts_has_a_form_and_every_list_a_counter() {
        for service in proto::DESCRIPTORS.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                assert!(super::method(&path).is_some(), "{path}");
            }
        }
        for shape in &CONTRACTS.shapes {
            // Fields are found by their number, so that numbers are small.
            assert!(shape.fields.len() < 256);
            let fields = shape.fields.iter().flatten();
            let counted = fields.filter(|field| field.form != Form::Single).count();
            assert!(counted <= COUNTED_FIELDS);
        }
        assert!(method("/grpc.health.v1.Health/Check").is_none());
    }

    #[test]
    fn reads_are_told_from_changes() {
        for (path, is_read) in [
            ("identity.v1.IdentityService/GetCustomer", true),
            ("definition.v1.DefinitionService/ListDefinitions", true),
            ("identity.v1.IdentityService/Ingest", false),
            ("definition.v1.DefinitionService/ApplyDefinitions", false),
        ] {
            let method = method(&format!("/happypath.{path}")).expect(path);
            assert_eq!(method.is_read, is_read, "{path}");
        }
    }

    #[test]
    fn rules_and_memory_are_found() {
        let ingest = method("/happypath.identity.v1.IdentityService/IngestStream").expect("there");
        assert!(ingest.is_stream && !ingest.is_interpreted);
        let events = ingest.shape().field(1).expect("events");
        assert_eq!(
            (events.name.as_str(), events.form),
            ("events", Form::List(0, 1000))
        );
        // As the compiler says.
        let event = size_of::<proto::identity::v1::Event>();
        assert!(events.bytes.1 >= event, "{} below {event}", events.bytes.1);
        assert!(
            events.bytes.0 <= 8 * event,
            "{} above {event}",
            events.bytes.0
        );
        let input = proto::DESCRIPTORS.get_message_by_name("google.protobuf.Value");
        let value = message_bytes(&input.expect("there"));
        assert!(
            value >= size_of::<prost_types::Value>() && value < 100,
            "{value}"
        );
    }
}
