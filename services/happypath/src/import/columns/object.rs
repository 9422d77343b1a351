//! Objects of a line whose entries are cells of their own.

use rpc::properties::Entries;

use super::{Builder, Cell, Use};

impl Builder {
    /// Takes the entries of an object.
    pub(super) fn object(&mut self, cell: Cell<'_>, json: &str) {
        let fields = match Entries::read(json) {
            Ok(fields) => fields,
            Err(error) => return self.refuse(cell.path, format!("is no object: {error}")),
        };
        if let Some(twice) = fields.twice() {
            return self.refuse(
                &format!("{}.{twice}", cell.path),
                "is there twice: keep one",
            );
        }
        for (name, json) in fields.0 {
            let path = format!("{}.{name}", cell.path);
            let of_column = match cell.of_column {
                Use::Traits => Use::Trait(name),
                Use::Properties => Use::Property(name),
                Use::Groups => Use::Group(name),
                Use::GroupTraits => Use::TraitsOf(name),
                Use::TraitsOf(r#type) => Use::GroupTrait(r#type.clone(), name),
                _ => Use::Identifier(name),
            };
            let value_type = cell.mapping.type_of(&path);
            let uses = std::slice::from_ref(&of_column);
            let cell = Cell {
                of_column: &of_column,
                path: &path,
                value_type,
                surveyed: cell.mapping.survey.column(&path, uses, value_type),
                ..cell
            };
            self.take_json(cell, json.get());
        }
    }
}
