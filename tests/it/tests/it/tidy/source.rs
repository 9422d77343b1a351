//! The sources of the workspace as text, and the comments in them.

use std::fs;
use std::path::Path;

use super::{FLOORS, root};

/// One file of Rust.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path from the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// Reads every file of Rust below the crates of the workspace, in no order.
    pub(super) fn of_workspace() -> Vec<Self> {
        let mut sources = Vec::new();
        for floor in FLOORS {
            collect(&root(), floor, &mut sources);
        }
        sources
    }

    /// The folder of its crate.
    pub(super) fn room(&self) -> &str {
        let end = self.path.match_indices('/').nth(1);
        end.map_or(&self.path, |(at, _)| &self.path[..at])
    }

    /// The lines that are comments, with their numbers from 1.
    pub(super) fn comments(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..);
        lines
            .filter(|(line, _)| line.trim_start().starts_with("//"))
            .map(|(line, number)| (number, line))
    }
}

/// Returns the text of a comment without the marks before it.
pub(super) fn words(comment: &str) -> &str {
    let text = comment.trim_start().trim_start_matches('/');
    text.strip_prefix('!').unwrap_or(text).trim()
}

fn collect(root: &Path, folder: &str, sources: &mut Vec<Source>) {
    let entries = fs::read_dir(root.join(folder)).expect("a folder of the work tree");
    for entry in entries {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        let name = name.to_str().expect("a name in UTF-8");
        let path = format!("{folder}/{name}");
        let is_built = matches!(name, "target" | "node_modules") || name.starts_with('.');
        if entry.file_type().expect("a type").is_dir() {
            if !is_built {
                collect(root, &path, sources);
            }
        } else if Path::new(name).extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(entry.path()).expect("text");
            sources.push(Source { path, text });
        }
    }
}
