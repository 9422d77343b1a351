//! The shape of the columns of a row: lists, maps and structs of leaves, written as JSON.
//!
//! A row is put together from the levels of its leaves, as Dremel (Melnik et al., 2010) has them.
//! Lists are known in all the ways in which writers wrote them.

use parquet::basic::{ConvertedType, Repetition};
use parquet::schema::types::{Type, TypePtr};

use super::kind::{Written, write_text};
use super::leaf::Leaf;
use crate::limits::PARQUET_DEPTH;

/// A value of a row, which may have others in it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// The definition level from which on it is there; absent where it always is.
    optional: Option<i16>,
    /// Its leaves, which stand together.
    first: usize,
    end: usize,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Leaf,
    Struct(Vec<Node>),
    List {
        element: Box<Node>,
        levels: Levels,
    },
    Map {
        key: Box<Node>,
        value: Box<Node>,
        levels: Levels,
    },
}

/// The levels of a repeated value.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// From this definition level on it has an element.
    definition: i16,
    /// At this repetition level another one follows.
    repetition: i16,
}

/// Returns the columns of a file.
///
/// # Errors
/// Where its schema is none.
pub(super) fn columns(root: &Type) -> Result<Vec<Node>, String> {
    let mut builder = Builder { leaves: 0 };
    let top = Above {
        definition: 0,
        repetition: 0,
        depth: 0,
    };
    let fields = root.get_fields().iter();
    fields.map(|field| builder.node(field, top)).collect()
}

struct Builder {
    leaves: usize,
}

/// The levels of what a node is in.
#[derive(Clone, Copy)]
struct Above {
    definition: i16,
    repetition: i16,
    depth: usize,
}

impl Above {
    /// Inside of what may be absent.
    fn optional(self) -> Self {
        Self {
            definition: self.definition + 1,
            ..self
        }
    }

    /// Inside of what may be there several times.
    fn repeated(self) -> (Self, Levels) {
        let levels = Levels {
            definition: self.definition + 1,
            repetition: self.repetition + 1,
        };
        let inside = Self {
            definition: levels.definition,
            repetition: levels.repetition,
            ..self
        };
        (inside, levels)
    }
}

impl Builder {
    fn node(&mut self, field: &TypePtr, above: Above) -> Result<Node, String> {
        match field.get_basic_info().repetition() {
            Repetition::REQUIRED => self.present(field, above, None),
            Repetition::OPTIONAL => {
                let inside = above.optional();
                self.present(field, inside, Some(inside.definition))
            }
            Repetition::REPEATED => {
                let first = self.leaves;
                let (inside, levels) = above.repeated();
                let element = Box::new(self.present(field, inside, None)?);
                Ok(Node {
                    name: field.name().to_owned(),
                    optional: None,
                    first,
                    end: self.leaves,
                    shape: Shape::List { element, levels },
                })
            }
        }
    }

    /// Returns the node of a field without a look at whether it is there.
    fn present(
        &mut self,
        field: &TypePtr,
        above: Above,
        optional: Option<i16>,
    ) -> Result<Node, String> {
        let above = Above {
            depth: above.depth + 1,
            ..above
        };
        let name = field.name();
        if above.depth > PARQUET_DEPTH {
            return Err(format!(
                "the column {name} is deeper than {PARQUET_DEPTH} levels"
            ));
        }
        let first = self.leaves;
        let shape = if field.is_primitive() {
            self.leaves += 1;
            Shape::Leaf
        } else {
            match field.get_basic_info().converted_type() {
                ConvertedType::LIST => self.list(field, above)?,
                ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => self.map(field, above)?,
                _ => Shape::Struct(self.fields(field, above)?),
            }
        };
        if self.leaves == first {
            return Err(format!("the column {name} has no values in it"));
        }
        Ok(Node {
            name: name.to_owned(),
            optional,
            first,
            end: self.leaves,
            shape,
        })
    }

    fn fields(&mut self, field: &Type, above: Above) -> Result<Vec<Node>, String> {
        let fields = field.get_fields().iter();
        fields.map(|field| self.node(field, above)).collect()
    }

    fn list(&mut self, field: &Type, above: Above) -> Result<Shape, String> {
        let [repeated] = field.get_fields() else {
            return Err(format!("the column {} is no list", field.name()));
        };
        if repeated.get_basic_info().repetition() != Repetition::REPEATED {
            return Ok(Shape::Struct(self.fields(field, above)?));
        }
        let (inside, levels) = above.repeated();
        // Old writers have no level of their own around the element.
        let is_element = repeated.is_primitive()
            || repeated.get_fields().len() != 1
            || repeated.name() == "array"
            || repeated.name() == format!("{}_tuple", field.name());
        let element = match is_element {
            true => self.present(repeated, inside, None)?,
            false => self.node(&repeated.get_fields()[0], inside)?,
        };
        Ok(Shape::List {
            element: Box::new(element),
            levels,
        })
    }

    fn map(&mut self, field: &Type, above: Above) -> Result<Shape, String> {
        let [entries] = field.get_fields() else {
            return Err(format!("the column {} is no map", field.name()));
        };
        if entries.is_primitive() || entries.get_basic_info().repetition() != Repetition::REPEATED {
            return Err(format!("the column {} is no map", field.name()));
        }
        let (inside, levels) = above.repeated();
        let [key, value] = entries.get_fields() else {
            let element = Box::new(self.present(entries, inside, None)?);
            return Ok(Shape::List { element, levels });
        };
        Ok(Shape::Map {
            key: Box::new(self.node(key, inside)?),
            value: Box::new(self.node(value, inside)?),
            levels,
        })
    }
}

impl Node {
    /// Writes the next value of this node.
    ///
    /// # Errors
    /// Names what cannot be written. Values of the row may be left over.
    pub(super) fn write(&self, leaves: &mut [Leaf], out: &mut String) -> Written {
        if self.is_absent(leaves) {
            out.push_str("null");
            return self.skip(leaves);
        }
        match &self.shape {
            Shape::Leaf => leaves[self.first].write(out),
            Shape::Struct(fields) => {
                out.push('{');
                let begin = out.len();
                for field in fields {
                    // Nothing is told of what is absent in an object, as of a row.
                    if field.is_absent(leaves) {
                        field.skip(leaves)?;
                        continue;
                    }
                    if out.len() > begin {
                        out.push(',');
                    }
                    write_text(&field.name, out);
                    out.push(':');
                    field.write(leaves, out)?;
                }
                out.push('}');
                Ok(())
            }
            Shape::List { element, levels } => {
                out.push('[');
                self.repeat(*levels, leaves, out, &mut |leaves, out| {
                    element.write(leaves, out)
                })?;
                out.push(']');
                Ok(())
            }
            Shape::Map { key, value, levels } => {
                out.push('{');
                self.repeat(*levels, leaves, out, &mut |leaves, out| {
                    let mut name = String::new();
                    key.write(leaves, &mut name)?;
                    match name.starts_with('"') {
                        true => out.push_str(&name),
                        false => write_text(&name, out),
                    }
                    out.push(':');
                    value.write(leaves, out)
                })?;
                out.push('}');
                Ok(())
            }
        }
    }

    /// Writes one element after the other, with commas between them.
    fn repeat(
        &self,
        levels: Levels,
        leaves: &mut [Leaf],
        out: &mut String,
        write: &mut dyn FnMut(&mut [Leaf], &mut String) -> Written,
    ) -> Written {
        if leaves[self.first].definition() < levels.definition {
            return self.skip(leaves);
        }
        loop {
            write(leaves, out)?;
            if leaves[self.first].repetition() < levels.repetition {
                return Ok(());
            }
            out.push(',');
        }
    }

    fn is_absent(&self, leaves: &[Leaf]) -> bool {
        self.optional
            .is_some_and(|level| leaves[self.first].definition() < level)
    }

    /// Passes over one level of each leaf.
    fn skip(&self, leaves: &mut [Leaf]) -> Written {
        leaves[self.first..self.end]
            .iter_mut()
            .try_for_each(Leaf::skip)
    }
}
