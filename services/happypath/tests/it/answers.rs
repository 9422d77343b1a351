//! Answers that arrive: many mistakes at once, and lines that nobody can read.

use std::fmt::Write as _;

use super::Dev;

#[test]
fn many_mistakes_are_told_as_far_as_they_fit_and_the_rest_is_counted() {
    let dev = Dev::start();
    let mut bundle = String::new();
    for place in 0..30 {
        let _ = writeln!(
            bundle,
            "---\njourney:\n  name: lost_{place}\n  entry: {{triggers: [{{event: purchase}}], reentry: \
             REENTRY_NEVER}}\n  steps:\n    - id: thank\n      send: {{channel: absent_{place}, \
             template: missing_{place}, purpose: x}}"
        );
    }
    dev.file("lost.yaml", &bundle);
    let (code, said) = dev.refused("apply -f lost.yaml");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("60 mistakes; nothing was applied"), "{said}");
    let told = said
        .lines()
        .filter(|line| line.contains("lost.yaml:"))
        .count();
    assert!(told >= 10, "{said}");
    assert!(said.contains(&format!("and {} more", 60 - told)), "{said}");
    assert!(said.contains("absent_0"), "{said}");
}

#[test]
fn an_import_goes_on_after_a_line_that_nests_too_deep() {
    let dev = Dev::start();
    let line = |user: &str, value: &str| {
        format!(
            r#"{{"name":"purchase","time":"2026-01-01","identifiers":{{"user_id":"{user}"}},"properties":{{"a":{value}}}}}"#
        )
    };
    let deep = format!("{}1{}", "[".repeat(49), "]".repeat(49));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
    let lines = [
        line("u1", "1"),
        line("u2", &deep),
        line("u3", &objects),
        line("u4", "2"),
    ];
    dev.file("events.jsonl", &lines.join("\n"));
    let output = dev.run("import events.jsonl --on-error continue");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for place in [
        "events.jsonl:2: properties.a[0]: ",
        "events.jsonl:3: properties.a.a.a.a: ",
    ] {
        assert!(said.contains(place), "{said}");
    }
    assert!(said.contains("flatten it"), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    dev.settle();
    for user in ["u1", "u4"] {
        assert!(
            dev.ok(&format!("customer user_id:{user}"))
                .contains("event purchase"),
            "{printed}"
        );
    }
}
