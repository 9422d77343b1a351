//! What a template may not contain, found before it is compiled.
//!
//! Instructions are bounded by fuel and output by its size, but neither bounds memory: `{% set x = x ~ x %}` doubles a
//! value at a constant price, and 28 of them make 268 MB of one byte. So the language leaves out what makes a value
//! grow faster than the template is long (macros, captured blocks, recursion, repetition), and the growth that is left
//! is bounded here: a tag that binds a name multiplies what it binds by at most the number of values that it reads.
//! Tags are also kept short, because the parser and the compiler recurse over them.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::TemplateMistake;
use crate::limits;

/// Words of the language that read no value.
const WORDS: [&str; 12] = [
    "and", "else", "elif", "false", "for", "if", "in", "is", "none", "not", "or", "true",
];

/// Finds every part of a template that is left out of the language or too large. Syntax is the compiler's to check.
pub(super) fn check(source: &str) -> Vec<TemplateMistake> {
    let mut check = Check::default();
    let mut tag: Option<Tag<'_>> = None;
    for token in tokenize(source, false, SyntaxConfig::default()) {
        // The compiler says what is wrong, and where.
        let Ok((token, span)) = token else { break };
        match token {
            Token::TemplateData(_) => {}
            Token::BlockStart | Token::VariableStart => {
                tag = Some(Tag {
                    line: usize::from(span.start_line),
                    is_block: matches!(token, Token::BlockStart),
                    tokens: Vec::new(),
                });
            }
            Token::BlockEnd | Token::VariableEnd => {
                if let Some(tag) = tag.take() {
                    check.tag(&tag);
                }
            }
            token => {
                if let Some(tag) = &mut tag {
                    tag.tokens.push(token);
                }
            }
        }
    }
    check.mistakes
}

struct Tag<'a> {
    line: usize,
    is_block: bool,
    tokens: Vec<Token<'a>>,
}

struct Check {
    /// The most copies of what the template sees that a bound name may hold.
    growth: usize,
    elifs: usize,
    mistakes: Vec<TemplateMistake>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            growth: 1,
            elifs: 0,
            mistakes: Vec::new(),
        }
    }
}

impl Check {
    fn tag(&mut self, tag: &Tag<'_>) {
        if tag.tokens.len() > limits::TAG_TOKENS {
            self.mistake(
                tag,
                format!(
                    "a tag has at most {} words and signs: split it",
                    limits::TAG_TOKENS
                ),
            );
        }
        if tag
            .tokens
            .iter()
            .any(|token| matches!(token, Token::Mul | Token::Pow))
        {
            self.mistake(
                tag,
                "`*` and `**` are not part of the language, because they repeat texts and lists: use the filter `times`, as in {{ event.price|times(1.2) }}",
            );
        }
        let reads = tag.reads();
        let mut copies = reads.max(1);
        if tag.is_block {
            match tag.tokens.as_slice() {
                [Token::Ident("for"), ..] if tag.has_word("recursive") => {
                    self.mistake(tag, "loops cannot be recursive");
                }
                [Token::Ident("for"), ..]
                | [Token::Ident("set"), Token::Ident(_), Token::Assign, ..] => {
                    // The bound name is not read, the word `set` neither.
                    copies = reads.saturating_sub(1).max(1);
                    self.growth = self.growth.saturating_mul(copies);
                    copies = 1;
                }
                [Token::Ident("set"), ..] => {
                    self.mistake(
                        tag,
                        "`set` takes one name and a value, as in {% set total = event.total %}",
                    );
                }
                [Token::Ident("elif"), ..] => {
                    self.elifs += 1;
                    if self.elifs == limits::ELIFS + 1 {
                        self.mistake(
                            tag,
                            format!("a template has at most {} `elif` tags", limits::ELIFS),
                        );
                    }
                }
                [Token::Ident("if" | "else" | "endif" | "endfor"), ..] => {}
                [Token::Ident(word), ..] => {
                    let message = format!(
                        "`{word}` is not part of the language: expected if, elif, else, endif, for, endfor or set"
                    );
                    self.mistake(tag, message);
                }
                // The compiler says that a word is missing.
                _ => {}
            }
        }
        if self.growth.saturating_mul(copies) > limits::TEMPLATE_GROWTH {
            self.mistake(
                tag,
                format!(
                    "values could grow to more than {} copies of what the template reads: read fewer values in `set` and `for` tags",
                    limits::TEMPLATE_GROWTH
                ),
            );
            // Said once: what follows is as large without being at fault.
            self.growth = 1;
        }
    }

    fn mistake(&mut self, tag: &Tag<'_>, message: impl Into<String>) {
        self.mistakes.push(TemplateMistake {
            line: tag.line,
            message: message.into(),
        });
    }
}

impl Tag<'_> {
    /// How many values a tag reads: names that are no attribute, filter, test or word of the language.
    fn reads(&self) -> usize {
        let mut reads = 0;
        let mut before: Option<&Token<'_>> = None;
        for token in &self.tokens {
            if let Token::Ident(name) = token {
                let is_part = matches!(before, Some(Token::Dot | Token::Pipe));
                if !is_part && *name != "set" && !WORDS.contains(name) {
                    reads += 1;
                }
            }
            before = Some(token);
        }
        reads
    }

    fn has_word(&self, word: &str) -> bool {
        self.tokens
            .iter()
            .any(|token| matches!(token, Token::Ident(name) if *name == word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_ok(source: &str) {
        assert_eq!(check(source), [], "{source}");
    }

    fn check_mistake(source: &str, line: usize, part: &str) {
        let mistakes = check(source);
        assert!(
            mistakes
                .iter()
                .any(|mistake| mistake.line == line && mistake.message.contains(part)),
            "{source}: {mistakes:?}"
        );
    }

    #[test]
    fn ordinary_templates_are_in_the_language() {
        check_ok("Hello {{ profile.name|default('you') }}");
        check_ok(
            "{% if event.total > 10 and not profile.vip %}a{% elif x %}b{% else %}c{% endif %}",
        );
        check_ok(
            "{% for item in event.items %}{{ loop.index }} {{ item }}{% else %}none{% endfor %}",
        );
        check_ok(
            "{% set total = event.total + event.tax %}{{ total }}{# a comment with {% macro %} #}",
        );
        check_ok("{% raw %}{% macro x() %}{{ a * b }}{% endraw %}");
    }

    #[test]
    fn what_captures_repeats_or_recurses_is_not() {
        check_mistake("\n{% macro m() %}{% endmacro %}", 2, "`macro` is not");
        check_mistake("{% set x %}long{% endset %}", 1, "`set` takes one name");
        check_mistake(
            "{% set x | replace(a=b) %}long{% endset %}",
            1,
            "`set` takes one name",
        );
        check_mistake("{% for x in y recursive %}{% endfor %}", 1, "recursive");
        check_mistake("{{ 'x' * 100000000 }}", 1, "times");
        check_mistake("{% include 'other' %}", 1, "`include` is not");
        check_mistake("{% filter upper %}{% endfilter %}", 1, "`filter` is not");
    }

    #[test]
    fn values_that_could_double_without_end_are_refused() {
        let doubling = "{% set x = x ~ x %}";
        check_ok(&doubling.repeat(6));
        check_mistake(&doubling.repeat(7), 1, "could grow");
        check_mistake(&"{% for x in [x ~ x] %}".repeat(7), 1, "could grow");
        check_mistake(
            &format!("{{{{ {} }}}}", ["x"; 65].join(" ~ ")),
            1,
            "could grow",
        );
    }

    #[test]
    fn tags_stay_short() {
        check_mistake(
            &format!("{{{{ x{} }}}}", "|upper".repeat(5_000)),
            1,
            "at most 200",
        );
        check_mistake(
            &format!("{{{{ {}1 }}}}", "-".repeat(5_000)),
            1,
            "at most 200",
        );
        check_mistake(
            &format!("{{% if a %}}{}", "{% elif a %}".repeat(60)),
            1,
            "elif",
        );
    }
}
