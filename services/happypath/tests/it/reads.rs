//! Reading one's own write on embedded stores, as scripts do it on the command line.

use super::Dev;

#[test]
fn no_command_that_comes_after_a_write_misses_it() {
    let dev = Dev::start();
    for count in 1..=15 {
        let tracked = dev.json("track lesson_finished --id user_id=ada");
        let position = tracked["position"].as_str().expect("a position");
        let customer = dev.json(&format!("customer user_id:ada --after {position}"));
        let counted = &customer["profile"]["events"][0];
        assert_eq!(counted["count"], count, "{customer}");
        let expression = format!("events(\"lesson_finished\").count()=={count}");
        let line = format!("explain user_id:ada --expression {expression} --after {position}");
        assert_eq!(dev.json(&line)["segments"][0]["holds"], true);
    }
    let mut lines = "timestamp,customer_id,event,value\n".to_owned();
    for number in 0..3_000 {
        lines.push_str(&format!("2026-01-01,{},purchase,1\n", 100 + number % 100));
    }
    dev.file("events.csv", &lines);
    let imported = dev.json("import events.csv --lane bulk");
    let position = imported["files"][0]["position"]
        .as_str()
        .expect("a position");
    let customer = dev.json(&format!("customer user_id:199 --after {position}"));
    assert_eq!(customer["profile"]["events"][0]["count"], 30, "{customer}");
    dev.stop();
}

#[test]
fn what_is_no_position_is_refused_with_the_remedy() {
    let dev = Dev::start();
    dev.ok("track lesson_finished --id user_id=ada");
    for command in ["customer", "explain"] {
        let (code, said) = dev.refused(&format!("{command} user_id:ada --after nonsense"));
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains("after: is not the `position` of an answer"),
            "{said}"
        );
        assert!(said.contains("leave it empty"), "{said}");
    }
    dev.stop();
}
