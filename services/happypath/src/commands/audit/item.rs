//! The lines of an export: heads of chains, and entries.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use prost_reflect::{DynamicMessage, ReflectMessage};
use proto::audit::v1 as api;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::json_of;

/// Bytes of the longest line: many times those of the largest entry.
const LINE_BYTES: u64 = 64 * 1024;

/// A line of an export.
#[derive(Debug)]
pub(super) enum Item {
    /// The head of the chain that begins.
    Head(api::Head),
    /// An entry of it.
    Entry(api::Entry),
}

impl Item {
    /// The line of an item.
    pub(super) fn line(&self) -> Result<String, Failure> {
        let value = match self {
            Self::Head(head) => json!({ "head": json_of(head)? }),
            Self::Entry(entry) => json!({ "entry": json_of(entry)? }),
        };
        Ok(value.to_string())
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        match (value.get("head"), value.get("entry")) {
            (Some(head), None) => message(head).map(Self::Head),
            (None, Some(entry)) => message(entry).map(Self::Entry),
            _ => None,
        }
    }
}

fn message<M: ReflectMessage + Default>(value: &Value) -> Option<M> {
    let descriptor = M::default().descriptor();
    let read = DynamicMessage::deserialize(descriptor, value).ok()?;
    read.transcode_to().ok()
}

/// Reads the lines of a file, one at a time.
pub(super) fn read_lines(
    path: &Path,
    mut each: impl FnMut(Item) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error| Failure::mistake(format!("cannot read {}: {error}", path.display()));
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    for number in 1_u64.. {
        let mut line = String::new();
        let read = reader.by_ref().take(LINE_BYTES).read_line(&mut line);
        if read.map_err(failed)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let item = Item::parse(&line).ok_or_else(|| {
            Failure::mistake(format!(
                "{}, line {number}: this is no head and no entry, as `happypath audit export` writes them",
                path.display()
            ))
        })?;
        each(item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let head = api::Head {
            chain_id: "00000000-0000-0000-0000-000000000001".to_owned(),
            worker: "w".to_owned(),
            sequence: 9_007_199_254_740_993,
            hash: vec![1; 32].into(),
            open_time: None,
            close_time: None,
            pruned: Some(api::PrunedEntries {
                sequence: 3,
                hash: vec![3; 32].into(),
                ..api::PrunedEntries::default()
            }),
        };
        let entry = api::Entry {
            chain_id: head.chain_id.clone(),
            sequence: 1,
            object: "a \"b\"\n".to_owned(),
            hash: vec![2; 32].into(),
            ..api::Entry::default()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let items = [Item::Head(head.clone()), Item::Entry(entry.clone())];
        let lines = items.iter().map(|item| item.line().expect("a line"));
        let lines: Vec<String> = lines.collect();
        std::fs::write(&path, lines.join("\n")).expect("written");
        let mut read = Vec::new();
        read_lines(&path, |item| {
            read.push(item);
            Ok(())
        })
        .expect("read");
        let [Item::Head(first), Item::Entry(second)] = read.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!((first, second), (&head, &entry));
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        for text in ["x", "{}", "{\"entry\": 7}", "{\"head\": {\"zzz\": 1}}"] {
            std::fs::write(&path, format!("\n{text}\n")).expect("written");
            let refused = read_lines(&path, |_| Ok(())).expect_err(text);
            assert!(refused.to_string().contains("line 2"), "{refused}");
        }
        let missing = read_lines(Path::new("/nowhere"), |_| Ok(())).expect_err("none");
        assert!(missing.to_string().contains("/nowhere"));
    }
}
