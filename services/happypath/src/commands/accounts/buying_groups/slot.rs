//! A role of a buying group as the command line has it: `ROLE[:COUNT][=CUSTOMER,…]`.

/// A role, with how many people it needs, and who fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotText {
    /// The role.
    pub(super) role: String,
    /// The number of people that it needs; 0 for a role that is good to have.
    pub(super) required_count: u32,
    /// The people who fill it, by ids or identifiers.
    pub(super) customers: Vec<String>,
}

/// Reads a role.
///
/// # Errors
/// An example of what would be one.
pub(super) fn parse(text: &str) -> Result<SlotText, String> {
    let wrong = || {
        "expected a role, how many people it needs, and who fills it, such as champion:2=user_id:ada,user_id:ben"
            .to_owned()
    };
    let (head, customers) = match text.split_once('=') {
        Some((head, customers)) => (head, customers.split(',').map(str::to_owned).collect()),
        None => (text, Vec::new()),
    };
    let (role, count) = match head.split_once(':') {
        Some((role, count)) => (role, count.parse().map_err(|_| wrong())?),
        None => (head, 1),
    };
    if role.is_empty() || customers.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok(SlotText {
        role: role.to_owned(),
        required_count: count,
        customers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_with_its_count_and_people() {
        for (text, expected) in [
            ("legal", Some(("legal", 1, &[][..]))),
            ("legal:0", Some(("legal", 0, &[]))),
            (
                "champion:2=user_id:ada,email=a@b.c",
                Some(("champion", 2, &["user_id:ada", "email=a@b.c"])),
            ),
            (
                "champion=user_id:ada",
                Some(("champion", 1, &["user_id:ada"])),
            ),
            ("", None),
            ("=user_id:ada", None),
            ("legal:x", None),
            ("legal:-1", None),
            ("legal=", None),
        ] {
            let read = parse(text).ok();
            let read = read.as_ref().map(|it| {
                let customers: Vec<&str> = it.customers.iter().map(String::as_str).collect();
                (it.role.as_str(), it.required_count, customers)
            });
            let expected = expected.map(|(role, count, all)| (role, count, all.to_vec()));
            assert_eq!(read, expected, "{text}");
        }
    }
}
