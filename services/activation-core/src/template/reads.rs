//! The reads of a template: enough to render it again, whatever else is known of the customer.
//!
//! Found in the text, whichever way a rendering goes. Where a template may read what cannot be told
//! from its text, it counts as reading everything.

use std::collections::BTreeSet;

use minijinja::Environment;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The name of the customer's traits in a template.
const PROFILE: &str = "profile";
/// The name of the event's properties in a template.
const EVENT: &str = "event";

/// The values that a template reads, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads(BTreeSet<String>);

impl Reads {
    /// Adds what a compiled part of a template reads.
    pub(super) fn add(&mut self, environment: &Environment<'_>, key: &str, source: &str) {
        if let Ok(template) = environment.get_template(key) {
            let mut reads = template.undeclared_variables(true);
            for root in [PROFILE, EVENT] {
                // A name in brackets is found as a read of everything.
                let Some(names) = names_in_brackets(source, root) else {
                    continue;
                };
                reads.remove(root);
                reads.extend(names.into_iter().map(|name| format!("{root}.{name}")));
            }
            self.0.extend(reads);
        }
        // A name that a tag binds hides what is read under the same name elsewhere.
        if binds_root(source) {
            self.0.extend([PROFILE, EVENT].map(str::to_owned));
        }
    }

    /// Returns whether a trait is read.
    pub(crate) fn has_trait(&self, name: &str) -> bool {
        self.has(PROFILE, name)
    }

    /// Returns whether a property of the event is read.
    pub(crate) fn has_property(&self, name: &str) -> bool {
        self.has(EVENT, name)
    }

    fn has(&self, root: &str, name: &str) -> bool {
        let paths = self.0.iter().filter_map(|read| read.strip_prefix(root));
        paths.into_iter().any(|path| match path.strip_prefix('.') {
            // Of nested values, the one reads the other.
            Some(path) => path == name || is_under(path, name) || is_under(name, path),
            None => path.is_empty(),
        })
    }
}

/// Returns whether a path is that of a value inside another one.
fn is_under(name: &str, above: &str) -> bool {
    name.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Returns the names that stand in brackets behind one of the names that values are read by. `None`
/// where that also stands alone, or before what is no name.
fn names_in_brackets(source: &str, root: &str) -> Option<BTreeSet<String>> {
    let tokens = tokenize(source, false, SyntaxConfig::default());
    let tokens: Vec<Token<'_>> = tokens
        .map(|token| token.map(|(token, _)| token))
        .collect::<Result<_, _>>()
        .ok()?;
    let mut names = BTreeSet::new();
    for (place, token) in tokens.iter().enumerate() {
        let is_key = place > 0 && matches!(tokens[place - 1], Token::Dot);
        if is_key || !matches!(token, Token::Ident(name) if *name == root) {
            continue;
        }
        match &tokens[place + 1..] {
            [Token::Dot, ..] => {}
            [
                Token::BracketOpen,
                Token::Str(name),
                Token::BracketClose,
                ..,
            ] => {
                names.insert((*name).to_owned());
            }
            [
                Token::BracketOpen,
                Token::String(name),
                Token::BracketClose,
                ..,
            ] => {
                names.insert(name.to_string());
            }
            _ => return None,
        }
    }
    Some(names)
}

/// Returns whether a tag binds one of the names that values are read by.
fn binds_root(source: &str) -> bool {
    let (mut begins, mut binds) = (false, false);
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let Ok((token, _)) = token else { return true };
        match token {
            Token::Ident("set" | "for") if begins => binds = true,
            Token::Ident("in") | Token::Assign | Token::BlockEnd => binds = false,
            Token::Ident(name) if binds && (name == PROFILE || name == EVENT) => return true,
            _ => {}
        }
        begins = matches!(token, Token::BlockStart);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, traits: &[&str], properties: &[&str]) {
        let mut environment = Environment::empty();
        environment
            .add_template("t", source)
            .expect("a template that compiles");
        let mut reads = Reads::default();
        reads.add(&environment, "t", source);
        let all = ["name", "address.city", "address", "plan"];
        let read = |is_read: &dyn Fn(&str) -> bool| -> Vec<&str> {
            all.into_iter().filter(|name| is_read(name)).collect()
        };
        assert_eq!(read(&|name| reads.has_trait(name)), traits, "{source}");
        assert_eq!(
            read(&|name| reads.has_property(name)),
            properties,
            "{source}"
        );
    }

    #[test]
    fn what_is_read_is_found_in_the_text() {
        const ALL: &[&str] = &["name", "address.city", "address", "plan"];
        check("Hello", &[], &[]);
        check("{{ profile.name }} {{ run.visit }}", &["name"], &[]);
        check(
            "{% if event.plan == 'x' %}{{ profile.address.city }}{% endif %}",
            &["address.city", "address"],
            &["plan"],
        );
        check("{{ profile.address }}", &["address.city", "address"], &[]);
        check(
            "{% for x in event.name %}{{ x.plan }}{% endfor %}",
            &[],
            &["name"],
        );
        check(
            "{% set a = profile.address %}{{ a.city }}",
            &["address.city", "address"],
            &[],
        );
        check("{{ profile[event.name] }}", ALL, &["name"]);
        check("{{ profile }}", ALL, &[]);
        check(
            "{{ event['name'] }} {{ event.plan }}",
            &[],
            &["name", "plan"],
        );
        check("{{ event['na\\u006de'] }}", &[], &["name"]);
        check(
            "{% for x in event[\"address\"]['city'] %}{% endfor %}",
            &[],
            &["address.city", "address"],
        );
        check("{{ event['name'] }} {{ event }}", &[], ALL);
        check("{{ event['na' ~ 'me'] }} {{ event['plan'] }}", &[], ALL);
        check(
            "{{ event[profile['plan']] }} {{ event[0:] }}",
            &["plan"],
            ALL,
        );
        check("{% set profile = profile %}{{ profile.name }}", ALL, ALL);
        check("{% for event in profile.name %}{% endfor %}", ALL, ALL);
    }
}
