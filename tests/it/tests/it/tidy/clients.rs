//! The client packages of `proto/clients`: their version, their licence, and locks that name no
//! host.

use std::fs;

use super::{assert_none, root};

/// The version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The files that say which version a package has, with the line that says it.
const VERSIONS: [(&str, &str); 3] = [
    ("proto/clients/python/pyproject.toml", "version = "),
    ("proto/clients/typescript/package.json", "\"version\": "),
    (
        "proto/clients/typescript/package-lock.json",
        "\"version\": ",
    ),
];
/// The licences that packages carry, each the same as that of the workspace.
const LICENCES: [&str; 2] = [
    "proto/clients/python/LICENSE",
    "proto/clients/typescript/LICENSE",
];
/// The locks of packages and of programs that install them.
const LOCKS: [&str; 2] = [
    "proto/clients/typescript/package-lock.json",
    "tests/clients/packages/package-lock.json",
];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of the work tree")
}

/// Returns the fault of a file whose first line with this beginning says another version.
fn version_fault(path: &str, text: &str, beginning: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_start);
    let said = lines.find_map(|line| line.strip_prefix(beginning));
    let expected = format!("\"{VERSION}\"");
    match said.map(|text| text.trim_end_matches(',')) {
        Some(said) if said == expected => None,
        said => Some(format!(
            "{path}: its version is {}: the workspace has {expected}",
            said.unwrap_or("missing")
        )),
    }
}

/// Returns the fault of a lock that says where a package was taken from, which is another place
/// elsewhere.
fn host_fault(path: &str, text: &str) -> Option<String> {
    text.contains("\"resolved\"")
        .then(|| format!("{path}: names hosts: write it with omit-lockfile-registry-resolved"))
}

#[test]
fn packages_have_the_version_of_the_workspace() {
    let faults = VERSIONS.iter().filter_map(|(path, beginning)| {
        let text = read(path);
        version_fault(path, &text, beginning)
    });
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn packages_carry_the_licence() {
    let licence = read("LICENSE");
    let others = LICENCES.iter().filter(|path| read(path) != licence);
    let faults = others.map(|path| format!("{path}: differs from LICENSE"));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn locks_name_no_host() {
    let faults = LOCKS
        .iter()
        .filter_map(|path| host_fault(path, &read(path)));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn another_version_and_a_host_are_faults() {
    let right = format!("[project]\nversion = \"{VERSION}\"\n");
    assert_eq!(version_fault("a", &right, "version = "), None);
    let wrong = "{\n  \"version\": \"9.9.9\",\n  \"packages\": {}\n}\n";
    let fault = version_fault("a", wrong, "\"version\": ").expect("a fault");
    assert!(fault.contains("its version is \"9.9.9\""), "{fault}");
    let fault = version_fault("a", "", "version = ").expect("a fault");
    assert!(fault.contains("its version is missing"), "{fault}");
    assert_eq!(host_fault("a", "\"integrity\": \"sha512\""), None);
    assert!(host_fault("a", "\"resolved\": \"somewhere\"").is_some());
}
