//! YAML in, mistakes with file, line and column out.

use definitions::{key_of, parse, to_yaml};
use rpc::Violation;

const JOURNEY: &str = "\
journey:
  name: welcome
  entry:
    triggers:
      - event: signed_up
    reentry: REENTRY_NEVER
  steps:
    - id: hello
      send:
        channel: mail
        template: hello
        purpose: marketing
    - id: pause
      wait:
        duration: 30d
---
segment: {name: loyal, expression: 'profile.plan == \"pro\"', description: \"two\\nlines\"}
---
channel:
  name: hook
  log: {}
";

fn check(text: &str, expected: &[&str]) {
    let mistakes = parse("a.yaml", text).expect_err(text);
    let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn documents_are_read_and_written_back_the_same() {
    let read = parse("a.yaml", JOURNEY).expect("definitions");
    assert_eq!(read.len(), 3);
    for located in read {
        let text = to_yaml(&located.value);
        let again = parse("again.yaml", &text).expect(&text);
        assert_eq!(again[0].value, located.value, "{text}");
        assert_eq!(to_yaml(&again[0].value), text);
    }
}

#[test]
fn json_is_read_too() {
    let read = parse(
        "a.json",
        r#"{"journeyMap": {"name": "m", "stages": [{"name": "s", "enter": [{"event": "e"}]}]}}"#,
    )
    .expect("a definition");
    assert_eq!(
        key_of(&read[0].value).expect("a key").to_string(),
        "journey_map `m`"
    );
}

#[test]
fn texts_that_look_like_something_else_are_written_so_that_they_stay() {
    for text in [
        "", "true", "1.5", "-", "a: b", "a #b", "x\ny\n", "x\n\n", " x", "\u{7}", "{a}", "\"q\"",
        "ends:",
    ] {
        let quoted: String = text
            .chars()
            .map(|c| format!("\\U{:08x}", u32::from(c)))
            .collect();
        let yaml =
            format!("template:\n  name: t\n  text:\n    body: x\n    subject: \"{quoted}\"\n");
        let read = parse("a.yaml", &yaml).expect(&yaml);
        let written = to_yaml(&read[0].value);
        assert_eq!(
            parse("b.yaml", &written).expect(&written)[0].value,
            read[0].value,
            "{written}"
        );
    }
}

#[test]
fn each_mistake_names_line_column_and_what_would_be_right() {
    check(
        "segment:\n  name: loyal\n  expresion: 'true'\n",
        &["a.yaml:3:3: `expresion` is unknown in `segment`: did you mean `expression`?"],
    );
    check(
        "segment:\n  name: 30\n  expression: true\n",
        &[
            "a.yaml:2:9: `30` is not a text: write it in quotes, \"30\"",
            "a.yaml:3:15: `true` is not a text: write it in quotes, \"true\"",
        ],
    );
    check(
        "segment:\n  name: a\n  name: b\n  expression: x\n",
        &["a.yaml:3:3: `name` is there twice, first on line 2: keep one"],
    );
    check(
        "namespace:\n  name: n\n  priority: -1\n  limit: 1\n  normalizer: email\n",
        &[
            "a.yaml:3:13: `-1` is not right here: expected a whole number from 0",
            "a.yaml:5:15: `email` is no value: did you mean `NORMALIZER_EMAIL`? expected one of NORMALIZER_TRIM, \
             NORMALIZER_LOWERCASE, NORMALIZER_EMAIL, NORMALIZER_PHONE, NORMALIZER_NFKC, NORMALIZER_DOMAIN",
        ],
    );
    check(
        "channel:\n  name: c\n  log: {}\n  webhook: {}\n",
        &["a.yaml:4:3: `webhook` and `log` exclude each other: keep one"],
    );
    check(
        "segment:\n  name: a\n  expression: !has(profile.phone)\n",
        &[
            "a.yaml:3:34: a value that begins with `!` stands in quotes, because YAML takes that for a tag: \
             '!has(profile.phone)'",
        ],
    );
    check(
        "segment:\n  name: a\n  expression: !(profile.plan == 'pro') && has(profile.x)\n",
        &[
            "a.yaml:3:30: a value that begins with `!` stands in quotes, because YAML takes that for a tag: \
             \"!(profile.plan == 'pro') && has(profile.x)\"",
        ],
    );
    check(
        "a: &x 1\nb: *x\n",
        &[
            "a.yaml:1:1: `a` is unknown in a definition: expected one of namespace, segment, journey_map, happy_path, \
         journey, channel, template, policy, source, subscription, identity_policy",
            "a.yaml:2:1: `b` is unknown in a definition: expected one of namespace, segment, journey_map, happy_path, \
         journey, channel, template, policy, source, subscription, identity_policy",
            "a.yaml:2:4: aliases are not used here: write the value out",
        ],
    );
}

#[test]
fn words_that_older_yaml_reads_as_true_or_false_are_names_and_written_in_quotes() {
    for word in ["y", "n", "on", "off", "yes", "no"] {
        let yaml = format!("segment: {{name: {word}, expression: x}}");
        let read = parse("a.yaml", &yaml).expect(&yaml);
        assert_eq!(key_of(&read[0].value).expect("a key").name, word);
        let written = to_yaml(&read[0].value);
        assert!(written.contains(&format!("name: \"{word}\"")), "{written}");
    }
    check(
        "policy:\n  name: p\n  consent_by_default: yes\n",
        &["a.yaml:3:23: `yes` is not right here: did you mean true? expected true or false"],
    );
    check(
        "policy:\n  name: p\n  consent_by_default: Off\n",
        &["a.yaml:3:23: `Off` is not right here: did you mean false? expected true or false"],
    );
    check(
        "segment:\n  name: True\n  expression: 1e3\n",
        &[
            "a.yaml:2:9: `True` is not a text: write it in quotes, \"True\"",
            "a.yaml:3:15: `1e3` is not a text: write it in quotes, \"1e3\"",
        ],
    );
}

#[test]
fn broken_rules_of_the_contract_have_a_place_too() {
    check(
        "segment:\n  name: Loyal\n  expression: x\n---\njourney_map:\n  name: m\n  stages:\n    - name: s\n",
        &[
            "a.yaml:2:9: segment.name: `Loyal` must be 1 to 64 lower case letters, digits and _, beginning with a \
             letter, such as `first_purchase`",
            "a.yaml:8:7: journey_map.stages[0].enter: has 0 items: must have at least 1",
        ],
    );
}

#[test]
fn what_a_server_says_gets_its_place() {
    let read = parse("a.yaml", JOURNEY).expect("definitions");
    let violation = Violation::new("journey.steps[1].wait.duration", "is too long");
    assert_eq!(
        read[0].mistake(&violation).to_string(),
        "a.yaml:15:19: journey.steps[1].wait.duration: is too long"
    );
    let nowhere = Violation::new("journey.goals[0].name", "is missing");
    assert_eq!(read[0].mistake(&nowhere).line, 2);
}

#[test]
fn hostile_documents_are_refused_at_bounded_cost() {
    let wide = format!("segment: [{}]", "1,".repeat(300_000));
    let long = "x".repeat(2 * 1024 * 1024);
    let deep = format!("segment: {}", "[".repeat(100_000));
    let block: String = (0..1_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let bomb = "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n";
    for text in [
        wide.as_str(),
        &long,
        &deep,
        &block,
        bomb,
        "segment: [",
        "\u{0}",
        "%YAML 9\n---\n",
        "? [a]\n: b\n",
        "!!x {}",
    ] {
        let mistakes = parse("a.yaml", text).expect_err("hostile");
        assert!(mistakes.len() <= definitions::limits::MISTAKES);
    }
}
