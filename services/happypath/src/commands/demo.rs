//! `happypath demo`: a year of real customers through all services, and what there is to see.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tonic::transport::Endpoint;

use crate::demo::figures::{Figures, Month};
use crate::demo::{self, history, play, report};
use crate::dev;
use crate::failure::Failure;
use crate::output::{Format, Rows, print, print_json};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for stores, definitions and report; a fresh one in the system's temporary folder
    /// unless named
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The report's file; `report.html` in the folder unless named
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Plays the demo.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let folder = fresh_folder(args.folder)?;
    let report = args.report.unwrap_or_else(|| folder.join("report.html"));
    // Known before the year is played, not after it.
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(&report)
        .map_err(|error| {
            Failure::mistake(format!(
                "cannot write --report {}: {error}",
                report.display()
            ))
        })?;
    let running = dev::start(demo::options(&folder).config()?).await?;
    let played = Box::pin(play_at(&running.url(), &folder)).await;
    let stopped = running.stop().await;
    let (figures, definitions) = played?;
    stopped?;
    let page = report::html(&figures)
        .map_err(|error| Failure::failed(format!("cannot render the report: {error}")))?;
    std::fs::write(&report, page)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", report.display())))?;
    if args.format.json {
        let figures = serde_json::to_value(&figures)
            .map_err(|error| Failure::failed(format!("the figures are not JSON: {error}")))?;
        return print_json(&figures);
    }
    show(&figures)?;
    print(&format!(
        "\nReport       {}\nDefinitions  {}   (copy, edit, `happypath apply -f DIR`)\n\
         Look around  happypath dev --folder {} --clock stream --partitions 16",
        report.display(),
        definitions.display(),
        folder.join("stores").display()
    ))
}

/// A folder that holds nothing yet: the demo's figures are those of one year, not of two.
fn fresh_folder(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let Some(folder) = named else {
        let made = tempfile::Builder::new().prefix("happypath-demo-").tempdir();
        return made
            .map(tempfile::TempDir::keep)
            .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}")));
    };
    let occupied = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let folder = folder.display();
        return Err(Failure::mistake(format!(
            "{folder} is not empty: name a new folder, or none for a temporary one"
        )));
    }
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::failed(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder)
}

async fn play_at(url: &str, folder: &Path) -> Result<(Figures, PathBuf), Failure> {
    let definitions = demo::apply(url, &rpc::ClientOptions::default(), folder).await?;
    let days = history::days()
        .map_err(|error| Failure::failed(format!("the data of the demo is damaged: {error}")))?;
    let events = days.iter().map(|day| day.events.len() as u64).sum();
    let channel = Endpoint::from_shared(url.to_owned())
        .map_err(|error| Failure::failed(error.to_string()))?
        .tcp_nodelay(true)
        .connect()
        .await
        .map_err(|error| Failure::failed(format!("cannot reach {url}: {error}")))?;
    let bar = progress(events);
    let figures = play::play(channel, days, |played| bar.set_position(played)).await?;
    bar.finish_and_clear();
    Ok((figures, definitions))
}

/// A bar on a terminal, nothing elsewhere.
fn progress(events: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(events), ProgressDrawTarget::stderr());
    let style = "{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left";
    bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

fn show(figures: &Figures) -> Result<(), Failure> {
    print(&format!(
        "{} events of {} households in {:.1} s: {:.0} events a second through all four services.",
        figures.events, figures.customers, figures.seconds, figures.events_per_second
    ))?;
    show_months(&figures.months)?;
    show_happy_path(figures)?;

    let mut rows = Rows::new(&["segment", "#customers", "condition"]);
    for segment in &figures.segments {
        rows.row([
            segment.name.clone(),
            segment.members.to_string(),
            segment.expression.clone(),
        ]);
    }
    rows.print_titled("Segments")?;

    let mut rows = Rows::new(&["step", "kind", "#in", "#out", "#present"]);
    for step in &figures.journey.steps {
        rows.row([
            step.name.clone(),
            step.kind.clone(),
            step.arrived.to_string(),
            step.left.to_string(),
            step.present.to_string(),
        ]);
    }
    rows.print_titled(&format!(
        "Journey {}: {} runs started, {} under way",
        figures.journey.name, figures.journey.entered, figures.journey.active
    ))?;
    let mut rows = Rows::new(&["reason", "#runs"]);
    for reason in &figures.journey.reasons {
        rows.row([reason.name.clone(), reason.count.to_string()]);
    }
    rows.print_titled("Entries and ends")?;

    let mut rows = Rows::new(&["channel", "outcome", "reason", "#activations"]);
    for activation in &figures.activations {
        rows.row([
            activation.channel.clone(),
            activation.status.clone(),
            activation.reason.clone(),
            activation.count.to_string(),
        ]);
    }
    rows.print_titled("Activations")
}

fn show_months(months: &[Month]) -> Result<(), Failure> {
    let Some(last) = months.last() else {
        return Ok(());
    };
    let names: Vec<String> = last
        .stages
        .iter()
        .map(|stage| format!("#{}", stage.name))
        .collect();
    let mut headings = vec!["month"];
    headings.extend(names.iter().map(String::as_str));
    let mut rows = Rows::new(&headings);
    for month in months {
        let counts = month.stages.iter().map(|stage| stage.count.to_string());
        rows.row(std::iter::once(month.month.clone()).chain(counts));
    }
    rows.print_titled("Customers in each stage of the map, at the end of each month")
}

fn show_happy_path(figures: &Figures) -> Result<(), Failure> {
    let path = &figures.happy_path;
    let mut rows = Rows::new(&["milestone or departure", "#customers"]);
    for milestone in &path.milestones {
        rows.row([
            format!("reached {}", milestone.name),
            milestone.count.to_string(),
        ]);
    }
    for deviation in &path.deviations {
        let how = match deviation.kind.as_str() {
            "stalled" => "stalled before".to_owned(),
            "skipped" => "skipped".to_owned(),
            kind => format!("{} at", kind.replace('_', " ")),
        };
        rows.row([
            format!("{how} {}", deviation.milestone),
            deviation.count.to_string(),
        ]);
    }
    rows.print_titled(&format!(
        "Happy path {}: {} began it, {} followed it, {} are on it still",
        path.name, path.started, path.followed, path.under_way
    ))
}
