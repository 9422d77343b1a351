//! A bundle: the definitions of files and folders, and what services say about them.

mod diff;
mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use definitions::{DefinitionKey, Flaw, Located, Mistake, key_of, kind_word, parse};
use proto::definition::v1::{AppliedDefinition, ApplyAction, ApplyDefinitionsRequest, Definition};
use rpc::{Violation, omitted_violations};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::client::{Connection, ServiceName, ask, request_id};
use crate::failure::Failure;
use crate::limits::{DEFINITION_FILE_BYTES, DEFINITIONS_PER_REQUEST};

pub(crate) use diff::unified_diff;
use kinds::rank;
pub(crate) use kinds::{KINDS, kind, parse_kind, service};

/// Said of mistakes before anything was applied.
const NOTHING_APPLIED: &str = "nothing was applied";

/// The definitions of files and folders, in the order in which they depend on one another.
pub(crate) struct Bundle {
    definitions: Vec<Located<Definition>>,
    /// Said of mistakes: that nothing came of the files.
    nothing: &'static str,
    /// The etags that they must have, by kind and name; all others are whatever they are.
    if_match: BTreeMap<DefinitionKey, String>,
}

impl Bundle {
    /// Reads files, and every `.yaml`, `.yml` and `.json` file of folders.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        Self::read_or(paths, NOTHING_APPLIED)
    }

    /// Reads files for something else than to apply them, with what is said of it where they have
    /// mistakes.
    pub(crate) fn read_or(paths: &[PathBuf], nothing: &'static str) -> Result<Self, Failure> {
        let mut definitions = Vec::new();
        let mut mistakes = Vec::new();
        for file in files(paths)? {
            match parse(&file.display().to_string(), &read_text(&file)?) {
                Ok(found) => definitions.extend(found),
                Err(found) => mistakes.extend(found),
            }
        }
        if !mistakes.is_empty() {
            return Err(refused(&mistakes, 0, nothing, false));
        }
        if definitions.is_empty() {
            return Err(Failure::mistake("the files hold no definitions"));
        }
        if definitions.len() > DEFINITIONS_PER_REQUEST {
            return Err(Failure::mistake(format!(
                "the files hold {} definitions: apply at most {DEFINITIONS_PER_REQUEST} at once",
                definitions.len()
            )));
        }
        // A stable sort: within a kind, files stay in order.
        definitions.sort_by_key(|located| rank(kind(&located.value)));
        Ok(Self {
            definitions,
            nothing,
            if_match: BTreeMap::new(),
        })
    }

    /// Lets the bundle count only where definitions have these etags, each `KIND/NAME=ETAG`, or the
    /// etag alone where the bundle has one definition.
    pub(crate) fn if_match(mut self, expected: &[String]) -> Result<Self, Failure> {
        for text in expected {
            let (key, etag) = match text.split_once('=') {
                Some((place, etag)) => (parse_key(place)?, etag),
                None => (self.only_key(text)?, text.as_str()),
            };
            let is_there = self
                .definitions()
                .any(|it| key_of(it).as_ref() == Some(&key));
            if !is_there {
                return Err(Failure::mistake(format!(
                    "--if-match {text}: the files hold no {key}"
                )));
            }
            if self.if_match.insert(key.clone(), etag.to_owned()).is_some() {
                return Err(Failure::mistake(format!(
                    "--if-match {text}: {key} is there twice: keep one"
                )));
            }
        }
        Ok(self)
    }

    /// Returns the key of the only definition.
    fn only_key(&self, text: &str) -> Result<DefinitionKey, Failure> {
        let mut keys = self.definitions().filter_map(key_of);
        match (keys.next(), keys.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Failure::mistake(format!(
                "--if-match {text}: the files hold several definitions: \
                 write KIND/NAME={text}, once for each"
            ))),
        }
    }

    /// Returns the etags that these definitions must have, in their order; none where all may have
    /// any.
    fn etags<'a>(&self, definitions: impl IntoIterator<Item = &'a Definition>) -> Vec<String> {
        if self.if_match.is_empty() {
            return Vec::new();
        }
        let key = |definition| key_of(definition).and_then(|key| self.if_match.get(&key));
        let etags = definitions.into_iter().map(key);
        etags
            .map(|etag| etag.cloned().unwrap_or_default())
            .collect()
    }

    /// The definitions.
    pub(crate) fn definitions(&self) -> impl ExactSizeIterator<Item = &Definition> {
        self.definitions.iter().map(|located| &located.value)
    }

    /// Says in the words of the files what is wrong with definitions, each by its place.
    pub(crate) fn flawed(&self, flaws: &[Flaw]) -> Failure {
        let mistakes = flaws.iter().filter_map(|flaw| {
            let located = self.definitions.get(flaw.index)?;
            Some(located.mistake(&flaw.violation))
        });
        refused(&mistakes.collect::<Vec<_>>(), 0, self.nothing, false)
    }

    /// The services that keep the definitions.
    fn services(&self) -> Vec<ServiceName> {
        self.definitions().map(|it| service(kind(it))).collect()
    }

    /// Has every process check the whole bundle, and collects the mistakes of all of them.
    pub(crate) async fn validate(
        &self,
        connection: &Connection,
    ) -> Result<Vec<AppliedDefinition>, Failure> {
        let (mut mistakes, mut more, mut is_race) = (BTreeSet::new(), 0, true);
        let mut planned = Vec::new();
        for (_, services) in connection.processes_with(&self.services()) {
            let request = ApplyDefinitionsRequest {
                request_id: request_id(),
                definitions: self.definitions().cloned().collect(),
                validate_only: true,
                if_match: self.etags(self.definitions()),
            };
            let mut client = connection.definitions(services[0])?;
            match client.apply_definitions(ask(request)).await {
                Ok(answer) => planned.extend(answer.into_inner().applied),
                Err(status) => {
                    more += omitted_violations(&status);
                    is_race &= status.code() == Code::Aborted;
                    mistakes.extend(self.mistakes_of(status, None)?);
                }
            }
        }
        if mistakes.is_empty() {
            return Ok(planned);
        }
        let mistakes = mistakes.into_iter().collect::<Vec<_>>();
        Err(refused(&mistakes, more, self.nothing, is_race))
    }

    /// Applies the bundle, one process after the other. Validate it first: then a process refuses
    /// only what changed in between.
    pub(crate) async fn apply(
        &self,
        connection: &Connection,
    ) -> Result<Vec<AppliedDefinition>, Failure> {
        let mut applied = Vec::new();
        for (_, services) in connection.processes_with(&self.services()) {
            let own: Vec<usize> = (0..self.definitions.len())
                .filter(|place| services.contains(&service(kind(&self.definitions[*place].value))))
                .collect();
            if own.is_empty() {
                continue;
            }
            let request = ApplyDefinitionsRequest {
                request_id: request_id(),
                definitions: own
                    .iter()
                    .map(|place| self.definitions[*place].value.clone())
                    .collect(),
                validate_only: false,
                if_match: self.etags(own.iter().map(|place| &self.definitions[*place].value)),
            };
            let mut client = connection.definitions(services[0])?;
            match client.apply_definitions(ask(request)).await {
                Ok(answer) => applied.extend(answer.into_inner().applied),
                Err(status) => {
                    let more = omitted_violations(&status);
                    let is_race = status.code() == Code::Aborted;
                    let mistakes = self.mistakes_of(status, Some(&own))?;
                    let applied = what_was_applied(&applied);
                    return Err(refused(&mistakes, more, &applied, is_race));
                }
            }
        }
        Ok(applied)
    }

    /// Returns what a service said about definitions in the words of the files; `places` are those
    /// of the request's definitions in the bundle.
    fn mistakes_of(
        &self,
        status: Status,
        places: Option<&[usize]>,
    ) -> Result<Vec<Mistake>, Failure> {
        let details = status.get_error_details();
        let violations = details
            .bad_request()
            .map_or(&[][..], |bad| &bad.field_violations);
        let mistakes: Option<Vec<Mistake>> = violations
            .iter()
            .map(|violation| {
                let (index, path) = split_path(&violation.field)?;
                let place = places.map_or(Some(index), |places| places.get(index).copied())?;
                let located = self.definitions.get(place)?;
                Some(located.mistake(&Violation::new(path, violation.description.as_str())))
            })
            .collect();
        match mistakes {
            Some(mistakes) if !mistakes.is_empty() => Ok(mistakes),
            // Something that no file says: about the request, or about other definitions.
            _ => Err(status.into()),
        }
    }
}

/// Refuses a bundle with these mistakes, and so many that an answer counted only. What other
/// processes applied before stays applied. In a race they are no mistakes of the files: somebody
/// changed the definitions meanwhile.
fn refused(mistakes: &[Mistake], more: usize, applied: &str, is_race: bool) -> Failure {
    let mut lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let count = match lines.len() + more {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    if more > 0 {
        lines.push(format!("and {more} more: correct these first"));
    }
    let refused = Failure::mistake(format!("{count}; {applied}\n{}", lines.join("\n")));
    if is_race {
        refused.by_a_race()
    } else {
        refused
    }
}

/// Says what was changed before a bundle was refused.
fn what_was_applied(applied: &[AppliedDefinition]) -> String {
    let changed = applied
        .iter()
        .filter(|it| it.action() != ApplyAction::Unchanged);
    let names: Vec<String> = changed
        .map(|it| format!("{}/{}", kind_word(it.kind()), it.name))
        .collect();
    match names.as_slice() {
        [] => NOTHING_APPLIED.to_owned(),
        names => format!(
            "applied before, by other processes: {}; nothing else was",
            names.join(", ")
        ),
    }
}

/// Reads `segment/loyal`.
fn parse_key(text: &str) -> Result<DefinitionKey, Failure> {
    let parts = text.split_once('/');
    let key = parts.and_then(|(kind, name)| Some(DefinitionKey::new(parse_kind(kind).ok()?, name)));
    key.ok_or_else(|| {
        let words = KINDS.map(kind_word).join(", ");
        Failure::mistake(format!(
            "--if-match {text}: write KIND/NAME=ETAG, with a kind of {words}"
        ))
    })
}

/// Splits `definitions[3].segment.name` into 3 and `segment.name`, and `if_match[3]` into 3 and
/// nothing: what is wrong there is about the whole definition.
fn split_path(field: &str) -> Option<(usize, &str)> {
    let rest = field.strip_prefix("definitions[");
    let rest = rest.or_else(|| field.strip_prefix("if_match["))?;
    let (index, path) = rest.split_once(']')?;
    Some((index.parse().ok()?, path.strip_prefix('.').unwrap_or(path)))
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable =
            |error| Failure::mistake(format!("{}: cannot be read: {error}", path.display()));
        if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_definition_file(&file) {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(Failure::mistake(format!(
                "{}: holds no .yaml, .yml or .json file",
                path.display()
            )));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn is_definition_file(path: &Path) -> bool {
    path.is_file()
        && path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        })
}

fn read_text(file: &Path) -> Result<String, Failure> {
    let unreadable =
        |error| Failure::mistake(format!("{}: cannot be read: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > DEFINITION_FILE_BYTES {
        return Err(Failure::mistake(format!(
            "{}: has {size} bytes: a file of definitions has at most {DEFINITION_FILE_BYTES}",
            file.display()
        )));
    }
    std::fs::read_to_string(file).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use proto::definition::v1::DefinitionKind;

    use super::*;

    #[test]
    fn what_other_processes_applied_is_told() {
        let applied = |name: &str, action: ApplyAction| AppliedDefinition {
            kind: DefinitionKind::Segment.into(),
            name: name.to_owned(),
            action: action.into(),
            ..AppliedDefinition::default()
        };
        let same = applied("a", ApplyAction::Unchanged);
        assert_eq!(
            what_was_applied(std::slice::from_ref(&same)),
            "nothing was applied"
        );
        let new = applied("b", ApplyAction::Created);
        assert_eq!(
            what_was_applied(&[same, new]),
            "applied before, by other processes: segment/b; nothing else was"
        );
    }

    #[test]
    fn paths_of_requests_are_split() {
        for (field, split) in [
            ("definitions[3].segment.name", Some((3, "segment.name"))),
            ("definitions[0]", Some((0, ""))),
            ("if_match[2]", Some((2, ""))),
            ("if_match", None),
            ("request_id", None),
        ] {
            assert_eq!(split_path(field), split);
        }
    }
}
