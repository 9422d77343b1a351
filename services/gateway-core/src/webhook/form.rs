//! Forms of HTML (`application/x-www-form-urlencoded`), as some senders post them: to an object of
//! texts.

use crate::json::push_text;
use crate::limits::FORM_FIELDS;

/// A body that is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormFault {
    /// An escape is none.
    #[error("it has a `%` that two hexadecimal digits do not follow")]
    Escape,
    /// A text is none.
    #[error("it has escapes that make no UTF-8")]
    Text,
    /// It has too many fields.
    #[error("it has more than {FORM_FIELDS} fields")]
    TooLong,
}

/// Returns the fields as an object of texts; of a name that is there several times, a list of them.
pub(super) fn object(form: &str) -> Result<String, FormFault> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let mut count = 0;
    for field in form.trim().split('&').filter(|field| !field.is_empty()) {
        count += 1;
        if count > FORM_FIELDS {
            return Err(FormFault::TooLong);
        }
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        match fields.iter_mut().find(|(own, _)| *own == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let mut json = String::from("{");
    for (name, values) in &fields {
        if json.len() > 1 {
            json.push(',');
        }
        push_text(&mut json, name);
        json.push(':');
        match values.as_slice() {
            [value] => push_text(&mut json, value),
            values => {
                json.push('[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        json.push(',');
                    }
                    push_text(&mut json, value);
                }
                json.push(']');
            }
        }
    }
    json.push('}');
    Ok(json)
}

fn decoded(text: &str) -> Result<String, FormFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let code = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                let code = code.and_then(|code| u8::try_from(code).ok());
                code.ok_or(FormFault::Escape)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| FormFault::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_an_object_of_texts() {
        for (form, expected) in [
            ("", "{}"),
            ("a=1&b=x+y&c", r#"{"a":"1","b":"x y","c":""}"#),
            ("a=1&a=2&%C3%A9=%22", r#"{"a":["1","2"],"é":"\""}"#),
            ("a%5Bb%5D=c%3Dd\n", r#"{"a[b]":"c=d"}"#),
        ] {
            assert_eq!(object(form).as_deref(), Ok(expected), "{form}");
        }
        assert_eq!(object("a=%4"), Err(FormFault::Escape));
        assert_eq!(object("a=%zz"), Err(FormFault::Escape));
        assert_eq!(object("a=%FF"), Err(FormFault::Text));
        let long = "a&".repeat(FORM_FIELDS + 1);
        assert_eq!(object(&long), Err(FormFault::TooLong));
    }
}
