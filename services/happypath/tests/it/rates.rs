//! Limits for each caller.

use crate::Dev;

#[test]
fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start_with(folder, &["--caller-rate", "1"]);
    let outputs = (0..20).map(|_| dev.run("get segments"));
    let refused: Vec<String> = outputs
        .filter(|output| !output.status.success())
        .map(|output| String::from_utf8(output.stderr).expect("text"))
        .collect();
    assert!(!refused.is_empty());
    for said in refused {
        assert!(
            said.contains("a caller may make 1 calls a second"),
            "{said}"
        );
        assert!(said.contains("caller_rate"), "{said}");
    }
}

#[test]
fn without_a_limit_nobody_is_refused() {
    let dev = Dev::start();
    for _ in 0..20 {
        dev.ok("get segments");
    }
}
