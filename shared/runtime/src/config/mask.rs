//! Keeps passwords out of what people and logs see.

/// Replaces the password of a URL with `***`, in its user part and in a `password` parameter.
pub fn mask_secrets(text: &str) -> String {
    let mut masked = text.to_owned();
    // Parameters first: a password among them may hold what looks like the end of a user part.
    for name in ["password=", "pass=", "token="] {
        masked = mask_parameter(&masked, name);
    }
    mask_user_part(&masked)
}

fn mask_user_part(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last @ ends the user part, wherever it is: a password may hold any sign, and rather the
    // place is hidden than a part of the password shown.
    let Some(at) = rest.rfind('@') else {
        return text.to_owned();
    };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***{}", &rest[at..]),
        None => text.to_owned(),
    }
}

fn mask_parameter(text: &str, name: &str) -> String {
    let Some(start) = text.find(name).map(|place| place + name.len()) else {
        return text.to_owned();
    };
    let end = text[start..]
        .find('&')
        .map_or(text.len(), |place| start + place);
    format!("{}***{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_and_nothing_else() {
        for (text, masked) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
            ("postgres://me:se@cret@host/db", "postgres://me:***@host/db"),
            ("postgres://me:a/b@host/db", "postgres://me:***@host/db"),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("postgres://me:a@b?c@host/db", "postgres://me:***@host/db"),
            (
                "postgres://host/db?user=me&password=x&sslmode=require",
                "postgres://host/db?user=me&password=***&sslmode=require",
            ),
            (
                "postgres://host:5432/db?password=se@cret",
                "postgres://host:5432/db?password=***",
            ),
            (
                "sqlite:.happypath/happypath.db",
                "sqlite:.happypath/happypath.db",
            ),
        ] {
            assert_eq!(mask_secrets(text), masked);
        }
    }
}
