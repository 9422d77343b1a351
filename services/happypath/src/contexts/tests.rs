//! Tests of the file of contexts.

use super::*;

fn contexts() -> Contexts {
    let context = Context {
        address: "https://happypath.acme:7400".to_owned(),
        key: Some("hpk_secret".to_owned()),
        ..Context::default()
    };
    Contexts {
        current: Some("acme".to_owned()),
        contexts: [("acme".to_owned(), context)].into(),
    }
}

#[test]
fn contexts_are_read_as_they_were_written_and_by_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new").join("contexts.yaml");
    assert_eq!(Contexts::read(&path).expect("none"), Contexts::default());
    contexts().write(&path).expect("written");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    assert_eq!(Contexts::read(&path).expect("read"), contexts());
    // Written over one that is there.
    contexts().write(&path).expect("written");
    assert!(!format!("{:?}", contexts()).contains("hpk_secret"));
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contexts.yaml");
    contexts().write(&path).expect("written");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&path, open).expect("changed");
    let refused = Contexts::read(&path).expect_err("refused").to_string();
    assert!(refused.contains("chmod 600"), "{refused}");
}

#[test]
fn a_faulty_file_is_told_without_what_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contexts.yaml");
    std::fs::write(&path, "current: a\ncontexts:\n  a: hpk_secret\n").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(MODE)).expect("changed");
    let refused = Contexts::read(&path).expect_err("refused").to_string();
    assert!(
        refused.contains("line 3") && !refused.contains("hpk_secret"),
        "{refused}"
    );
}

#[test]
fn the_named_context_counts_before_the_current_one() {
    let contexts = contexts();
    assert!(contexts.choose(None).expect("the current one").is_some());
    let unknown = contexts
        .choose(Some("acne"))
        .expect_err("unknown")
        .to_string();
    assert_eq!(unknown, "there is no context `acne`: did you mean `acme`?");
    assert_eq!(Contexts::default().choose(None).expect("none"), None);
}
