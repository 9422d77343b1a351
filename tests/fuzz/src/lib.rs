//! Fuzz targets: every parser of input from outside, each with what must hold whatever comes.
//!
//! A target is a function of bytes that panics where something does not hold: what is printed is
//! read back, what is written is read as it was, a refusal names something, nothing becomes more
//! than it may. The tests here give each target its seeds and some changes of them, the same in
//! every run. `tests/run fuzz` searches on under libFuzzer. What it finds becomes a test of the
//! parser.

mod cloud_events;
mod credentials;
mod json;
mod language;
#[cfg(test)]
mod mutate;
mod operator;
mod request;
mod state;
mod stored;
mod text;
mod tracking;
mod webhook;

use cloud_events::CLOUD_EVENTS;
use credentials::{CALLERS, CERTIFICATE, CREDENTIAL, KEY_SET, SEALED, TOKEN};
use json::{COMPRESSED, JSON, TARGET};
use language::{DEFINITION, EXPRESSION, TEMPLATE};
use operator::{ANSWER, ARGUMENTS, AUDIT, CONFIG, IMPORT, PASSWORD};
use request::{EVENT, FRAMES, HEADERS, PAGE, PROPERTIES, REQUEST};
use state::{ACTIVATION_STATE, JOURNEY_STATE, SEGMENTATION_STATE};
use stored::{CHANGES, JOURNAL, REPLY, SNAPSHOT, STORED};
use text::{ADDRESS, FORM, NAME, NORMALIZER};
use tracking::TRACKING;
use webhook::{FORMULA, WEBHOOK};

/// A parser, or some that read the same, with what must hold.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Panics where something does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the language that it reads.
    pub words: &'static [&'static str],
    /// Changed inputs of one test: what it does in a quarter of a second without optimization.
    pub rounds: u32,
}

/// Bytes of the longest input.
pub const INPUT_BYTES: usize = 64 * 1024;

/// Lists targets by name, with a test of each.
macro_rules! targets {
    ($($name:ident: $target:ident,)+) => {
        /// Every target, by name.
        pub const TARGETS: &[(&str, Target)] = &[$((stringify!($name), $target)),+];

        #[cfg(test)]
        mod smoke {
            $(
                #[test]
                fn $name() {
                    crate::mutate::check(stringify!($name), super::$target);
                }
            )+
        }
    };
}

targets! {
    activation_state: ACTIVATION_STATE,
    address: ADDRESS,
    answer: ANSWER,
    arguments: ARGUMENTS,
    audit: AUDIT,
    callers: CALLERS,
    certificate: CERTIFICATE,
    changes: CHANGES,
    cloud_events: CLOUD_EVENTS,
    compressed: COMPRESSED,
    config: CONFIG,
    credential: CREDENTIAL,
    definition: DEFINITION,
    event: EVENT,
    expression: EXPRESSION,
    form: FORM,
    formula: FORMULA,
    frames: FRAMES,
    headers: HEADERS,
    import: IMPORT,
    journal: JOURNAL,
    journey_state: JOURNEY_STATE,
    json: JSON,
    key_set: KEY_SET,
    name: NAME,
    normalizer: NORMALIZER,
    page: PAGE,
    password: PASSWORD,
    properties: PROPERTIES,
    reply: REPLY,
    request: REQUEST,
    sealed: SEALED,
    segmentation_state: SEGMENTATION_STATE,
    snapshot: SNAPSHOT,
    stored: STORED,
    target: TARGET,
    template: TEMPLATE,
    token: TOKEN,
    tracking: TRACKING,
    webhook: WEBHOOK,
}

/// Runs what reads texts; bytes that are none are not for it.
fn with_text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = str::from_utf8(bytes) {
        read(text);
    }
}

/// Splits off the first byte; 0 where there is none.
fn split(bytes: &[u8]) -> (u8, &[u8]) {
    bytes
        .split_first()
        .map_or((0, bytes), |(first, rest)| (*first, rest))
}

/// Texts as seeds.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Waits for what needs a runtime.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}
