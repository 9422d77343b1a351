//! Names that mean nothing: filters and tests that there are not, and values that no template sees.
//!
//! Found when a template is applied. Rendering would find the former at each send, and the latter
//! never, because what is not known renders as empty.

use std::collections::BTreeMap;

use kernel::nearest;
use minijinja::Environment;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::TemplateMistake;
use super::filters::{FILTERS, FUNCTIONS, TESTS};

/// The names that templates see.
const ROOTS: [&str; 3] = ["profile", "event", "run"];

/// Finds names that mean nothing in a template that compiles.
pub(super) fn check(
    environment: &Environment<'_>,
    key: &str,
    source: &str,
) -> Vec<TemplateMistake> {
    let mut mistakes = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    for token in tokenize(source, false, SyntaxConfig::default()) {
        // The compiler says what is wrong, and where.
        let Ok((token, span)) = token else { break };
        let line = usize::from(span.start_line);
        if let Token::Ident(name) = &token {
            match &before {
                [_, Some(Token::Dot)] => {}
                [_, Some(Token::Pipe)] => mistakes.extend(unknown("filter", name, &FILTERS, line)),
                // A key may have this name too: `event.is`.
                [Some(Token::Dot), Some(Token::Ident("is"))] => {}
                [_, Some(Token::Ident("is"))] if *name == "not" => {}
                [_, Some(Token::Ident("is"))]
                | [Some(Token::Ident("is")), Some(Token::Ident("not"))] => {
                    mistakes.extend(unknown("test", name, &TESTS, line));
                }
                _ => {
                    lines.entry((*name).to_owned()).or_insert(line);
                }
            }
        }
        let [_, last] = before;
        before = [last, Some(token)];
    }
    let read = environment
        .get_template(key)
        .map(|it| it.undeclared_variables(false));
    let mut read: Vec<String> = read.into_iter().flatten().collect();
    read.sort();
    for name in read {
        let is_known = ROOTS.contains(&name.as_str()) || FUNCTIONS.contains(&name.as_str());
        if !is_known {
            let line = lines.get(&name).copied().unwrap_or(1);
            let message = match nearest(&name, ROOTS) {
                Some(near) => format!("no template sees `{name}`: did you mean `{near}`?"),
                None => format!(
                    "no template sees `{name}`: traits are in `profile`, properties in `event`, and `run` tells of the run"
                ),
            };
            mistakes.push(TemplateMistake { line, message });
        }
    }
    mistakes
}

fn unknown(what: &str, name: &str, known: &[&str], line: usize) -> Option<TemplateMistake> {
    if known.contains(&name) {
        return None;
    }
    let near = nearest(name, known.iter().copied());
    let remedy = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Some(TemplateMistake {
        line,
        message: format!("`{name}` is no {what}: {remedy}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Templates, Values, text_template, unknown_names};
    use super::*;

    fn check(body: &str) -> Vec<String> {
        let found = unknown_names(&text_template("t", "", body)).into_iter();
        found.map(|(_, mistake)| mistake.to_string()).collect()
    }

    #[test]
    fn names_that_mean_nothing_are_found() {
        for (body, part) in [
            (
                "{{ profile.name|uper }}",
                "line 1: `uper` is no filter: did you mean `upper`?",
            ),
            (
                "a\n{{ profile.name|currency }}",
                "line 2: `currency` is no filter: there are",
            ),
            (
                "{{ profle.name }}",
                "no template sees `profle`: did you mean `profile`?",
            ),
            ("{{ customer.name }}", "traits are in `profile`"),
            ("{{ now() }}", "no template sees `now`"),
            (
                "{% if profile.x is defind %}{% endif %}",
                "`defind` is no test: did you mean `defined`?",
            ),
            (
                "{% if profile.x is not empty %}{% endif %}",
                "`empty` is no test",
            ),
        ] {
            let found = check(body);
            assert!(
                found.len() == 1 && found[0].contains(part),
                "{body}: {found:?}"
            );
        }
    }

    #[test]
    fn names_that_mean_something_pass() {
        for body in [
            "{{ profile.name|default('you')|upper }} {{ run.journey }} {{ event['x'] }}",
            "{% for item in event.items %}{{ loop.index }} {{ item.price|times(2) }}{% endfor %}",
            "{% set total = event.total %}{{ total }} {% for i in range(3) %}{{ i }}{% endfor %}",
            "{% if profile.x is defined and event.y is not none %}{{ event.is }}{% endif %}",
            "{{ profile.filter|tojson }} {{ event.not }} {{ 'x|y' }}",
            "{{ oops",
        ] {
            assert_eq!(check(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn the_lists_are_those_of_the_language() {
        let values = Values::of_struct(&prost_types::Struct::default()).expect("values");
        let renders = |body: &str| {
            let mut templates = Templates::default();
            templates
                .add(&text_template("t", "", body))
                .expect("compiles");
            let rendered = templates.render("t", &values);
            !rendered.is_err_and(|error| error.message.contains("unknown"))
        };
        for filter in FILTERS {
            assert!(renders(&format!("{{{{ 'a'|{filter} }}}}")), "{filter}");
        }
        for test in TESTS {
            assert!(renders(&format!("{{{{ 1 is {test} }}}}")), "{test}");
        }
        assert!(!renders("{{ 'a'|currency }}"));
    }
}
