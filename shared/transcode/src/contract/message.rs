//! Messages, their fields, and enums.

use std::collections::HashMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Reflected, MessageDescriptor};

/// A message of the contracts.
#[derive(Debug)]
pub(crate) struct Message {
    /// The descriptor, for what is not on the way of every call.
    pub(crate) descriptor: MessageDescriptor,
    pub(crate) form: Form,
    pub(crate) fields: Vec<Field>,
    /// The places of fields, by both of their names.
    names: HashMap<String, usize>,
}

/// The form of a message in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object with a key for each field.
    Fields,
    /// A text of RFC 3339.
    Timestamp,
    /// Seconds with an `s`.
    Duration,
    /// Any object.
    Struct,
    /// Anything.
    Value,
    /// Any list.
    ListValue,
    /// Paths with commas between them.
    FieldMask,
    /// The value that it wraps.
    Wrapper,
    /// Not known to this build.
    Foreign,
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The name in JSON, such as `customerId`.
    pub(crate) json: String,
    /// The name in the contract, such as `customer_id`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) repeat: Repeat,
    /// The place of the oneof that it belongs to, among those of the message; none for the oneof of
    /// one field that `optional` makes.
    pub(crate) oneof: Option<usize>,
    pub(crate) descriptor: FieldDescriptor,
}

/// The number of values that a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    One,
    List,
    /// A map with keys of this kind; the kind of the field is that of the values.
    Map(Kind),
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    Text,
    Bytes,
    Enum(usize),
    Message(usize),
}

/// An enum of the contracts.
#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) descriptor: EnumDescriptor,
    numbers: HashMap<String, i32>,
}

/// Finds places for messages, each once.
#[derive(Default)]
pub(super) struct Compiler {
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
    places: HashMap<String, usize>,
}

impl Message {
    /// The field of a name, in either of its two spellings.
    #[inline]
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The full name, such as `happypath.identity.v1.Event`.
    pub(crate) fn full_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The names of its fields in JSON.
    pub(crate) fn json_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.json.as_str())
    }
}

impl Enum {
    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.numbers.get(name).copied()
    }

    /// The names of its values, in the order of the contract.
    pub(crate) fn names(&self) -> Vec<String> {
        let values = self.descriptor.values();
        values.map(|value| value.name().to_owned()).collect()
    }
}

impl Compiler {
    /// The place of a message. It is taken before the fields are looked at, since messages may hold
    /// themselves.
    pub(super) fn message(&mut self, descriptor: &MessageDescriptor) -> usize {
        if let Some(place) = self.places.get(descriptor.full_name()) {
            return *place;
        }
        let place = self.messages.len();
        self.places.insert(descriptor.full_name().to_owned(), place);
        self.messages.push(Message {
            descriptor: descriptor.clone(),
            form: form(descriptor.full_name()),
            fields: Vec::new(),
            names: HashMap::new(),
        });
        let fields: Vec<Field> = descriptor
            .fields()
            .map(|field| self.field(&field))
            .collect();
        let mut names = HashMap::new();
        for (at, field) in fields.iter().enumerate() {
            names.insert(field.json.clone(), at);
            names.insert(field.name.clone(), at);
        }
        let message = &mut self.messages[place];
        (message.fields, message.names) = (fields, names);
        place
    }

    fn field(&mut self, field: &FieldDescriptor) -> Field {
        let (kind, repeat) = match field.kind() {
            Reflected::Message(entry) if field.is_map() => {
                let key = self.kind(&entry.map_entry_key_field().kind());
                let value = self.kind(&entry.map_entry_value_field().kind());
                (value, Repeat::Map(key))
            }
            kind if field.is_list() => (self.kind(&kind), Repeat::List),
            kind => (self.kind(&kind), Repeat::One),
        };
        let oneof = field.containing_oneof().and_then(|oneof| {
            let parent = field.parent_message();
            let place = parent
                .oneofs()
                .position(|other| other.full_name() == oneof.full_name());
            place.filter(|_| !oneof.is_synthetic())
        });
        Field {
            number: field.number(),
            json: field.json_name().to_owned(),
            name: field.name().to_owned(),
            kind,
            repeat,
            oneof,
            descriptor: field.clone(),
        }
    }

    fn kind(&mut self, kind: &Reflected) -> Kind {
        match kind {
            Reflected::Double => Kind::Double,
            Reflected::Float => Kind::Float,
            Reflected::Int32 => Kind::Int32,
            Reflected::Int64 => Kind::Int64,
            Reflected::Uint32 => Kind::Uint32,
            Reflected::Uint64 => Kind::Uint64,
            Reflected::Sint32 => Kind::Sint32,
            Reflected::Sint64 => Kind::Sint64,
            Reflected::Fixed32 => Kind::Fixed32,
            Reflected::Fixed64 => Kind::Fixed64,
            Reflected::Sfixed32 => Kind::Sfixed32,
            Reflected::Sfixed64 => Kind::Sfixed64,
            Reflected::Bool => Kind::Bool,
            Reflected::String => Kind::Text,
            Reflected::Bytes => Kind::Bytes,
            Reflected::Enum(descriptor) => Kind::Enum(self.enumeration(descriptor)),
            Reflected::Message(descriptor) => Kind::Message(self.message(descriptor)),
        }
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> usize {
        if let Some(place) = self.places.get(descriptor.full_name()) {
            return *place;
        }
        let place = self.enums.len();
        self.places.insert(descriptor.full_name().to_owned(), place);
        let values = descriptor.values();
        self.enums.push(Enum {
            descriptor: descriptor.clone(),
            numbers: values
                .map(|value| (value.name().to_owned(), value.number()))
                .collect(),
        });
        place
    }
}

fn form(full_name: &str) -> Form {
    let Some(name) = full_name.strip_prefix("google.protobuf.") else {
        return Form::Fields;
    };
    match name {
        "Timestamp" => Form::Timestamp,
        "Duration" => Form::Duration,
        "Struct" => Form::Struct,
        "Value" => Form::Value,
        "ListValue" => Form::ListValue,
        "FieldMask" => Form::FieldMask,
        "Empty" => Form::Fields,
        name if name.ends_with("Value") => Form::Wrapper,
        _ => Form::Foreign,
    }
}
