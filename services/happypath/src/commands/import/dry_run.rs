//! `happypath import --dry-run`: shows what would become of files, and sends nothing.

use std::collections::BTreeMap;

use super::Args;
use crate::failure::Failure;
use crate::import::{FaultGroup, ImportFile, Mapping, Preview};
use crate::output::{Rows, print};

/// The checks that only the service can make.
const LEFT_TO_SERVICE: &str = "Nothing was sent. The service alone checks which namespaces are defined, whether a value names \
     nobody, how far a time lies ahead of its clock, and what a customer may have.";

/// Reads the files and shows them.
///
/// # Errors
/// Where a line of any of them is at fault, once all are shown.
pub(super) async fn run(args: &Args, mapping: &Mapping) -> Result<(), Failure> {
    let mut previews = Vec::new();
    for path in &args.files {
        let file = ImportFile::open(path, args.source.as_deref(), args.reading())?;
        let preview = Preview::of(&file, mapping).await?;
        if !args.format.json {
            show(&preview)?;
        }
        previews.push(preview);
    }
    let bad: u64 = previews.iter().map(|preview| preview.bad).sum();
    if args.format.json {
        // Not by way of a value, which would round long numbers.
        let text = serde_json::to_string_pretty(&BTreeMap::from([("files", &previews)]));
        print(&text.map_err(|error| Failure::failed(format!("cannot be shown: {error}")))?)?;
    } else {
        print(&format!("\n{LEFT_TO_SERVICE}"))?;
    }
    match bad {
        0 => Ok(()),
        _ if previews.iter().any(|preview| preview.is_lacking) => Err(Failure::mistake(
            "say by the flags above which columns hold what every event needs, and look again",
        )),
        1 => Err(Failure::mistake(
            "1 line is no event: correct it, say what it means, or leave it out with --on-error continue",
        )),
        bad => Err(Failure::mistake(format!(
            "{bad} lines are no events: correct them, say what they mean, or leave them out with --on-error continue"
        ))),
    }
}

fn show(preview: &Preview) -> Result<(), Failure> {
    print(&headline(preview))?;
    let mut rows = Rows::new(&["column", "becomes", "values", "first value"]);
    for column in &preview.columns {
        let uses = match column.uses.is_empty() {
            true => "left out".to_owned(),
            false => column.uses.join(", "),
        };
        let found: Vec<String> = column
            .found
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        rows.row([&column.column, &uses, &found.join(", "), &column.sample]);
    }
    rows.print_titled("Columns")?;
    if !preview.first.is_empty() {
        print("\nFirst events")?;
    }
    for event in &preview.first {
        print(&format!("  {}", event.get()))?;
    }
    let mut rows = Rows::new(&["#lines", "first", "reason"]);
    for group in &preview.faults {
        rows.row([group.count.to_string(), lines(group), group.reason.clone()]);
    }
    rows.print_titled("Faults")?;
    if preview.other_faults > 0 {
        print(&format!(
            "  and {} of further reasons",
            preview.other_faults
        ))?;
    }
    if !preview.advice.is_empty() {
        print("\nWorth a look")?;
    }
    for advice in &preview.advice {
        print(&format!("  {advice}"))?;
    }
    Ok(())
}

/// Returns the first lines of a reason.
fn lines(group: &FaultGroup) -> String {
    let shown: Vec<String> = group.lines.iter().map(ToString::to_string).collect();
    let more = if group.count > group.lines.len() as u64 {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}

fn headline(preview: &Preview) -> String {
    let mut text = format!(
        "{}: {}, {} events",
        preview.file, preview.format, preview.events
    );
    if let (Some(earliest), Some(latest)) = (&preview.earliest, &preview.latest) {
        text.push_str(&format!(" from {earliest} to {latest}"));
        if !preview.is_in_order {
            text.push_str(", not in the order of their times");
        }
    }
    match preview.bad {
        0 => {}
        _ if preview.is_lacking => text.push_str(", because its columns have no meaning yet"),
        1 => text.push_str("; 1 line is none"),
        bad => text.push_str(&format!("; {bad} lines are none")),
    }
    text
}
