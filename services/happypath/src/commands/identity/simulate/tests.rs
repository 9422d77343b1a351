//! Acceptance cases are in `tests/it/identity`, by the command line.

use super::*;

#[test]
fn bad_lines_are_told_up_to_a_number_and_counted() {
    let told = |count: u64| {
        let mut bad = BadLines::default();
        for line in 1..=count {
            bad.push("a.jsonl", &BadLine::new(line, "ids", "is missing"));
        }
        bad.into_result().map_err(|failure| failure.to_string())
    };
    assert_eq!(told(0), Ok(()));
    assert_eq!(
        told(1),
        Err("1 line is no event; nothing was decided\na.jsonl:1: ids: is missing".to_owned())
    );
    let many = told(25).expect_err("a refusal");
    assert!(many.starts_with("25 lines are no event"), "{many}");
    assert!(
        many.ends_with("20: ids: is missing\nand 5 more: correct these first"),
        "{many}"
    );
}
