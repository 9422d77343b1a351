//! Who the customers of a scenario are: names for people, ids for services. A transcript shows
//! names only.

use std::collections::HashMap;

/// The customers of a scenario.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// The customer of each name, as it is after all merges.
    ids: HashMap<String, String>,
    /// The name under which each customer was first seen, oldest first.
    firsts: Vec<(String, String)>,
    /// The user id of each name that stands for another one.
    user_ids: HashMap<String, String>,
}

impl People {
    /// Takes note of who a name is. Returns whether the customer is new here.
    pub(crate) fn meet(&mut self, name: &str, id: &str) -> bool {
        self.ids.insert(name.to_owned(), id.to_owned());
        let is_new = !self.firsts.iter().any(|(own, _)| own == id);
        if is_new {
            self.firsts.push((id.to_owned(), name.to_owned()));
        }
        is_new
    }

    /// Takes note that a name stands for another user id.
    pub(crate) fn alias(&mut self, name: &str, user_id: &str) {
        self.user_ids.insert(name.to_owned(), user_id.to_owned());
    }

    /// Takes note of a merge, and returns the names of both.
    pub(crate) fn merge(&mut self, from: &str, into: &str) -> (String, String) {
        let names = (self.name(from), self.name(into));
        for id in self.ids.values_mut().filter(|id| *id == from) {
            into.clone_into(id);
        }
        self.firsts.retain(|(id, _)| id != from);
        names
    }

    /// The name under which a customer was first seen.
    pub(crate) fn name(&self, id: &str) -> String {
        let found = self.firsts.iter().find(|(own, _)| own == id);
        found.map_or_else(|| "somebody".to_owned(), |(_, name)| name.clone())
    }

    /// The customer of a name.
    ///
    /// # Panics
    /// Where nobody of that name was seen yet.
    pub(crate) fn id(&self, name: &str) -> String {
        self.ids
            .get(name)
            .unwrap_or_else(|| panic!("nobody is called {name} yet"))
            .clone()
    }

    /// The user id of a name.
    pub(crate) fn user_id(&self, name: &str) -> String {
        self.user_ids
            .get(name)
            .map_or(name, String::as_str)
            .to_owned()
    }

    /// The name that a value of an identifier stands for.
    pub(crate) fn shown(&self, value: &str) -> String {
        let found = self.user_ids.iter().find(|(_, user_id)| *user_id == value);
        found.map_or(value, |(name, _)| name.as_str()).to_owned()
    }

    /// Every customer and their name, in the order in which they were first seen.
    pub(crate) fn everybody(&self) -> Vec<(String, String)> {
        self.firsts.clone()
    }
}
