//! Marks: texts that are nowhere else, each in one field of one request.

use prost_reflect::{DynamicMessage, Kind, MapKey, MethodDescriptor, ReflectMessage as _, Value};

use crate::contracts::call::name_of;

/// The beginning of every mark, which a name may have too.
const MARK: &str = "zqmark";
/// Letters around a mark that are shown.
const AROUND: usize = 120;

/// The marks that were given, each with where it went.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<String>);

impl Marks {
    /// Gives a mark to a place.
    pub(super) fn next(&mut self, place: String) -> String {
        self.0.push(place);
        format!("{MARK}{}q", self.0.len() - 1)
    }

    /// Returns copies of a request, each with a mark instead of one of its texts.
    pub(super) fn each_text(
        &mut self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> Vec<DynamicMessage> {
        let mut marked = Vec::new();
        for number in 0..count(request) {
            marked.push(self.marked(method, request, Some(number)));
        }
        marked
    }

    /// Returns a copy of a request with a mark instead of each of its texts.
    pub(super) fn all_texts(
        &mut self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> DynamicMessage {
        self.marked(method, request, None)
    }

    /// Returns a copy of a request with a mark instead of one of its texts, or of all.
    fn marked(
        &mut self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
        chosen: Option<usize>,
    ) -> DynamicMessage {
        let mut copy = request.clone();
        let mut walk = Walk {
            chosen,
            at: 0,
            marks: self,
            path: vec![name_of(method)],
        };
        walk.message(&mut copy);
        copy
    }

    /// A path of an RPC that there is not.
    pub(super) fn path(&mut self) -> String {
        let mark = self.next("the path of an unknown method".to_owned());
        format!("/happypath.identity.v1.IdentityService/{mark}")
    }

    /// Bytes that are no message, with a mark.
    pub(super) fn broken(&mut self) -> Vec<u8> {
        let mark = self.next("a message that cannot be read".to_owned());
        [b"\x0a\xff\xff", mark.as_bytes()].concat()
    }

    /// Tells which marks came out somewhere, each once.
    pub(super) fn found_in(&self, outlet: &str, text: &str) -> Vec<String> {
        let mut places = std::collections::BTreeMap::new();
        for (at, _) in text.match_indices(MARK) {
            let digits: String = text[at + MARK.len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            let place = digits
                .parse()
                .ok()
                .and_then(|number: usize| self.0.get(number));
            let place = place.map_or("unknown", String::as_str);
            places.entry(place).or_insert_with(|| around(text, at));
        }
        let found = places.into_iter();
        found
            .map(|(place, around)| format!("{outlet}: {place}: …{around}…"))
            .collect()
    }
}

fn around(text: &str, at: usize) -> String {
    let mut from = at.saturating_sub(AROUND);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    text[from..]
        .chars()
        .take(2 * AROUND)
        .collect::<String>()
        .replace('\n', "⏎")
}

/// The number of texts of a request.
fn count(request: &DynamicMessage) -> usize {
    let mut marks = Marks::default();
    let mut walk = Walk {
        chosen: Some(usize::MAX),
        at: 0,
        marks: &mut marks,
        path: Vec::new(),
    };
    walk.message(&mut request.clone());
    walk.at
}

/// Visits the texts of a message, and marks those that are chosen.
struct Walk<'a> {
    /// The number of the only text that is marked; absent for all.
    chosen: Option<usize>,
    at: usize,
    marks: &'a mut Marks,
    path: Vec<String>,
}

impl Walk<'_> {
    fn message(&mut self, message: &mut DynamicMessage) {
        let fields: Vec<_> = message.descriptor().fields().collect();
        for field in fields {
            // The id of a request is the caller's own, and so no customer's, but is marked too.
            let is_text = field.kind() == Kind::String && !field.is_list() && !field.is_map();
            if !(message.has_field(&field) || is_text && field.containing_oneof().is_none()) {
                continue;
            }
            self.path.push(field.name().to_owned());
            let mut value = message.get_field(&field).into_owned();
            self.value(&mut value);
            message.set_field(&field, value);
            self.path.pop();
        }
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Message(message) => self.message(message),
            Value::List(values) => values.iter_mut().for_each(|it| self.value(it)),
            Value::Map(entries) => {
                let mut marked = std::collections::HashMap::new();
                for (key, mut value) in entries.drain() {
                    let key = match key {
                        MapKey::String(mut key) => {
                            self.path.push("(key)".to_owned());
                            self.text(&mut key);
                            self.path.pop();
                            MapKey::String(key)
                        }
                        other => other,
                    };
                    self.value(&mut value);
                    marked.insert(key, value);
                }
                *entries = marked;
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &mut String) {
        if self.chosen.is_none_or(|chosen| chosen == self.at) {
            let mark = self.marks.next(self.path.join("."));
            // In a text of JSON the mark is a value.
            *text = match text.starts_with('{') {
                true => format!(r#"{{"{mark}": "{mark}"}}"#),
                false => mark,
            };
        }
        self.at += 1;
    }
}
