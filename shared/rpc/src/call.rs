//! Names a call for spans: `identity.get_customer`.

/// The name of a call by its path, such as `/happypath.identity.v1.IdentityService/GetCustomer`.
pub fn call_name(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (service, method) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    // The package names the service; `v1` and the type name do not help a reader.
    let noun = service.strip_prefix("happypath.").unwrap_or(service);
    let noun = noun.split('.').next().unwrap_or(noun);
    format!("{noun}.{}", snake(method))
}

fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (place, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_service_and_verb() {
        for (path, expected) in [
            (
                "/happypath.identity.v1.IdentityService/GetCustomer",
                "identity.get_customer",
            ),
            ("/grpc.health.v1.Health/Check", "grpc.check"),
            ("/", "."),
        ] {
            assert_eq!(call_name(path), expected);
        }
    }
}
