//! One target under libFuzzer: that which the variable `FUZZ_TARGET` names.

#![no_main]

use std::sync::LazyLock;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = fuzz::TARGETS.iter().find(|(own, _)| *own == name);
    target.expect("FUZZ_TARGET is one of `seeds`").1.run
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RUN(bytes));
