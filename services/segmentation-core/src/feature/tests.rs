//! A history agrees with a list of all its events, within what it states.

use kernel::{Duration, Timestamp};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::proptest;

use super::{Feature, Sums, count_as_number};
use crate::codec;
use crate::limits;

const DAY: i64 = 86_400_000;

/// Every event, in the order of arrival.
#[derive(Debug, Default)]
struct List(Vec<(i64, Option<f64>)>);

impl List {
    fn sums(&self, window: Option<Duration>, at: i64) -> Sums {
        let edge = window.map_or(i64::MIN, |window| at - window.as_millis());
        let mut sums = Sums::NONE;
        for (time, number) in &self.0 {
            if *time > edge && *time <= at {
                sums.join(&Sums::one(Timestamp::from_millis(*time), *number));
            }
        }
        sums
    }

    fn newer_than(&self, edge: i64) -> usize {
        self.0.iter().filter(|(time, _)| *time > edge).count()
    }
}

/// The way that events come: how many, how far apart, and how late or early each may be, in
/// milliseconds.
#[derive(Debug, Clone)]
struct Flow {
    events: usize,
    apart_ms: i64,
    jitter_ms: i64,
}

fn flows() -> impl Strategy<Value = Vec<Flow>> {
    let apart = prop_oneof![0..5_i64, 0..10_000_i64, 0..DAY / 4];
    let jitter = prop_oneof![4 => 0..1_i64, 1 => 0..DAY, 1 => 0..DAY * 20];
    let flow = (1..900_usize, apart, jitter).prop_map(|(events, apart_ms, jitter_ms)| Flow {
        events,
        apart_ms,
        jitter_ms,
    });
    prop::collection::vec(flow, 1..6)
}

/// A number in 0..bound that differs from one call to the next.
fn draw(seed: &mut u64, bound: i64) -> i64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    i64::try_from(*seed >> 33).unwrap_or(0) % bound.max(1)
}

/// Lets events flow into a history and a list; returns the clock at the end.
fn fill(flows: &[Flow], seed: &mut u64, feature: &mut Feature, list: &mut List) -> i64 {
    let retention = Duration::from_days(36_500);
    let mut now = 0;
    // Of half of the customers no number is negative.
    let least = -50 * draw(seed, 2);
    for flow in flows {
        for _ in 0..flow.events {
            now += draw(seed, flow.apart_ms + 1);
            let shift = draw(seed, flow.jitter_ms + 1);
            let time = if draw(seed, 8) == 0 {
                now + shift / 16
            } else {
                now - shift
            };
            let tenths = i8::try_from(least + draw(seed, 100)).unwrap_or(0);
            let number = (draw(seed, 5) > 0).then(|| f64::from(tenths) / 10.0);
            let event = Sums::one(Timestamp::from_millis(time), number);
            feature
                .add(event, Timestamp::from_millis(now), retention)
                .expect("all blocks");
            list.0.push((time, number));
        }
    }
    now
}

fn check_reading(feature: &Feature, list: &List, window: Option<Duration>, at: i64) {
    let instant = Timestamp::from_millis(at);
    let expected = list.sums(window, at);
    let found = feature.sums(window, instant).expect("all blocks");
    let rounding = feature.rounding(window, instant).expect("all blocks");
    assert_eq!(feature.count(window, instant), Ok(found.count));
    assert!(
        found.count + rounding.under >= expected.count,
        "{found:?} {expected:?} {rounding:?}"
    );
    assert!(
        found.count <= expected.count + rounding.over,
        "{found:?} {expected:?} {rounding:?}"
    );
    if let Some(window) = window {
        let is_short = list.newer_than(at - window.as_millis()) <= 512;
        assert!(!is_short || rounding.over == 0, "{rounding:?}");
        if rounding.under == 0 {
            assert!(
                rounding.width.as_millis() <= window.as_millis() / 256,
                "{rounding:?}"
            );
        }
    }
    if (rounding.over, rounding.under) == (0, 0) {
        assert_eq!(
            (found.count, found.number_count),
            (expected.count, expected.number_count)
        );
        assert_eq!((found.first, found.last), (expected.first, expected.last));
        assert_eq!((found.min, found.max), (expected.min, expected.max));
        assert!((found.sum.number() - expected.sum.number()).abs() < 1e-9);
    }
}

/// Between an instant and the change that is announced, the count stays, or stays above the level.
fn check_changes(feature: &Feature, window: Option<Duration>, at: i64, seed: &mut u64) {
    let instant = Timestamp::from_millis(at);
    let count = feature.count(window, instant).expect("all blocks");
    let change = feature.next_change(window, instant).expect("all blocks");
    let level =
        count_as_number(count) - count_as_number(u64::try_from(draw(seed, 700)).unwrap_or(0));
    let fall = feature
        .count_change(window, level, instant)
        .expect("all blocks");
    if let Some((fall, true)) = fall {
        let there = feature.count(window, fall).expect("all blocks");
        assert!(count_as_number(count) > level && count_as_number(there) <= level);
    }
    let fall = fall.map(|(fall, _)| fall);
    assert!(change.is_none_or(|change| change > instant));
    let end = |change: Option<Timestamp>| change.map_or(at + 200 * DAY, Timestamp::as_millis);
    for _ in 0..4 {
        let before = at + draw(seed, end(change) - at);
        let there = feature.count(window, Timestamp::from_millis(before));
        assert_eq!(there, Ok(count), "{at} {before} {change:?}");
        let before = at + draw(seed, end(fall) - at);
        let there = feature
            .count(window, Timestamp::from_millis(before))
            .expect("all blocks");
        assert_eq!(
            count_as_number(there) <= level,
            count_as_number(count) <= level,
            "{at} {before} {fall:?}"
        );
    }
}

/// Between an instant and the change that is announced, a sum stays above a level, or at or below
/// it; and it is there at the change, unless numbers may be negative or events come, or so near to
/// the level that the order of its addends tells.
fn check_sum_changes(feature: &Feature, window: Option<Duration>, at: i64, seed: &mut u64) {
    let sums = |at| {
        let sums = feature.sums(window, Timestamp::from_millis(at));
        sums.expect("all blocks")
    };
    let now = sums(at);
    let level = match draw(seed, 4) {
        0 => now.sum.number(),
        1 => now.sum.number().next_down(),
        _ => now.sum.number() * f64::from(u32::try_from(draw(seed, 110)).unwrap_or(0)) / 100.0,
    };
    let change = feature
        .sum_change(window, level, Timestamp::from_millis(at))
        .expect("all blocks");
    let is_above = now.sum.number() > level;
    let end = change.map_or(at + 400 * DAY, Timestamp::as_millis);
    for before in [
        at + draw(seed, end - at),
        at + draw(seed, end - at),
        end - 1,
    ] {
        let there = sums(before).sum.number();
        assert_eq!(there > level, is_above, "{at} {before} {level} {change:?}");
    }
    let newest = feature.newest().as_millis();
    if let Some(change) = change
        && newest <= at
        && now.min >= 0.0
        && is_above
    {
        let there = sums(change.as_millis()).sum.least();
        assert!(there <= level, "{at} {level} {there} {change:?}");
    }
}

fn run_count(feature: &Feature) -> usize {
    let sealed = feature.sealed.iter().map(|sealed| sealed.runs as usize);
    sealed.sum::<usize>() + feature.open.len()
}

/// As it is after it was stored and every block was loaded.
fn stored(feature: &Feature) -> Feature {
    let blocks = &feature.sealed;
    let index = blocks.is_indexed().then(|| blocks.index());
    let head = codec::write_feature(feature);
    let read = codec::read_feature(&head, index).expect("a history");
    for (own, read) in feature.sealed.iter().zip(read.sealed.iter()) {
        assert!(read.is_stored && !read.is_loaded());
        assert!(read.load(&own.encoded().expect("all blocks")));
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_history_agrees_with_all_its_events(flows in flows(), seed in any::<u64>()) {
        let mut seed = seed;
        let (mut feature, mut list) = (Feature::default(), List::default());
        let now = fill(&flows, &mut seed, &mut feature, &mut list);
        let feature = stored(&feature);
        for _ in 0..40 {
            let at = now + match draw(&mut seed, 3) {
                0 => 0,
                1 => draw(&mut seed, 3 * DAY),
                _ => draw(&mut seed, 300 * DAY),
            };
            let window = match draw(&mut seed, 4) {
                0 => None,
                1 => Some(1 + draw(&mut seed, 100_000)),
                2 => Some(1 + draw(&mut seed, 10 * DAY)),
                _ => Some(1 + draw(&mut seed, 300 * DAY)),
            };
            let window = window.map(Duration::from_millis);
            check_reading(&feature, &list, window, at);
            check_changes(&feature, window, at, &mut seed);
            check_sum_changes(&feature, window, at, &mut seed);
        }
    }
}

/// Runs that were joined once number at most 513 for each factor e of age, and half as many may
/// gather behind them.
fn most_runs(age_ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rough bound")]
    let factors = (age_ms as f64 / 256.0).ln().max(0.0);
    let exact = count_as_number(limits::EXACT_EVENTS) + 128.0;
    exact + 1.5 * 513.0 * (factors + 1.0) + f64::from(limits::GATHERED_RUNS)
}

#[test]
fn runs_are_bounded_however_much_happens() {
    for apart_ms in [0, 7, 60_000, DAY / 55] {
        let mut feature = Feature::default();
        let mut most = 0;
        for number in 1..=100_000 {
            let now = Timestamp::from_millis(number * apart_ms);
            let kept = Duration::from_days(36_500);
            feature
                .add(Sums::one(now, Some(1.0)), now, kept)
                .expect("all blocks");
            most = most.max(run_count(&feature));
        }
        let bound = most_runs(100_000 * apart_ms.max(1));
        let most = count_as_number(u64::try_from(most).unwrap_or(u64::MAX));
        assert!(most <= bound, "{apart_ms}: {most} of {bound}");
        let all = feature.sums(None, Timestamp::MAX).expect("all blocks");
        assert_eq!((all.count, all.sum.number()), (100_000, 100_000.0));
    }
}

#[test]
fn what_is_older_than_every_window_is_a_sum() {
    let mut feature = Feature::default();
    for day in 0..2_000 {
        let now = Timestamp::from_millis(day * DAY);
        let event = Sums::one(now, Some(0.1));
        feature
            .add(event, now, Duration::from_days(37))
            .expect("all blocks");
    }
    assert!(
        run_count(&feature) <= 37 + 2 * limits::BLOCK_RUNS,
        "{}",
        run_count(&feature)
    );
    let now = Timestamp::from_millis(1_999 * DAY);
    let all = feature.sums(None, now).expect("all blocks");
    assert_eq!((all.count, all.first), (2_000, Timestamp::from_millis(0)));
    assert_eq!(all.sum.number(), 200.0);
    let month = feature
        .sums(Some(Duration::from_days(30)), now)
        .expect("all blocks");
    assert_eq!((month.count, month.sum.number()), (30, 3.0));
}
