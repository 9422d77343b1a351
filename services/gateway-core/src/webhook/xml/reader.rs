//! Reads XML (<https://www.w3.org/TR/xml/>), as much of it as outbound messages have, in one pass
//! and without recursion.

use super::element::Element;
use crate::limits::{XML_ATTRIBUTES, XML_DEPTH, XML_ELEMENTS};

/// A text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::webhook) enum XmlFault {
    /// It ends too early.
    #[error("it ends before its elements do")]
    End,
    /// A name is none.
    #[error("an element has no name")]
    Name,
    /// An attribute is none.
    #[error("an attribute of `{0}` is not written as name=\"value\"")]
    Attribute(String),
    /// An element ends where another began.
    #[error("`{0}` ends where `{1}` began")]
    Crossed(String, String),
    /// It declares its type.
    #[error("it declares a type or entities, which is not taken")]
    Declaration,
    /// It has instructions.
    #[error("it has an instruction that is none of SOAP")]
    Instruction,
    /// An entity is not known.
    #[error("it has an `&` that begins no entity of XML's own")]
    Entity,
    /// A character is none of XML.
    #[error("it has a character that XML does not have")]
    Character,
    /// Text stands where none may.
    #[error("text stands outside of its elements")]
    Outside,
    /// An element has text and elements.
    #[error("`{0}` has text beside elements")]
    Mixed(String),
    /// Something stands behind the last element.
    #[error("it has something behind its end")]
    Behind,
    /// It nests too deep.
    #[error("it has more than {XML_DEPTH} levels")]
    Deep,
    /// It has too many elements.
    #[error("it has more than {XML_ELEMENTS} elements")]
    Long,
    /// An element is not there.
    #[error("it has no element `{0}` where one belongs")]
    Missing(&'static str),
}

/// A text that is read.
struct Reader<'x> {
    rest: &'x str,
    /// The elements that have begun.
    open: Vec<Element>,
    count: usize,
}

/// Reads a document, and returns its element.
pub(super) fn read(text: &str) -> Result<Element, XmlFault> {
    let mut reader = Reader {
        rest: text.trim_ascii_start(),
        open: Vec::new(),
        count: 0,
    };
    if text.chars().any(|character| !is_character(character)) {
        return Err(XmlFault::Character);
    }
    if let Some(rest) = reader.rest.strip_prefix("<?xml") {
        reader.rest = behind(rest, "?>")?;
    }
    loop {
        if let Some(whole) = reader.step()? {
            return match reader.rest.trim_ascii() {
                "" => Ok(whole),
                _ => Err(XmlFault::Behind),
            };
        }
    }
}

impl<'x> Reader<'x> {
    /// Reads the next piece; returns the outermost element once it has ended.
    fn step(&mut self) -> Result<Option<Element>, XmlFault> {
        let markup = self.rest.find('<');
        let (text, rest) = self.rest.split_at(markup.unwrap_or(self.rest.len()));
        self.take_text(text)?;
        self.rest = rest;
        if let Some(rest) = rest.strip_prefix("<!--") {
            self.rest = behind(rest, "-->")?;
        } else if let Some(rest) = rest.strip_prefix("<![CDATA[") {
            let end = rest.find("]]>").ok_or(XmlFault::End)?;
            self.push_text(&rest[..end])?;
            self.rest = &rest[end + 3..];
        } else if rest.starts_with("<!") {
            return Err(XmlFault::Declaration);
        } else if rest.starts_with("<?") {
            return Err(XmlFault::Instruction);
        } else if let Some(rest) = rest.strip_prefix("</") {
            let (name, rest) = name(rest)?;
            self.rest = rest
                .trim_ascii_start()
                .strip_prefix('>')
                .ok_or(XmlFault::Name)?;
            return self.end(local(name));
        } else if let Some(rest) = rest.strip_prefix('<') {
            return self.begin(rest);
        } else {
            return Err(XmlFault::End);
        }
        Ok(None)
    }

    /// Takes text with its entities resolved.
    fn take_text(&mut self, text: &str) -> Result<(), XmlFault> {
        if text.trim_ascii().is_empty() && self.open.is_empty() {
            return Ok(());
        }
        let text = resolved(text)?;
        self.push_text(&text)
    }

    fn push_text(&mut self, text: &str) -> Result<(), XmlFault> {
        let element = self.open.last_mut().ok_or(XmlFault::Outside)?;
        element.text.push_str(text);
        Ok(())
    }

    /// Reads the beginning of an element, behind its `<`.
    fn begin(&mut self, rest: &'x str) -> Result<Option<Element>, XmlFault> {
        self.count += 1;
        if self.count > XML_ELEMENTS {
            return Err(XmlFault::Long);
        }
        if self.open.len() >= XML_DEPTH {
            return Err(XmlFault::Deep);
        }
        let (name, mut rest) = name(rest)?;
        let mut element = Element {
            name: local(name).to_owned(),
            ..Element::default()
        };
        let wrong = || XmlFault::Attribute(local(name).to_owned());
        for _ in 0..=XML_ATTRIBUTES {
            let trimmed = rest.trim_ascii_start();
            if let Some(rest) = trimmed.strip_prefix("/>") {
                self.rest = rest;
                let own = element.name.clone();
                self.open.push(element);
                return self.end(&own);
            }
            if let Some(rest) = trimmed.strip_prefix('>') {
                self.rest = rest;
                self.open.push(element);
                return Ok(None);
            }
            // A blank stands before each attribute.
            if trimmed.len() == rest.len() {
                return Err(wrong());
            }
            rest = attribute(trimmed, &mut element).ok_or_else(wrong)?;
        }
        Err(wrong())
    }

    /// Ends the innermost element.
    fn end(&mut self, name: &str) -> Result<Option<Element>, XmlFault> {
        let mut element = self.open.pop().ok_or(XmlFault::Outside)?;
        if element.name != name {
            return Err(XmlFault::Crossed(name.to_owned(), element.name));
        }
        if !element.children.is_empty() {
            if !element.text.trim_ascii().is_empty() {
                return Err(XmlFault::Mixed(element.name));
            }
            element.text.clear();
        }
        match self.open.last_mut() {
            Some(outer) => {
                outer.children.push(element);
                Ok(None)
            }
            None => Ok(Some(element)),
        }
    }
}

/// Reads an attribute, and returns what stands behind it.
fn attribute<'x>(text: &'x str, element: &mut Element) -> Option<&'x str> {
    let (name, rest) = name(text).ok()?;
    let rest = rest
        .trim_ascii_start()
        .strip_prefix('=')?
        .trim_ascii_start();
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    let (value, rest) = rest[1..].split_once(quote)?;
    if value.contains('<') {
        return None;
    }
    let value = resolved(value).ok()?;
    match local(name) {
        "type" if name.contains(':') => element.kind = Some(local(&value).to_owned()),
        "nil" if name.contains(':') => element.is_nil = matches!(value.trim(), "true" | "1"),
        _ => {}
    }
    Some(rest)
}

/// Splits off a name.
fn name(text: &str) -> Result<(&str, &str), XmlFault> {
    let is_part =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | ':' | '-' | '.');
    let end = text
        .find(|character| !is_part(character))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let begins = |part: &str| part.starts_with(|it: char| it.is_alphabetic() || it == '_');
    match name.split(':').all(begins) {
        true => Ok((name, rest)),
        false => Err(XmlFault::Name),
    }
}

/// Returns a name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Returns what stands behind the next end of something.
fn behind<'x>(text: &'x str, end: &str) -> Result<&'x str, XmlFault> {
    text.split_once(end)
        .map(|(_, rest)| rest)
        .ok_or(XmlFault::End)
}

/// Resolves the entities of a text: XML's own, and characters by number.
fn resolved(text: &str) -> Result<String, XmlFault> {
    let (mut resolved, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        resolved.push_str(before);
        let (entity, after) = after.split_once(';').ok_or(XmlFault::Entity)?;
        resolved.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            other => numbered(other).ok_or(XmlFault::Entity)?,
        });
        rest = after;
    }
    Ok(resolved + rest)
}

fn numbered(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#')?;
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    is_character(character).then_some(character)
}

/// Returns whether XML has a character.
const fn is_character(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
    )
}
