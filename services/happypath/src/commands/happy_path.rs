//! `happypath happy-path`: who follows it, and where and how the others leave it.

use proto::journey::v1::MeasureHappyPathRequest;

use super::customer::deviation_words;
use crate::client::{Connection, ask};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json};

/// Arguments of `happy-path`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The happy path
    name: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the measurement.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let request = MeasureHappyPathRequest {
        happy_path: args.name,
    };
    let path = args
        .connection
        .journey()?
        .measure_happy_path(ask(request))
        .await?
        .into_inner();
    if args.format.json {
        return print_json(&json_of(&path)?);
    }
    print(&format!(
        "{}: {} began, {} followed it to its end ({}), {} are on it still",
        path.happy_path,
        path.started_count,
        path.followed_count,
        percent(path.followed_count, path.started_count),
        path.under_way_count
    ))?;
    let mut rows = Rows::new(&[
        "milestone",
        "#reached in order and time",
        "#of those who began",
    ]);
    for milestone in &path.milestones {
        rows.row([
            milestone.milestone.clone(),
            milestone.reached_count.to_string(),
            percent(milestone.reached_count, path.started_count),
        ]);
    }
    rows.print_titled("Milestones")?;
    let mut rows = Rows::new(&["how", "#customers"]);
    for deviation in &path.deviations {
        let how = format!(
            "{} {}",
            deviation_words(deviation.kind()),
            deviation.milestone
        );
        rows.row([how, deviation.count.to_string()]);
    }
    rows.print_titled("How the others left it")
}

fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        // In tenths, rounded to the nearest.
        _ => {
            let tenths = (u128::from(part) * 2_000 / u128::from(whole)).div_ceil(2);
            format!("{}.{}%", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_tenths() {
        for (part, whole, text) in [
            (0, 0, "-"),
            (1, 3, "33.3%"),
            (2, 3, "66.7%"),
            (3, 3, "100.0%"),
            (u64::MAX, u64::MAX, "100.0%"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
