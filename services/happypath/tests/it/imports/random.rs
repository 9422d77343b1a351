//! Files that are changed at random and imported after each change, against a naive reference.

use std::collections::{BTreeMap, HashMap};

use super::{csv, events_of, import, row};
use crate::Dev;

/// A source of numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % most as u64).expect("small")
    }
}

/// Changes a file as people do: corrects, leaves out, adds, doubles and moves lines.
fn edit(rows: &mut Vec<String>, dice: &mut Dice, user: &str) {
    for _ in 0..dice.below(8) {
        let at = dice.below(rows.len());
        let new = row(
            user,
            dice.below(1_000),
            if dice.below(4) == 0 { "" } else { "visit" },
        );
        match dice.below(5) {
            0 => rows[at] = new,
            1 if rows.len() > 1 => drop(rows.remove(at)),
            2 => rows.push(rows[at].clone()),
            3 => rows.insert(at, new),
            _ => {
                let other = dice.below(rows.len());
                rows.swap(at, other);
            }
        }
    }
}

#[test]
fn the_lines_that_are_taken_are_those_of_a_naive_reference() {
    let dev = Dev::start();
    for seed in 0..5 {
        let mut dice = Dice(seed);
        let user = format!("u{seed}");
        let file = format!("{user}.csv");
        let mut rows: Vec<String> = (0..20).map(|at| row(&user, at, "visit")).collect();
        // Of each line, how often it was in the file at once: as many events were taken.
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..6 {
            edit(&mut rows, &mut dice, &user);
            dev.file(&file, &csv(&rows));
            let mut now: HashMap<&String, usize> = HashMap::new();
            for row in rows.iter().filter(|row| !row.contains(",,")) {
                *now.entry(row).or_default() += 1;
            }
            let before: usize = taken.values().sum();
            for (row, count) in now {
                let most = taken.entry(row.clone()).or_default();
                *most = count.max(*most);
            }
            let new = taken.values().sum::<usize>() - before;
            let batch = (1 + dice.below(9)).to_string();
            let told = import(&dev, &[&file, "--on-error", "continue", "--batch", &batch]);
            assert_eq!(told.counts().0, new as u64, "seed {seed}: {}", told.said);
        }
        let expected: usize = taken.values().sum();
        assert_eq!(events_of(&dev, &user), expected as u64, "seed {seed}");
    }
    dev.stop();
}
