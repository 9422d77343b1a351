//! Takes the comments of the contracts out of their descriptors, for the OpenAPI description: the
//! descriptors that a process carries are without.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Links of cargo: the build script of `messages` says where it put them.
    let descriptors = env::var("DEP_HAPPYPATH_MESSAGES_SERVICES")?;
    println!("cargo:rerun-if-changed={descriptors}");
    let set = FileDescriptorSet::decode(fs::read(&descriptors)?.as_slice())?;
    let mut comments = String::new();
    for file in &set.file {
        if file.package().starts_with("happypath.") {
            write_comments(file, &mut comments)?;
        }
    }
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("comments.txt"),
        comments,
    )?;
    Ok(())
}

/// Writes a record for each element that has a comment: its full name, U+001F, the comment, U+001E.
fn write_comments(file: &FileDescriptorProto, to: &mut String) -> std::fmt::Result {
    let Some(info) = &file.source_code_info else {
        return Ok(());
    };
    for location in &info.location {
        let comment = location.leading_comments().trim();
        if comment.is_empty() {
            continue;
        }
        if let Some(name) = name_of(file, &location.path) {
            write!(to, "{}.{name}\u{1f}{comment}\u{1e}", file.package())?;
        }
    }
    Ok(())
}

/// Returns the name within its package of what a path of `SourceCodeInfo` leads to: a message, a
/// field, an enum or one of its values, a service or a method.
///
/// The numbers are those of the fields of `descriptor.proto`.
fn name_of(file: &FileDescriptorProto, path: &[i32]) -> Option<String> {
    let place = |place: &i32| usize::try_from(*place).ok();
    let (kind, at, rest) = (path.first()?, place(path.get(1)?)?, &path[2..]);
    match kind {
        4 => name_in_message(file.message_type.get(at)?, rest),
        5 => {
            let found = file.enum_type.get(at)?;
            match rest {
                [] => Some(found.name().to_owned()),
                [2, value] => Some(format!(
                    "{}.{}",
                    found.name(),
                    found.value.get(place(value)?)?.name()
                )),
                _ => None,
            }
        }
        6 => {
            let service = file.service.get(at)?;
            match rest {
                [] => Some(service.name().to_owned()),
                [2, method] => Some(format!(
                    "{}.{}",
                    service.name(),
                    service.method.get(place(method)?)?.name()
                )),
                _ => None,
            }
        }
        _ => None,
    }
}

fn name_in_message(message: &DescriptorProto, path: &[i32]) -> Option<String> {
    let name = message.name();
    let place = |place: &i32| usize::try_from(*place).ok();
    match path {
        [] => Some(name.to_owned()),
        [2, field] => Some(format!(
            "{name}.{}",
            message.field.get(place(field)?)?.name()
        )),
        [3, inner, rest @ ..] => {
            let inner = name_in_message(message.nested_type.get(place(inner)?)?, rest)?;
            Some(format!("{name}.{inner}"))
        }
        [4, inner, rest @ ..] => {
            let found = message.enum_type.get(place(inner)?)?;
            let value = match rest {
                [] => String::new(),
                [2, value] => format!(".{}", found.value.get(place(value)?)?.name()),
                _ => return None,
            };
            Some(format!("{name}.{}{value}", found.name()))
        }
        _ => None,
    }
}
