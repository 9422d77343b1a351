//! Paths with dots: those of values inside nested objects.

use crate::name::dots;

/// Returns the first key of a path, which is that of the outermost object: `address` for
/// `address.city`.
pub fn outermost_name(path: &str) -> &str {
    names_around(path).next().unwrap_or(path)
}

/// Returns the paths of the objects around a value, from the outermost one on.
pub fn names_around(path: &str) -> impl Iterator<Item = &str> {
    dots(path).map(|place| &path[..place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_objects_around_them() {
        for (name, around) in [
            ("plan", &[][..]),
            ("a.b", &["a"]),
            ("a.b.c", &["a", "a.b"]),
            // A dot in a key leads nowhere.
            ("a\\.b", &[]),
            ("a\\.b.c", &["a\\.b"]),
            ("a\\\\.b", &["a\\\\"]),
        ] {
            assert_eq!(names_around(name).collect::<Vec<_>>(), around);
            let outermost = around.first().copied().unwrap_or(name);
            assert_eq!(outermost_name(name), outermost);
        }
    }
}
