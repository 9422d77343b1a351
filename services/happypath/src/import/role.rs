//! The meaning of each column of a file, once its columns are known.

mod apart;
mod usual;

use std::sync::Arc;

use kernel::nearest;

use self::usual::{EVENTS, IDENTIFIERS, TIMES};
use super::mapping::Mapping;
use super::value::ValueType;

/// The meaning of a column: everything that its cells are used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    /// The name of the column; `#3` for the third where it has none.
    pub(super) column: String,
    /// None where the column is left out.
    pub(super) uses: Vec<Use>,
    /// The type that somebody named.
    pub(super) value_type: Option<ValueType>,
    /// Its place in the survey.
    pub(super) surveyed: Option<usize>,
    /// Everything else that was said of the file.
    pub(super) mapping: Arc<Mapping>,
}

/// A use of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Use {
    Time,
    Event,
    EventId,
    Identifier(String),
    Trait(String),
    /// The trait that an identifier found by its usual name is too, where it has that form.
    Address(String),
    Property(String),
    /// The key of an account, of a type.
    Group(String),
    /// A trait of the account of a type.
    GroupTrait(String, String),
    /// An object of identifiers, in JSON.
    Identifiers,
    /// An object of traits, in JSON.
    Traits,
    /// An object of keys of accounts, in JSON.
    Groups,
    /// An object of objects of traits of accounts, in JSON.
    GroupTraits,
    /// An object of traits of the account of a type, in JSON.
    TraitsOf(String),
    /// An object of properties, in JSON.
    Properties,
    /// An object that says where the event comes from, in JSON.
    Context,
    /// Cells under no name have to be empty.
    Nameless,
}

/// Bytes of a name that another one may be a slip of.
const LONG_NAME: usize = 5;

/// Faults of a header: each with the field or column that it is about.
pub(super) type Faults = Vec<(String, String)>;

impl Mapping {
    /// Returns the meaning of each column of separated values.
    ///
    /// # Errors
    /// As [`Mapping::roles`].
    pub(super) fn roles_between<S: AsRef<str>>(
        &self,
        separator: u8,
        columns: &[S],
    ) -> Result<Vec<Role>, Faults> {
        let mapping = Self {
            has_semicolons: separator == b';',
            ..self.clone()
        };
        mapping.roles(columns, false)
    }

    /// Returns the meaning of each column.
    ///
    /// # Errors
    /// Everything that the mapping asks for and the columns do not have, columns of one name, and
    /// what an event needs and nobody names.
    pub(crate) fn roles<S: AsRef<str>>(
        &self,
        columns: &[S],
        is_json: bool,
    ) -> Result<Vec<Role>, Faults> {
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let mut found = Finding::new(self, &names, is_json);
        found.leave_out();
        found.take_named();
        found.take_usual();
        found.take_others();
        found.check_types();
        found.check_apart();
        found.check_needs();
        if !found.faults.is_empty() {
            return Err(found.faults);
        }
        let mapping = Arc::new(self.clone());
        let roles = found
            .uses
            .into_iter()
            .zip(found.names)
            .map(|(uses, column)| {
                let uses = uses.unwrap_or_default();
                let value_type = self.type_of(&column);
                Role {
                    surveyed: self.survey.column(&column, &uses, value_type),
                    value_type,
                    column,
                    uses,
                    mapping: Arc::clone(&mapping),
                }
            });
        Ok(roles.collect())
    }
}

/// The meaning of columns, while it is found.
struct Finding<'m> {
    mapping: &'m Mapping,
    /// The names of the columns; `#3` for the third where it has none.
    names: Vec<String>,
    /// Absent for what nothing is known of yet.
    uses: Vec<Option<Vec<Use>>>,
    is_json: bool,
    faults: Faults,
}

impl<'m> Finding<'m> {
    fn new(mapping: &'m Mapping, columns: &[&str], is_json: bool) -> Self {
        let name = |(place, name): (usize, &&str)| match *name {
            "" if !is_json => format!("#{}", place + 1),
            name => name.to_owned(),
        };
        let nameless = |name: &&str| (name.is_empty() && !is_json).then(|| vec![Use::Nameless]);
        Self {
            mapping,
            names: columns.iter().enumerate().map(name).collect(),
            uses: columns.iter().map(nameless).collect(),
            is_json,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, field: &str, reason: impl Into<String>) {
        self.faults.push((field.to_owned(), reason.into()));
    }

    /// Returns the place of a column; `#3` is the third where no column has that name.
    fn place(&self, name: &str) -> Option<usize> {
        let by_number = || {
            let number: usize = name.strip_prefix('#')?.parse().ok()?;
            (!self.is_json && (1..=self.names.len()).contains(&number)).then(|| number - 1)
        };
        let by_name = self.names.iter().position(|column| column == name);
        by_name.or_else(by_number)
    }

    /// Reports a name that is no column. In JSON, lines may leave out what they do not know.
    fn unknown(&mut self, name: &str) {
        if self.is_json {
            return;
        }
        let columns = self.names.iter().map(String::as_str);
        let reason = match nearest(name, columns) {
            Some(near) => format!("is not a column of this file: did you mean `{near}`?"),
            None => "is not a column of this file".to_owned(),
        };
        self.fault(name, reason);
    }

    fn leave_out(&mut self) {
        for name in &self.mapping.ignore {
            match self.place(name) {
                Some(place) => self.uses[place] = Some(Vec::new()),
                None => self.unknown(name),
            }
        }
    }

    /// Takes the columns that the mapping names. One may have several uses.
    fn take_named(&mut self) {
        for (name, of_column) in named(self.mapping) {
            match self.place(name) {
                Some(place) => {
                    let uses = self.uses[place].get_or_insert_default();
                    uses.retain(|other| *other != Use::Nameless);
                    uses.push(of_column);
                }
                None => self.unknown(name),
            }
        }
    }

    /// Every other column is a property, unless the mapping lists them.
    fn take_others(&mut self) {
        let is_open = self.mapping.properties.is_none();
        for (uses, name) in self.uses.iter_mut().zip(&self.names) {
            if uses.is_none() && is_open {
                *uses = Some(vec![Use::Property(name.clone())]);
            }
        }
    }

    fn check_types(&mut self) {
        for name in self.mapping.types.keys() {
            if self.place(name).is_none() {
                self.unknown(name);
            }
        }
    }

    fn has(&self, wanted: &Use) -> bool {
        self.uses.iter().flatten().flatten().any(|it| it == wanted)
    }

    /// Reports what an event needs and no column holds. Who looks at separated values first sees
    /// what the columns hold, to choose among them.
    fn check_needs(&mut self) {
        let before = self.faults.len();
        self.find_needs();
        let is_choice = before == 0 && !self.is_json && self.mapping.survey.is_on();
        if is_choice && !self.faults.is_empty() {
            self.mapping.survey.lack(std::mem::take(&mut self.faults));
        }
    }

    fn find_needs(&mut self) {
        if !self.has(&Use::Time) {
            let remedy = self.remedy(&TIMES, "--time-column COLUMN");
            self.fault("time", format!("no column holds it: {remedy}"));
        }
        if self.mapping.event_name.is_none() && !self.has(&Use::Event) {
            let remedy = self.remedy(&EVENTS, "--event-column COLUMN");
            let reason = format!(
                "no column holds it: {remedy}, or the event of all lines with --event-name NAME"
            );
            self.fault("event", reason);
        }
        let names = |it: &Use| {
            matches!(
                it,
                Use::Identifier(_) | Use::Identifiers | Use::Group(_) | Use::Groups
            )
        };
        if !self.uses.iter().flatten().flatten().any(names) {
            let usual = IDENTIFIERS.map(|(_, names)| names).concat();
            let remedy = self.remedy(&usual, "--customer-column user_id=COLUMN");
            self.fault(
                "identifiers",
                format!("no column names the customer: {remedy}"),
            );
        }
    }

    /// Says which flag names a column, and which column it may be. Of short names too many are near
    /// one another.
    fn remedy(&self, usual: &[&str], flag: &str) -> String {
        let free = self.names.iter().zip(&self.uses);
        let free = free.filter(|(_, uses)| matches!(uses.as_deref(), Some([Use::Property(_)])));
        let free: Vec<&str> = free
            .map(|(name, _)| name.as_str())
            .filter(|name| name.len() >= LONG_NAME)
            .collect();
        match usual
            .iter()
            .filter(|name| name.len() >= LONG_NAME)
            .find_map(|name| nearest(name, free.iter().copied()))
        {
            Some(near) => format!("is it `{near}`? Name it with {flag}"),
            None => format!("name it with {flag}"),
        }
    }
}

/// Returns the columns that the mapping names, with their uses.
fn named(mapping: &Mapping) -> Vec<(&str, Use)> {
    let mut named = Vec::new();
    let single = [
        (&mapping.time, Use::Time),
        (&mapping.event, Use::Event),
        (&mapping.event_id, Use::EventId),
    ];
    for (column, of_column) in single {
        named.extend(column.as_deref().map(|column| (column, of_column)));
    }
    for (namespace, columns) in &mapping.identifiers {
        let identifier = || Use::Identifier(namespace.clone());
        named.extend(
            columns
                .0
                .iter()
                .map(|column| (column.as_str(), identifier())),
        );
    }
    for (name, column) in &mapping.traits {
        named.push((column.as_str(), Use::Trait(name.clone())));
    }
    for (r#type, column) in &mapping.groups {
        named.push((column.as_str(), Use::Group(r#type.clone())));
    }
    for (r#type, traits) in &mapping.group_traits {
        let of_type = |name: &String| Use::GroupTrait(r#type.clone(), name.clone());
        let traits = traits.iter();
        named.extend(traits.map(|(name, column)| (column.as_str(), of_type(name))));
    }
    for (name, column) in mapping.properties.iter().flatten() {
        named.push((column.as_str(), Use::Property(name.clone())));
    }
    named
}

#[cfg(test)]
mod tests;
