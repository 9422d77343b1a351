//! Cuts a source into tokens, in one pass and without recursion. It does not know which sequences
//! make sense.

use kernel::Value;

use crate::mistake::{Mistakes, quote};

/// The kind of a token, with its text or value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'s> {
    /// A number.
    Number(f64),
    /// A whole number that no double holds.
    Whole(i128),
    /// A text, its escapes resolved.
    Text(Box<str>),
    /// A name or a keyword.
    Name(&'s str),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// Something that was reported as a mistake, standing for an operand.
    Bad,
    /// The end of the source.
    End,
}

/// A token and the bytes it covers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind<'s>,
    pub(crate) at: usize,
    pub(crate) end: usize,
}

/// Operators and brackets, longer ones first.
const SYMBOLS: [&str; 23] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", ",", ".", "{",
];

/// Operators of other languages, each with ours for it.
const FOREIGN: [(&str, &str); 4] = [("=", "=="), ("&", "&&"), ("|", "||"), ("<>", "!=")];

/// Cuts a source into tokens; the last one is [`Kind::End`].
pub(crate) fn tokenize<'s>(source: &'s str, mistakes: &mut Mistakes) -> Vec<Token<'s>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (kind, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' => text(source, at, mistakes, false),
            'r' | 'R' if rest[1..].starts_with(['"', '\'']) => {
                let (kind, length) = text(source, at + 1, mistakes, true);
                (kind, length + 1)
            }
            '0'..='9' => number(rest, at, mistakes),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                number(rest, at, mistakes)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = name_length(rest);
                (Kind::Name(&rest[..length]), length)
            }
            _ => symbol(rest, first, at, mistakes),
        };
        tokens.push(Token {
            kind,
            at,
            end: at + length,
        });
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        at,
        end: at,
    });
    tokens
}

fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

fn symbol<'s>(rest: &'s str, first: char, at: usize, mistakes: &mut Mistakes) -> (Kind<'s>, usize) {
    if rest.starts_with("<>") {
        mistakes.add(at, "`<>` is not an operator: did you mean `!=`?");
        return (Kind::Symbol("!="), 2);
    }
    if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
        return (Kind::Symbol(symbol), symbol.len());
    }
    for (foreign, ours) in FOREIGN {
        if rest.starts_with(foreign) {
            mistakes.add(
                at,
                format!("`{foreign}` is not an operator: did you mean `{ours}`?"),
            );
            return (Kind::Symbol(ours), foreign.len());
        }
    }
    let hint = match first {
        '“' | '”' | '‘' | '’' | '`' => {
            ": texts are written in straight quotes, \"…\" or '…'"
        }
        '}' => ": there are no maps",
        '$' | '@' | '#' => ": a name with it is quoted, as in event[\"$plan\"]",
        _ if first.is_alphabetic() => ": a name with it is quoted, as in event[\"größe\"]",
        _ => "",
    };
    mistakes.add(
        at,
        format!(
            "the character `{}` has no meaning here{hint}",
            first.escape_debug()
        ),
    );
    (Kind::Bad, first.len_utf8())
}

fn number<'s>(rest: &'s str, at: usize, mistakes: &mut Mistakes) -> (Kind<'s>, usize) {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let tail = name_length(&rest[length..]);
    if tail > 0 {
        let whole = &rest[..length + tail];
        let hint = if whole.parse::<kernel::Duration>().is_ok() {
            format!(": did you mean `duration(\"{whole}\")`?")
        } else {
            ": numbers are written in decimal, such as 42 or 2.5".to_owned()
        };
        mistakes.add(at, format!("{} is not a number{hint}", quote(whole)));
        return (Kind::Bad, length + tail);
    }
    match value(&rest[..length]) {
        Some(kind) => (kind, length),
        None => {
            mistakes.add(
                at,
                format!(
                    "{} is out of range: whole numbers are exact up to 38 digits",
                    quote(&rest[..length])
                ),
            );
            (Kind::Bad, length)
        }
    }
}

/// Returns the token of a number; absent where it would compare as its neighbours.
fn value<'s>(text: &str) -> Option<Kind<'s>> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(match Value::from(text.parse::<i128>().ok()?) {
            Value::Integer(whole) => Kind::Whole(*whole),
            small => Kind::Number(small.as_number()?),
        });
    }
    let number = text.parse::<f64>().ok();
    number.filter(|number| number.is_finite()).map(Kind::Number)
}

/// Reads a text from its opening quote at `open`; returns the token and its bytes from there.
fn text<'s>(
    source: &'s str,
    open: usize,
    mistakes: &mut Mistakes,
    is_raw: bool,
) -> (Kind<'s>, usize) {
    let quote = char::from(source.as_bytes()[open]);
    let mut read = String::new();
    let mut at = open + 1;
    while let Some(character) = source[at..].chars().next() {
        let here = at;
        at += character.len_utf8();
        match character {
            '\n' => {
                mistakes.add(open, "this text is not closed on its line");
                return (Kind::Bad, at - open);
            }
            _ if character == quote => return (Kind::Text(read.into()), at - open),
            '\\' if !is_raw => match escape(&source[at..]) {
                Some((resolved, length)) => {
                    read.push(resolved);
                    at += length;
                }
                None => {
                    mistakes.add(
                        here,
                        "this is not an escape: write \\\\ for a backslash, \\n, \\t, \\\", \\', \\x41, \\u00e4 or \\U0001f600",
                    );
                    let next = source[at..].chars().next().filter(|next| *next != '\n');
                    at += next.map_or(0, char::len_utf8);
                }
            },
            _ => read.push(character),
        }
    }
    mistakes.add(open, "this text is not closed");
    (Kind::Bad, source.len() - open)
}

/// Resolves what follows a backslash; returns it and its bytes.
fn escape(rest: &str) -> Option<(char, usize)> {
    let coded = |digits: usize, radix: u32, from: usize| {
        let code = rest.get(from..from + digits)?;
        if !code.bytes().all(|byte| char::from(byte).is_digit(radix)) {
            return None;
        }
        let character = char::from_u32(u32::from_str_radix(code, radix).ok()?)?;
        Some((character, from + digits))
    };
    Some(match rest.chars().next()? {
        'n' => ('\n', 1),
        't' => ('\t', 1),
        'r' => ('\r', 1),
        'a' => ('\u{7}', 1),
        'b' => ('\u{8}', 1),
        'f' => ('\u{c}', 1),
        'v' => ('\u{b}', 1),
        same @ ('\\' | '"' | '\'' | '`' | '?') => (same, 1),
        'x' | 'X' => return coded(2, 16, 1),
        'u' => return coded(4, 16, 1),
        'U' => return coded(8, 16, 1),
        '0'..='3' => return coded(3, 8, 0),
        _ => return None,
    })
}
