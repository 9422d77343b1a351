//! Keys, logins and contexts as people use them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::{Dev, binary};

/// A user with contexts of their own.
fn user(home: &Path, line: &str) -> Command {
    let mut command = binary();
    command
        .args(line.split(' '))
        .env("HAPPYPATH_CONTEXTS", home.join("contexts.yaml"))
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("ran");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("a code"), text(stdout), text(stderr))
}

fn ok(command: &mut Command) -> String {
    let (code, out, err) = output(command);
    assert_eq!(code, 0, "{out}{err}");
    out
}

/// The key on the first line of an answer.
fn key_of(answer: &str) -> String {
    let key = answer.lines().next().expect("a line");
    assert!(key.starts_with("hpk_"), "{answer}");
    key.to_owned()
}

#[test]
fn a_first_key_opens_an_installation_and_makes_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let stores = folder.path().join("stores");
    let bootstrap = format!("keys bootstrap --folder {}", stores.display());
    let admin = key_of(&ok(&mut user(home, &bootstrap)));
    let dev = Dev::start_with(folder, &["--access", "required"]);

    let (code, _, said) = output(user(home, "segments").args(["--address", &dev.address]));
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("no credential") && said.contains("happypath login"),
        "{said}"
    );

    let login = format!("login ops --address {}", dev.address);
    let told = ok(user(home, &login).env("HAPPYPATH_KEY", &admin));
    assert!(told.contains("You are admin (key)"), "{told}");
    assert!(!told.contains(&admin));
    let contexts = home.join("contexts.yaml");
    let mode = std::fs::metadata(&contexts)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    ok(&mut user(home, "segments"));

    let create = "keys create reader --scope definitions:read --expires 1d";
    let reader = key_of(&ok(&mut user(home, create)));
    ok(user(home, "segments").env("HAPPYPATH_KEY", &reader));
    let (code, _, said) = output(user(home, "keys list").env("HAPPYPATH_KEY", &reader));
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("lacks the scope `keys:read`: it has definitions:read"),
        "{said}"
    );

    let id = &reader[4..20];
    let rotated = key_of(&ok(&mut user(
        home,
        &format!("keys rotate {id} --overlap 1h"),
    )));
    for key in [&reader, &rotated] {
        ok(user(home, "segments").env("HAPPYPATH_KEY", key));
    }
    let listed = ok(&mut user(home, "keys list"));
    assert!(
        listed.contains("reader") && listed.contains("old secret until"),
        "{listed}"
    );
    ok(&mut user(home, &format!("keys revoke {id}")));
    for key in [&reader, &rotated] {
        let (code, _, said) = output(user(home, "segments").env("HAPPYPATH_KEY", key));
        assert_eq!(code, 5, "{said}");
    }
    for secret in [&admin, &reader, &rotated] {
        assert!(!listed.contains(&secret[21..40]), "{listed}");
    }
    ok(&mut user(home, "contexts remove ops"));
    let (code, _, said) = output(&mut user(home, "segments --context ops"));
    assert_eq!(code, 2, "{said}");
    dev.stop();
}

#[test]
fn who_is_no_caller_is_not_kept_and_no_key_travels_in_plain_text() {
    let home: TempDir = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let key = key_of(&ok(&mut user(home, "keys make shop --scope events:write")));
    let far = "login x --address http://happypath.example:7400";
    let (code, _, said) = output(user(home, far).env("HAPPYPATH_KEY", &key));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("plain text"), "{said}");
    let near = "login x --address http://127.0.0.1:9";
    let (code, _, said) = output(user(home, near).env("HAPPYPATH_KEY", &key));
    assert_eq!(code, 4, "{said}");
    assert!(!home.join("contexts.yaml").exists());
}

#[test]
fn who_has_no_home_asks_without_a_context_and_is_told_where_one_would_be() {
    let dev = Dev::start();
    let homeless = |line: &str| {
        let mut command = binary();
        command
            .args(line.split(' '))
            .env_remove("HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env("HAPPYPATH_SEGMENTATION_ADDRESS", &dev.address)
            .stdin(Stdio::null());
        command
    };
    ok(&mut homeless("segments"));
    for line in ["segments --context prod", "contexts", "login prod"] {
        let (code, _, said) = output(&mut homeless(line));
        assert_eq!(code, 2, "{line}: {said}");
        assert!(said.contains("HAPPYPATH_CONTEXTS"), "{line}: {said}");
    }
    dev.stop();
}

#[test]
fn a_process_that_others_reach_does_not_start_without_callers() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let (code, _, said) = output(&mut user(home, "dev --listen 0.0.0.0:0 --partitions 4"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("happypath keys bootstrap"), "{said}");
    let (code, _, said) = output(&mut user(home, "dev --listen 0.0.0.0:0 --access open"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("listen on 127.0.0.1"), "{said}");
}

#[test]
fn five_faults_of_a_configuration_are_told_at_once_and_a_misspelt_variable_is_one() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    std::fs::write(
        home.join("c.yaml"),
        "partitions: 0\nlease_tll: 5s\naccess: maybe\n",
    )
    .expect("written");
    let mut dev = user(home, "dev --config c.yaml --check-config --tls-key k.pem");
    let (code, _, said) = output(dev.env("HAPPYPATH_DATABSE", "postgres://me:secret@d/n"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("has 5 faults"), "{said}");
    for part in [
        "partitions = \"0\"",
        "lease_tll (from c.yaml:2): is not a setting: did you mean `lease_ttl`?",
        "access = \"maybe\"",
        "tls_key = \"k.pem\" (from --tls-key): needs tls_certificate beside it",
        "HAPPYPATH_DATABSE (from the environment): is not a variable of Happypath: did you mean HAPPYPATH_DATABASE?",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("secret"), "{said}");
    let (code, _, said) = output(user(home, "segments").env("HAPPYPATH_ADRESS", "x"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("did you mean HAPPYPATH_ADDRESS?"), "{said}");
}
