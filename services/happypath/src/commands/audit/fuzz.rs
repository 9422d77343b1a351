//! Reads lines of an export of the audit log, whoever wrote them.

use audit::{Entry, Head, Pruned, Verifier};

use super::item::Item;

/// Reads lines, and verifies the log that they are.
///
/// # Panics
/// Where a line is not what is written of it.
pub fn audit_line(text: &str) {
    let mut verifier = Verifier::new(&[]);
    for line in text.lines() {
        let Some(item) = Item::parse(line) else {
            continue;
        };
        let written = item.line().expect("it was read from JSON");
        let again = Item::parse(&written).expect("it was written");
        assert_eq!(again.line().ok(), Some(written));
        match item {
            Item::Head(head) => {
                if let Ok(read) = Head::try_from(&head) {
                    verifier.head(read, head.pruned.as_ref().map(Pruned::from));
                }
            }
            Item::Entry(entry) => {
                if let Ok(read) = Entry::try_from(entry) {
                    verifier.entry(&read);
                }
            }
        }
    }
    verifier.finish();
}
