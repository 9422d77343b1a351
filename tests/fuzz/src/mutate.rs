//! Changes inputs at random, the same in every run: for the tests of targets, which are to notice a
//! target that is broken, and not to search.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{INPUT_BYTES, Target};

/// Bytes at which readers turn: ends of ranges, signs of lengths, quotes, ends of lines.
const BYTES: &[u8] = b"\x00\x01\x7f\x80\xff\"'\\\n\r{}[]()<>,.:;=&|/+-0919 aZ~\xc3\xf0";
/// Texts at which any reader may turn.
const WORDS: &[&str] = &[
    "-1",
    "0",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "1e309",
    "\u{feff}",
    "\u{0}",
    "İ",
    "ǆ",
    "\u{301}",
    "\u{fffd}",
    "\u{1F600}",
    "\u{ff}\u{ff}\u{ff}\u{ff}",
];
/// Changes of one input at the most.
const CHANGES: u64 = 4;

/// Makes inputs out of seeds.
struct Mutator {
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
    state: u64,
}

impl Mutator {
    /// Begins with the seeds of a target.
    fn new(target: Target, state: u64) -> Self {
        let mut seeds = (target.seeds)();
        seeds.push(Vec::new());
        Self {
            seeds,
            words: target.words,
            state,
        }
    }

    /// Returns the next input.
    fn input(&mut self) -> Vec<u8> {
        let place = self.below(self.seeds.len());
        let mut input = self.seeds[place].clone();
        for _ in 0..=self.number() % CHANGES {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, other) = (self.below(input.len() + 1), self.below(input.len() + 1));
        let (from, to) = (at.min(other), at.max(other));
        match self.below(8) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let byte = BYTES[self.below(BYTES.len())];
                if let Some(own) = input.get_mut(at) {
                    *own = byte;
                }
            }
            2 => input.insert(at, BYTES[self.below(BYTES.len())]),
            3 => drop(input.drain(from..to.min(from + 32))),
            4 => {
                let copy = input[from..to.min(from + 64)].to_vec();
                input.splice(at..at, copy);
            }
            5 => {
                let words = if self.words.is_empty() || self.below(4) == 0 {
                    WORDS
                } else {
                    self.words
                };
                let word = words[self.below(words.len())].bytes();
                input.splice(at..at, word);
            }
            6 => {
                let seed = self.below(self.seeds.len());
                let start = self.below(self.seeds[seed].len() + 1);
                input.truncate(at);
                input.extend_from_slice(&self.seeds[seed][start..]);
            }
            _ => input.truncate(at),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.number() % end).expect("below an index")
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        kernel::split_mix(self.state)
    }
}

/// Runs a target on its seeds and on changes of them, `FUZZ_ROUNDS` times as many where that is
/// set.
///
/// # Panics
/// With the input, where something does not hold.
pub(crate) fn check(name: &str, target: Target) {
    let run = |input: &[u8]| {
        let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        if let Err(panic) = ran {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let reason = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let reason = reason.unwrap_or("a panic without a text");
            panic!("{name} fails on b\"{}\": {reason}", input.escape_ascii());
        }
    };
    let mut mutator = Mutator::new(target, 0);
    mutator.seeds.iter().for_each(|seed| run(seed));
    let times = std::env::var("FUZZ_ROUNDS").map_or(1, |times| times.parse().expect("a number"));
    for _ in 0..target.rounds.saturating_mul(times) {
        run(&mutator.input());
    }
}
