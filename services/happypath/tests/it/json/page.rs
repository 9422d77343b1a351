//! The commands of the section "HTTP and JSON" of the README, as they stand there.

use std::process::Command;

use crate::Dev;

const README: &str = include_str!("../../../../../README.md");
const SECTION: &str = "### HTTP and JSON";

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let dev = Dev::start();
    let (_, section) = README.split_once(SECTION).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let section = section.split("\n### ").next().unwrap_or_default();
    let blocks = section.split("```").skip(1).step_by(2);
    let mut commands = 0;
    for block in blocks.filter(|block| block.starts_with("console\n")) {
        let mut lines = block.lines().skip(1).peekable();
        while let Some(line) = lines.next() {
            let mut command = line.strip_prefix("$ ").expect("a command").to_owned();
            while command.ends_with('\\') || command.matches('\'').count() % 2 == 1 {
                command = format!("{command}\n{}", lines.next().expect("the rest of it"));
            }
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line);
            }
            run(&dev, &command, &expected);
            commands += 1;
        }
    }
    assert!(commands >= 5, "{commands}");
    dev.stop();
}

/// Runs a command; an ellipsis in what is expected stands for anything.
fn run(dev: &Dev, command: &str, expected: &[&str]) {
    let place = dev.address.trim_start_matches("http://");
    let command = command.replace("localhost:7400", place);
    let command = command.replace("curl ", "curl --silent --show-error ");
    let output = Command::new("sh").arg("-c").arg(&command).output();
    let output = output.expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let pattern = expected.join("\n");
    let mut rest = text.as_ref();
    for part in pattern.split('…') {
        let found = rest.find(part.trim_end_matches('\n'));
        let found =
            found.unwrap_or_else(|| panic!("{command}\nis not {pattern}\nbut {text}{errors}"));
        rest = &rest[found + part.trim_end_matches('\n').len()..];
    }
    // A person is slower than the effect of a command.
    dev.settle();
}
