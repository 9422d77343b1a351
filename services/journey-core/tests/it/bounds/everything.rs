//! Customers at every bound at once, merged: the state stays within its budget.

use super::*;

/// Everything that a customer may have, as much of it as may be.
fn everything() -> String {
    let mut yaml = maps_and_paths(201, 6);
    for number in 0..3 {
        let name = long_name("never", number);
        writeln!(
            yaml,
            "journey:
  name: {name}
  entry: {{trigger: {{event: never{number}}}, key: k, reentry: REENTRY_NEVER}}
  steps: [{{id: a, exit: {{}}}}]
---"
        )
        .expect("a text takes it");
    }
    let name = long_name("runs", 0);
    let (step, end) = (long_name("step", 0), long_name("end", 0));
    write!(
        yaml,
        "journey:
  name: {name}
  entry: {{trigger: {{event: run}}, key: k, reentry: REENTRY_AFTER_EXIT}}
  goals: [{{name: g, trigger: {{event: done}}}}]
  steps:
    - {{id: {step}, wait: {{duration: 90d}}}}
    - {{id: {end}, exit: {{}}}}
"
    )
    .expect("a text takes it");
    yaml
}

/// Brings a customer to every bound.
fn fill(world: &mut World, who: usize) {
    for number in 0..3 {
        for key in 0..950 {
            world.take_line(&format!("1h c{who} never{number} k={who}_{key}"));
        }
    }
    let key = |number: usize| format!("{:x<1$}", format!("{who}_{number}_"), limits::KEY_BYTES);
    for number in 0..limits::RUNS_ENDED {
        world.take_line(&format!("2h c{who} run k=a{}", &key(number)[1..]));
    }
    world.take_line(&format!("3h c{who} done"));
    for number in 0..limits::RUNS_ACTIVE + 1 {
        let text = "q".repeat(3_800);
        world.take_line(&format!(
            "4h c{who} run k={} text={text} more={text}",
            key(number)
        ));
    }
    let mut line = format!("5h c{who} go");
    for number in 0..700 {
        write!(line, " +{}", long_name("s", number)).expect("a text takes it");
    }
    for number in 0..9 {
        write!(line, " @t{number}={}", "z".repeat(8_000)).expect("a text takes it");
    }
    world.take_line(&line);
    world.take_line(&format!("6h c{who} e0"));
    for place in (1..20).rev() {
        world.take_line(&format!("{}h c{who} e{place}", 40 - place));
    }
}

#[test]
fn customers_at_every_bound_at_once_merge_within_it() {
    let mut world = World::new(compiled(&everything()));
    fill(&mut world, 1);
    fill(&mut world, 2);
    for who in 1..=2 {
        assert!(bytes(&world, who) > 200 * 1024, "{}", bytes(&world, who));
    }
    let entered = |world: &World| {
        count(
            world,
            &format!("journey/{}/1/entered", long_name("runs", 0)),
        )
    };
    let before = entered(&world);
    world.take_line("50h c2 merged c1");
    assert_eq!(entered(&world), before);
    assert!(bytes(&world, 1) > 200 * 1024, "{}", bytes(&world, 1));
    // A run of either customer that never comes again does not.
    for who in 1..=2 {
        for number in 0..3 {
            let name = long_name("never", number);
            let entered = format!("journey/{name}/1/entered");
            let before = count(&world, &entered);
            world.take_line(&format!("51h c1 never{number} k={who}_0"));
            assert_eq!(count(&world, &entered), before, "{name}");
        }
    }
}
