//! The origins of web pages that may call: a browser asks whether its page may, and shows what it
//! may read of an answer.

/// The origins of web pages that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebOrigins {
    /// Any.
    All,
    /// These; none where the list is empty.
    Listed(Vec<String>),
}

/// Reads `off`, `*`, or origins with commas between them.
pub(super) fn parse(text: &str) -> Result<WebOrigins, String> {
    match text.trim() {
        "off" => return Ok(WebOrigins::Listed(Vec::new())),
        "*" => return Ok(WebOrigins::All),
        _ => {}
    }
    let origins = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let origins: Result<Vec<String>, String> = origins.map(origin).collect();
    origins.map(WebOrigins::Listed)
}

/// Reads an origin as browsers write it: scheme, host in lower case, and the port unless it is the
/// scheme's.
fn origin(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let parts = lower.split_once("://");
    let (scheme, host) = parts.ok_or_else(|| not_one(text))?;
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    if !matches!(scheme, "http" | "https") || !is_host {
        return Err(not_one(text));
    }
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(usual).unwrap_or(host);
    Ok(format!("{scheme}://{host}"))
}

fn not_one(text: &str) -> String {
    format!(
        "`{text}` is no origin of a web page: write its scheme and host, and the port where it has one, such as \
         https://app.example.com, without a path"
    )
}

impl WebOrigins {
    /// Returns whether a page of this origin, as its browser wrote it, may call.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(origins) => origins.iter().any(|it| it == origin),
        }
    }

    /// Returns whether no page may call.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(origins) if origins.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let listed = |origins: &[&str]| {
            let origins = origins.iter().map(|it| (*it).to_owned());
            Ok(WebOrigins::Listed(origins.collect()))
        };
        for (text, expected) in [
            ("off", listed(&[])),
            ("*", Ok(WebOrigins::All)),
            ("https://A.example.com", listed(&["https://a.example.com"])),
            (
                "https://a.example:443, http://b:8080,",
                listed(&["https://a.example", "http://b:8080"]),
            ),
            ("http://[::1]:80", listed(&["http://[::1]"])),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        for text in [
            "example.com",
            "https://a/b",
            "ftp://a",
            "https://",
            "https://a?b",
            "*.a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_listed_pages_may_call() {
        let some = parse("https://a.example").expect("an origin");
        assert!(some.allows("https://a.example"));
        assert!(!some.allows("https://a.example.evil") && !some.allows("null"));
        assert!(WebOrigins::All.allows("null"));
        assert!(parse("off").expect("none").is_empty());
    }
}
