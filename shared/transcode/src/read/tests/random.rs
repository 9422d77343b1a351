//! Random documents: most fields as the contract has them, some not.

use serde_json::{Map, Value, json};

use crate::contract::{self, Field, Form, Kind, Message, Repeat};

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        kernel::split_mix(self.0)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.next() % end).expect("a small number")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// A document of a message.
    pub(super) fn message(&mut self, message: &'static Message, depth: usize) -> String {
        self.object(message, depth).to_string()
    }

    fn object(&mut self, message: &'static Message, depth: usize) -> Value {
        let mut fields = Map::new();
        for field in &message.fields {
            if !self.one_in(3) {
                continue;
            }
            let name = match self.one_in(4) {
                true => field.name.clone(),
                false => field.json.clone(),
            };
            let value = self.field(field, depth);
            fields.insert(name, value);
        }
        if self.one_in(60) {
            fields.insert("unknown".to_owned(), json!(1));
        }
        Value::Object(fields)
    }

    fn field(&mut self, field: &'static Field, depth: usize) -> Value {
        if self.one_in(30) {
            return Value::Null;
        }
        match field.repeat {
            Repeat::One => self.value(field.kind, depth),
            Repeat::List => {
                let count = self.below(3);
                (0..count).map(|_| self.value(field.kind, depth)).collect()
            }
            Repeat::Map(_) => {
                let count = self.below(3);
                let entries =
                    (0..count).map(|place| (format!("k{place}"), self.value(field.kind, depth)));
                Value::Object(entries.collect())
            }
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> Value {
        if self.one_in(60) {
            return self.anything(1);
        }
        match kind {
            Kind::Double | Kind::Float => {
                self.pick(&[json!(0), json!(-1.5), json!(1e10), json!("2.5")])
            }
            Kind::Bool => json!(self.one_in(2)),
            Kind::Text => self.pick(&[json!(""), json!("a"), json!("ä\n\u{1f600}"), json!("null")]),
            Kind::Bytes => self.pick(&[json!(""), json!("YQ=="), json!("-_8")]),
            Kind::Enum(place) => {
                let names = contract::enumeration(place).names();
                let number = self.below(names.len());
                match self.one_in(4) {
                    true => json!(number),
                    false => json!(names[number]),
                }
            }
            Kind::Message(place) => self.inner(contract::message(place), depth),
            _ => self.pick(&[
                json!(0),
                json!(1),
                json!("7"),
                json!(-1),
                json!(70_000),
                json!(2.0),
                json!(1.5),
            ]),
        }
    }

    fn inner(&mut self, message: &'static Message, depth: usize) -> Value {
        match message.form {
            Form::Timestamp => self.pick(&[
                json!("2026-03-01T09:30:00Z"),
                json!("1969-12-31T23:59:59.25+01:00"),
                json!("2026-03-01"),
            ]),
            Form::Struct if depth > 0 => {
                let count = self.below(3);
                let entries =
                    (0..count).map(|place| (format!("k{place}"), self.anything(depth - 1)));
                Value::Object(entries.collect())
            }
            Form::Value => self.anything(depth),
            Form::Fields if depth > 0 => self.object(message, depth - 1),
            _ => json!({}),
        }
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(12.5),
            3 => json!(-3),
            4 => json!("text"),
            5 => (0..self.below(3))
                .map(|_| self.anything(depth - 1))
                .collect(),
            _ => {
                let count = self.below(3);
                let entries =
                    (0..count).map(|place| (format!("k{place}"), self.anything(depth - 1)));
                Value::Object(entries.collect())
            }
        }
    }
}
