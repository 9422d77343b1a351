//! Random histories of two customers with large values, who are merged: bounds and sums hold at
//! every step.

use proptest::prelude::*;

use super::*;

/// An act of one of two customers.
#[derive(Debug, Clone)]
enum Happening {
    Ask {
        kilobytes: usize,
        template: &'static str,
    },
    Outcome {
        which: usize,
        result: DeliveryResult,
    },
    Consent {
        purpose: u8,
        granted: bool,
    },
    Pass {
        millis: i64,
    },
}

fn happening() -> impl Strategy<Value = (bool, Happening)> {
    let templates = prop::sample::select(vec!["hello", "everything", "endless", "broken"]);
    let results = prop::sample::select(vec![
        DeliveryResult::Delivered,
        DeliveryResult::Retry,
        DeliveryResult::Rejected,
    ]);
    let happening = prop_oneof![
        6 => (0_usize..80, templates)
            .prop_map(|(kilobytes, template)| Happening::Ask { kilobytes, template }),
        2 => (0_usize..20, results).prop_map(|(which, result)| Happening::Outcome { which, result }),
        1 => (0..6_u8, any::<bool>())
            .prop_map(|(purpose, granted)| Happening::Consent { purpose, granted }),
        2 => (0_i64..50_000).prop_map(|millis| Happening::Pass { millis }),
    ];
    (any::<bool>(), happening)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn nothing_that_large_customers_do_leaves_the_bounds_or_the_sums(
        history in prop::collection::vec(happening(), 1..70),
        after in prop::collection::vec(happening(), 1..20),
    ) {
        let mut worlds = [world(1), world(2)];
        let mut asked = 0;
        let mut take = |worlds: &mut [World; 2], is_other: bool, happening: Happening| {
            let own = &mut worlds[usize::from(is_other)];
            match happening {
                Happening::Ask { kilobytes, template } => {
                    own.send(Body::Action(large(asked, template, kilobytes))).expect("an action");
                    asked += 1;
                }
                Happening::Outcome { which, result } => {
                    let attempt = own.dispatched.iter().rev().nth(which);
                    if let Some((visit, attempt)) = attempt.map(|(_, it)| (it.visit, it.attempt)) {
                        own.outcome(visit, attempt, result);
                    }
                }
                Happening::Consent { purpose, granted } => {
                    own.send(Body::Consent(ConsentChange {
                        purpose: format!("p{purpose}"),
                        granted,
                        ..ConsentChange::default()
                    })).expect("a consent");
                }
                Happening::Pass { millis } => own.pass(millis),
            }
            asked
        };
        for (is_other, happening) in history {
            let asked = take(&mut worlds, is_other, happening);
            check_sums(&[&worlds[0], &worlds[1]], asked as usize);
        }
        let [loser, survivor] = &mut worlds;
        let withdrawn = |world: &World| -> Vec<(String, Timestamp)> {
            let words = world.consents().iter().filter(|word| !word.granted);
            words.map(|word| (word.purpose.to_string(), word.time)).collect()
        };
        let before = [withdrawn(loser), withdrawn(survivor)].concat();
        if !loser.state.is_empty() {
            merge(loser, survivor);
        }
        for (purpose, time) in before {
            let newer = survivor.consents().iter()
                .any(|word| word.purpose.as_ref() == purpose && word.granted && word.time > time);
            prop_assert!(newer || !survivor.consents().allows(&purpose, "log", true));
        }
        for (_, happening) in after {
            let asked = take(&mut worlds, true, happening);
            check_sums(&[&worlds[0], &worlds[1]], asked as usize);
        }
    }
}
