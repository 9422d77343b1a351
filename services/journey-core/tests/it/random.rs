//! Random journeys, random facts at random times: what must hold, holds.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::world::{World, compiled};

/// A journey whose steps go to random others.
pub(crate) fn journey() -> impl Strategy<Value = String> {
    let step = (0..6_u8, 0..8_usize, 0..8_usize, 1..100_u32);
    (proptest::collection::vec(step, 1..8), 1..5_u8, any::<bool>()).prop_map(
        |(steps, reentry, keyed)| {
            let reentry = ["", "NEVER", "AFTER_EXIT", "AFTER_COOLDOWN\n    cooldown: 20h", "REPLACE"]
                [usize::from(reentry)];
            let key = if keyed { "\n    key: k" } else { "" };
            let mut yaml = format!(
                "journey:\n  name: j\n  entry:\n    triggers: [{{event: a}}]{key}\n    reentry: REENTRY_{reentry}\n  \
                 goals: [{{name: g, trigger: {{event: d, where: event.v > 8.0}}}}]\n  \
                 exits: [{{name: x, trigger: {{segment_left: s}}}}]\n  steps:\n"
            );
            let last = steps.len();
            for (place, (kind, to, other, hours)) in steps.into_iter().enumerate() {
                // The next step can always be come to; only waits may go back.
                let next = place + 1;
                let forward = |to: usize| next + to % (last - place);
                let any = |to: usize| to % (last + 1);
                let kind = match kind {
                    0 => "send: {channel: mail, template: t, purpose: p}".to_owned(),
                    1 => format!("wait: {{duration: {hours}h}}"),
                    2 => format!(
                        "wait_for: {{branches: [{{trigger: {{event: b}}, next: s{}}}, \
                         {{trigger: {{segment_entered: s}}, next: s{}}}], timeout: {hours}h}}",
                        any(to),
                        any(other)
                    ),
                    3 => format!(
                        "branch: {{arms: [{{when: 'segments.has(\"s\")', next: s{}}}], otherwise: s{next}}}",
                        forward(to)
                    ),
                    4 => format!(
                        "split: {{arms: [{{name: x, share: {}, holdout: true, next: s{}}}, \
                         {{name: z, share: {}, next: s{next}}}]}}",
                        hours * 100,
                        forward(other),
                        10_000 - hours * 100
                    ),
                    _ => "milestone: {name: m}".to_owned(),
                };
                write!(yaml, "    - id: s{place}\n      {kind}\n").expect("a text takes it");
            }
            write!(yaml, "    - id: s{last}\n      exit: {{}}\n").expect("a text takes it");
            yaml
        },
    )
}

pub(crate) const REST: &str = "---
journey_map:
  name: m
  stages:
    - {name: one, enter: [{event: a}]}
    - {name: two, from: [one], enter: [{event: b}, {segment_entered: s}]}
    - {name: three, from: [outside, two], enter: [{event: c}]}
---
happy_path:
  name: p
  map: m
  milestones:
    - {name: a, trigger: {event: a}}
    - {name: b, trigger: {event: b}, within: 30h, optional: true}
    - {name: c, trigger: {event: c}, within: 50h}
    - {name: d, trigger: {event: d}, within: 20h}
    - {name: b2, trigger: {event: b}, within: 40h}
";

/// Facts of three customers, some late, some merging two of them for good.
pub(crate) fn facts() -> impl Strategy<Value = Vec<String>> {
    let fact = (
        0..30_u64,
        0..40_u64,
        1..4_u8,
        0..4_usize,
        0..4_u8,
        0..10_u8,
        0..30_u8,
    );
    proptest::collection::vec(fact, 1..60).prop_map(|facts| {
        let mut hours = 100;
        facts
            .into_iter()
            .map(|(later, late, who, event, segment, value, merge)| {
                hours += later;
                let at = if late < 4 { hours - late * 10 } else { hours };
                let event = ["a", "b", "c", "d"][event];
                let segment = match segment {
                    0 => " +s",
                    1 => " -s",
                    _ => "",
                };
                match merge {
                    0 => format!("{hours}h c3 merged c2"),
                    1 => format!("{hours}h c2 merged c1"),
                    _ => format!(
                        "{at}h c{who} {event} k={} v={value} @t={value}{segment}",
                        value % 3
                    ),
                }
            })
            .collect()
    })
}

/// Facts of customers who are merged, with values so large that every bound is met now and then.
fn large_facts() -> impl Strategy<Value = Vec<String>> {
    let fact = (
        0..4_u8,
        1..4_u8,
        0..60_u32,
        0..8_000_usize,
        0..12_u8,
        0..40_u8,
    );
    proptest::collection::vec(fact, 100..160).prop_map(|facts| {
        let (mut hours, mut line) = (0_u32, String::new());
        let lines = facts
            .into_iter()
            .map(|(later, who, key, size, name, merge)| {
                hours += u32::from(later);
                line.clear();
                match merge {
                    0 => write!(line, "{hours}h c3 merged c2"),
                    1 => write!(line, "{hours}h c2 merged c1"),
                    _ => write!(
                        line,
                        "{hours}h c{who} a k=key{key} v=9 p{name}={} @t{name}={} +g{key}",
                        "p".repeat(size),
                        "t".repeat(8_000 - size)
                    ),
                }
                .expect("a text takes it");
                line.clone()
            });
        lines.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_is_out_and_present_at_every_step_and_replays_agree(
        mut yaml in journey(),
        facts in facts(),
    ) {
        yaml.push_str(REST);
        let mut world = World::new(compiled(&yaml));
        for line in &facts {
            world.take_line(line);
        }
        world.take_line("2000h c1 nothing");
        let first = (world.states, world.transcript, world.counters);
        let mut again = World::new(compiled(&yaml));
        for line in &facts {
            again.take_line(line);
        }
        again.take_line("2000h c1 nothing");
        prop_assert_eq!(first, (again.states, again.transcript, again.counters));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_large_customers_do_leaves_the_bounds_or_the_sums(
        mut yaml in journey(),
        facts in large_facts(),
    ) {
        yaml.push_str(REST);
        let mut world = World::new(compiled(&yaml));
        for line in &facts {
            world.take_line(line);
        }
    }
}
