//! Reports on imports: the fate of their lines, and the remedy for those left out.

use crate::failure::Failure;
use crate::import::{BadLine, Summary};
use crate::limits::REASONS_TOLD;

/// Returns what became of a file, in a line, and below it what there is to look at.
pub(super) fn told(summary: &Summary) -> String {
    let mut text = headline(summary);
    for group in summary.left_out_by_reason.iter().take(REASONS_TOLD) {
        text.push_str(&format!(
            "\n  left out: {} ({})",
            group.reason,
            lines(group.count, &group.lines)
        ));
    }
    let reasons = summary.left_out_by_reason.len();
    if reasons > REASONS_TOLD {
        let more = reasons - REASONS_TOLD;
        text.push_str(&format!("\n  left out: {more} more reasons, in --json"));
    }
    for group in &summary.dropped_by_reason {
        text.push_str(&format!(
            "\n  names nobody: {}, {} ({})",
            group.namespace,
            group.reason,
            lines(group.count, &group.lines)
        ));
    }
    if summary.late > 0 {
        let (late, are) = counted(summary.late, "line", "is", "are");
        text.push_str(&format!(
            "\n  order: {late} {are} further behind than lines can be moved, and came after later ones: next time, sort \
             the file by time first"
        ));
    } else if summary.out_of_order > 0 {
        let (moved, were) = counted(summary.out_of_order, "line", "was", "were");
        text.push_str(&format!(
            "\n  order: {moved} stood behind later ones and {were} put in the order of time"
        ));
    }
    text.push_str(&format!(
        "\n  source: {}; its lines are known by it for 30 days and not taken again",
        summary.source
    ));
    text
}

fn headline(summary: &Summary) -> String {
    let mut text = format!(
        "{}: {} events accepted in {:.1} s ({:.0} a second), {} new customers",
        summary.file, summary.accepted, summary.seconds, summary.events_per_second, summary.created
    );
    if summary.replayed > 0 {
        text.push_str(&format!("; {} of them were there before", summary.replayed));
    }
    if summary.corrected > 0 {
        let (times, were) = counted(summary.corrected, "time", "was", "were");
        text.push_str(&format!(
            "; {times} ahead of the clock {were} taken for now"
        ));
    }
    if summary.dropped_identifiers > 0 {
        let count = summary.dropped_identifiers;
        let name = if count == 1 { "names" } else { "name" };
        let (identifiers, were) = counted(count, "identifier", "was", "were");
        text.push_str(&format!(
            "; {identifiers} that {name} nobody {were} left out"
        ));
    }
    if summary.left_out > 0 {
        let (lines, were) = counted(summary.left_out, "bad line", "was", "were");
        text.push_str(&format!("; {lines} {were} left out"));
    }
    if summary.is_cut {
        text.push_str("; the file could not be read to its end");
    }
    text
}

/// Returns what to do about the line that stopped an import; the line itself was shown when it was
/// found.
pub(super) fn stopped(summary: &Summary, bad: &BadLine) -> Failure {
    let (file, line) = (&summary.file, bad.line);
    let message = if summary.accepted == 0 {
        format!(
            "{file}: nothing was imported, because of line {line}: correct the file or say what its columns mean, or \
             leave bad lines out with `--on-error continue`"
        )
    } else {
        format!(
            "{file}: {} events were accepted, and the import stopped at line {line}. Correct it in the file and repeat \
             the command with `{}`: lines that were taken are not taken again. Or leave bad lines out with \
             `--on-error continue`.",
            summary.accepted,
            flag(summary)
        )
    };
    Failure::mistake(message)
}

/// Returns what to do after the service, or the way to it, failed.
pub(super) fn broken(summary: &Summary) -> String {
    format!(
        "{}: {} events were accepted before the import broke off. Repeat the command with `{}`: lines that were taken are \
         not taken again.",
        summary.file,
        summary.accepted,
        flag(summary)
    )
}

/// Returns what to do about lines that were left out; nothing where none was.
pub(super) fn left_out(summaries: &[Summary]) -> Option<Failure> {
    let parts: Vec<String> = summaries
        .iter()
        .filter(|summary| summary.left_out > 0)
        .map(|summary| {
            let (lines, were) = counted(summary.left_out, "line", "was", "were");
            let rest = match summary.is_cut {
                true => ", and the rest could not be read",
                false => "",
            };
            let them = if summary.left_out == 1 { "it" } else { "them" };
            format!(
                "{}: {lines} {were} left out{rest}. Correct {them} in the file and repeat the command for it with `{}`: \
                 lines that were taken are not taken again.",
                summary.file,
                flag(summary)
            )
        })
        .collect();
    (!parts.is_empty()).then(|| Failure::left_out(parts.join("\n")))
}

/// Returns which files overlap in time, so that no order of files is the order of their events.
pub(super) fn overlap(summaries: &[Summary]) -> Option<String> {
    let pairs = summaries.iter().zip(summaries.iter().skip(1));
    let overlaps = pairs.filter(|(one, next)| one.times.last > next.times.first);
    let overlaps: Vec<String> = overlaps
        .filter(|(_, next)| next.times.first.is_some())
        .map(|(one, next)| format!("{} and {}", one.file, next.file))
        .collect();
    if overlaps.is_empty() {
        return None;
    }
    Some(format!(
        "{} overlap in time: the events of a file came after all of the one before it. Where their order matters, put \
         them into one file.",
        overlaps.join(", ")
    ))
}

/// Returns the flag by which an import is known again, wherever its file is.
fn flag(summary: &Summary) -> String {
    format!("--source {}", quoted(&summary.source))
}

/// Returns a word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |sign: char| sign.is_alphanumeric() || "_-.,:/@%+=".contains(sign);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns a number of things, and the verb for as many.
fn counted(
    count: u64,
    thing: &str,
    one: &'static str,
    many: &'static str,
) -> (String, &'static str) {
    match count {
        1 => (format!("1 {thing}"), one),
        _ => (format!("{count} {thing}s"), many),
    }
}

/// Returns where something was found: some lines, and how often in all.
fn lines(count: u64, lines: &[u64]) -> String {
    let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
    match (count, lines.len()) {
        (1, _) => format!("line {}", shown.join(", ")),
        (count, named) if count == named as u64 => format!("lines {}", shown.join(", ")),
        (count, _) => format!("{count} times, lines {}, …", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::FaultGroup;

    fn summary() -> Summary {
        Summary {
            file: "data/my events.csv".to_owned(),
            source: "my events.csv".to_owned(),
            accepted: 7,
            ..Summary::default()
        }
    }

    #[test]
    fn the_advice_names_the_source_as_a_shell_reads_it() {
        let stop = stopped(&summary(), &BadLine::new(3, "time", "is wrong")).to_string();
        assert!(stop.contains("stopped at line 3"), "{stop}");
        assert!(stop.contains("`--source 'my events.csv'`"), "{stop}");
        for (word, expected) in [
            ("a.csv", "a.csv"),
            ("käufe.csv", "käufe.csv"),
            ("-", "'-'"),
            ("it's", r"'it'\''s'"),
            ("a$b", "'a$b'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_was_left_out_is_told_with_its_lines() {
        let mut summary = summary();
        summary.left_out = 7;
        summary.left_out_by_reason = vec![FaultGroup {
            reason: "time: `x` is no instant".to_owned(),
            count: 7,
            lines: vec![2, 3, 4, 5, 6],
        }];
        let text = told(&summary);
        assert!(text.contains("; 7 bad lines were left out"), "{text}");
        assert!(
            text.contains(
                "\n  left out: time: `x` is no instant (7 times, lines 2, 3, 4, 5, 6, …)"
            ),
            "{text}"
        );
        let failure = left_out(&[summary])
            .expect("lines were left out")
            .to_string();
        assert!(failure.contains("Correct them in the file"), "{failure}");
        assert!(left_out(&[Summary::default()]).is_none());
    }
}
