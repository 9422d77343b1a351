//! Dotted names: those of values inside nested objects.

/// Returns the first part of a dotted name, which is that of the outermost object: `address` for
/// `address.city`.
pub fn outermost_name(name: &str) -> &str {
    names_around(name).next().unwrap_or(name)
}

/// Returns the names of the objects around a value, from the outermost one on.
pub fn names_around(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(place, _)| &name[..place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_objects_around_them() {
        for (name, around) in [("plan", &[][..]), ("a.b", &["a"]), ("a.b.c", &["a", "a.b"])] {
            assert_eq!(names_around(name).collect::<Vec<_>>(), around);
            let outermost = around.first().copied().unwrap_or(name);
            assert_eq!(outermost_name(name), outermost);
        }
    }
}
