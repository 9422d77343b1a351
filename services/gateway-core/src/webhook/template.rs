//! The text that is signed: a template with places for parts of a post.

/// A part of the text that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Body,
    Timestamp,
    Id,
    Method,
    Url,
    DecodedUrl,
    Secret,
}

/// The names of places.
const NAMES: [(&str, Part); 7] = [
    ("{body}", Part::Body),
    ("{timestamp}", Part::Timestamp),
    ("{id}", Part::Id),
    ("{method}", Part::Method),
    ("{url}", Part::Url),
    ("{decoded_url}", Part::DecodedUrl),
    ("{secret}", Part::Secret),
];

/// The escapes that HubSpot resolves in a URL before it signs it, and no others.
const DECODED: [(&str, char); 12] = [
    ("3A", ':'),
    ("2F", '/'),
    ("3F", '?'),
    ("40", '@'),
    ("21", '!'),
    ("24", '$'),
    ("27", '\''),
    ("28", '('),
    ("29", ')'),
    ("2A", '*'),
    ("2C", ','),
    ("3B", ';'),
];

/// Reads a template; an empty one is the body.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn parse(template: &str) -> Result<Vec<Part>, String> {
    if template.is_empty() {
        return Ok(vec![Part::Body]);
    }
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some(open) = rest.find('{') {
        if open > 0 {
            parts.push(Part::Literal(rest[..open].to_owned()));
        }
        rest = &rest[open..];
        let known = NAMES.iter().find(|(name, _)| rest.starts_with(name));
        let Some((name, part)) = known else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            return Err(format!("has a `{{` that begins none of {names}"));
        };
        parts.push(part.clone());
        rest = &rest[name.len()..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    match parts.contains(&Part::Body) {
        true => Ok(parts),
        false => Err("has no {body}: whoever saw one post could send any other".to_owned()),
    }
}

/// Resolves the escapes in a URL that HubSpot resolves.
pub(super) fn decoded(url: &str) -> String {
    let (mut decoded, mut rest) = (String::with_capacity(url.len()), url);
    while let Some(place) = rest.find('%') {
        decoded.push_str(&rest[..place]);
        let code = rest.get(place + 1..place + 3).unwrap_or_default();
        let known = DECODED
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(code));
        match known {
            Some((_, character)) => {
                decoded.push(*character);
                rest = &rest[place + 3..];
            }
            None => {
                decoded.push('%');
                rest = &rest[place + 1..];
            }
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_places_and_literals() {
        assert_eq!(parse(""), Ok(vec![Part::Body]));
        let parts = vec![
            Part::Literal("v0:".to_owned()),
            Part::Timestamp,
            Part::Literal(":".to_owned()),
            Part::Body,
        ];
        assert_eq!(parse("v0:{timestamp}:{body}"), Ok(parts));
        for (template, part) in [
            ("{bdy}", "begins none of {body}, {timestamp}"),
            ("{body", "begins none of"),
            ("{timestamp}", "has no {body}"),
        ] {
            let fault = parse(template).expect_err(template);
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn only_some_escapes_are_resolved() {
        for (url, expected) in [
            (
                "https://a.b/c?d=%3A%2f%40%20%41",
                "https://a.b/c?d=:/@%20%41",
            ),
            ("%3", "%3"),
            ("%%3A", "%:"),
            ("%3ü", "%3ü"),
        ] {
            assert_eq!(decoded(url), expected);
        }
    }
}
