//! The demo's figures, against what a plain script over the same file computes.

use std::collections::{BTreeMap, BTreeSet};

use flate2::read::GzDecoder;
use happypath::demo::figures::Figures;
use happypath::demo::{history, play};
use happypath::dev;
use kernel::{Duration, Timestamp};

const EVENTS: &[u8] = include_bytes!("../../../data/complete_journey_events.csv.gz");

/// One row, in the order of the file.
struct Row {
    time: Timestamp,
    event: String,
    value: f64,
}

/// The rows of each household.
fn households() -> BTreeMap<String, Vec<Row>> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(EVENTS));
    let mut households: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.expect("a row");
        households
            .entry(record[1].to_owned())
            .or_default()
            .push(Row {
                time: record[0].parse().expect("a time"),
                event: record[2].to_owned(),
                value: record[3].parse().unwrap_or(0.0),
            });
    }
    households
}

/// The happy path by hand: a campaign, a redemption within 60 days of it, a purchase within 28 days
/// of that.
#[derive(Debug, Default, PartialEq, Eq)]
struct HappyPath {
    received: u64,
    redeemed: u64,
    repeated: u64,
    redeemed_late: u64,
    never_redeemed_in_time: u64,
    under_way: u64,
}

impl HappyPath {
    fn count(&mut self, rows: &[Row], end: Timestamp) {
        let Some(first) = rows.iter().position(|row| row.event == "campaign_received") else {
            return;
        };
        self.received += 1;
        let received = rows[first].time;
        let redeemed = rows[first..]
            .iter()
            .position(|row| row.event == "coupon_redeemed")
            .map(|place| first + place);
        let deadline = received + Duration::from_days(60);
        match redeemed {
            Some(place) if rows[place].time <= deadline => {
                self.redeemed += 1;
                let repeat_deadline = rows[place].time + Duration::from_days(28);
                let repeat = rows[place..].iter().find(|row| row.event == "purchase");
                match repeat {
                    Some(row) if row.time <= repeat_deadline => self.repeated += 1,
                    _ if end <= repeat_deadline => self.under_way += 1,
                    _ => {}
                }
            }
            late => {
                if end > deadline {
                    self.never_redeemed_in_time += 1;
                } else {
                    self.under_way += 1;
                }
                self.redeemed_late += u64::from(late.is_some());
            }
        }
    }
}

/// Customers for whom a condition over the rows of the last `days` days holds at `end`.
fn members(
    households: &BTreeMap<String, Vec<Row>>,
    end: Timestamp,
    days: i64,
    holds: impl Fn(&[&Row]) -> bool,
) -> u64 {
    let start = end - Duration::from_days(days);
    households
        .values()
        .filter(|rows| {
            holds(
                &rows
                    .iter()
                    .filter(|row| row.time > start && row.time <= end)
                    .collect::<Vec<_>>(),
            )
        })
        .count() as u64
}

fn purchases(rows: &[&Row]) -> usize {
    rows.iter().filter(|row| row.event == "purchase").count()
}

fn count_of(figures: &Figures, name: &str) -> u64 {
    figures
        .events_by_name
        .iter()
        .find(|event| event.name == name)
        .map_or(0, |event| event.count)
}

fn segment(figures: &Figures, name: &str) -> u64 {
    figures
        .segments
        .iter()
        .find(|segment| segment.name == name)
        .expect(name)
        .members
}

fn deviation(figures: &Figures, kind: &str, milestone: &str) -> u64 {
    let found = figures
        .happy_path
        .deviations
        .iter()
        .find(|d| d.kind == kind && d.milestone == milestone);
    found.map_or(0, |deviation| deviation.count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_finds_what_a_plain_script_finds_and_balances() {
    let folder = tempfile::tempdir().expect("a folder");
    let figures = run_demo(folder.path()).await;
    finds_what_a_plain_script_finds(&figures);
    balances(&figures);
}

fn finds_what_a_plain_script_finds(figures: &Figures) {
    let households = households();

    assert_eq!(figures.events, 164_539);
    assert_eq!(figures.customers, households.len() as u64);
    for name in ["purchase", "campaign_received", "coupon_redeemed"] {
        let rows = households
            .values()
            .flatten()
            .filter(|row| row.event == name)
            .count();
        assert_eq!(count_of(figures, name), rows as u64, "{name}");
    }

    let end: Timestamp = "2018-01-01T23:59:59.999Z"
        .parse()
        .expect("the last instant of the demo");
    let mut path = HappyPath::default();
    for rows in households.values() {
        path.count(rows, end);
    }
    let reached = figures
        .happy_path
        .milestones
        .iter()
        .map(|m| (m.name.as_str(), m.count))
        .collect::<Vec<_>>();
    assert_eq!(
        reached,
        [
            ("received", path.received),
            ("redeemed", path.redeemed),
            ("repeat_purchase", path.repeated)
        ]
    );
    assert_eq!(figures.happy_path.started, path.received);
    assert_eq!(figures.happy_path.followed, path.repeated);
    assert_eq!(figures.happy_path.under_way, path.under_way);
    assert_eq!(
        deviation(figures, "stalled", "redeemed"),
        path.never_redeemed_in_time
    );
    assert_eq!(deviation(figures, "late", "redeemed"), path.redeemed_late);
    finds_their_segments(figures, &households, end);
}

fn finds_their_segments(
    figures: &Figures,
    households: &BTreeMap<String, Vec<Row>>,
    end: Timestamp,
) {
    let plain = [
        (
            "regulars",
            members(households, end, 28, |rows| purchases(rows) >= 4),
        ),
        (
            "redeemers",
            members(households, end, 90, |rows| {
                rows.iter().any(|row| row.event == "coupon_redeemed")
            }),
        ),
        (
            "big_baskets",
            members(households, end, 28, |rows| {
                rows.iter()
                    .filter(|row| row.event == "purchase")
                    .map(|row| row.value)
                    .sum::<f64>()
                    > 400.0
            }),
        ),
        (
            "shoppers",
            members(households, end, 36_500, |rows| purchases(rows) > 0),
        ),
    ];
    for (name, count) in plain {
        assert_eq!(segment(figures, name), count, "{name}");
    }
    let recent = members(households, end, 28, |rows| purchases(rows) > 0);
    assert_eq!(
        segment(figures, "lapsing"),
        segment(figures, "shoppers") - recent
    );
}

fn balances(figures: &Figures) {
    for step in &figures.journey.steps {
        assert_eq!(step.arrived, step.left + step.present, "{}", step.name);
        assert_eq!(
            step.left,
            step.exits.iter().map(|exit| exit.count).sum::<u64>(),
            "{}",
            step.name
        );
    }
    for stage in &figures.map.stages {
        assert_eq!(stage.arrived, stage.left + stage.present, "{}", stage.name);
    }
    let present: u64 = figures.journey.steps.iter().map(|step| step.present).sum();
    assert_eq!(figures.journey.active, present);
    let sends: u64 = figures
        .journey
        .steps
        .iter()
        .filter(|s| s.kind == "send")
        .map(|s| s.arrived)
        .sum();
    assert_eq!(
        figures.activations.iter().map(|a| a.count).sum::<u64>(),
        sends
    );
    assert!(
        figures.activations.iter().all(|a| a.status != "pending"),
        "{:?}",
        figures.activations
    );
    let last = figures.months.last().expect("months");
    assert_eq!(
        last.stages.iter().map(|s| s.count).sum::<u64>(),
        figures.map.stages.iter().map(|s| s.present).sum::<u64>()
    );
    let months: BTreeSet<_> = figures.months.iter().map(|month| &month.month).collect();
    assert_eq!(months.len(), 15);
}

/// The demo as `happypath demo` runs it, without its output.
async fn run_demo(folder: &std::path::Path) -> Figures {
    let config = happypath::demo::options(folder)
        .config()
        .expect("a configuration");
    let running = dev::start(config).await.expect("a running installation");
    happypath::demo::apply(&running.url(), &Default::default(), folder)
        .await
        .expect("definitions that apply");
    let channel = tonic::transport::Endpoint::from_shared(running.url()).expect("an address");
    let channel = channel.connect().await.expect("a connection");
    let figures = play::play(channel, history::days().expect("data"), |_| {})
        .await
        .expect("figures");
    running.stop().await.expect("a clean stop");
    figures
}
