//! Templates: MiniJinja, compiled at publish, rendered within bounds whatever they contain.
//!
//! Nothing is loaded from elsewhere, nothing is escaped by itself (`tojson` writes values into JSON bodies), and what
//! is not known renders as empty.

mod bounds;
mod filters;
mod names;
mod output;
mod reads;
mod values;

use std::collections::HashMap;
use std::fmt;

use kernel::Reason;

use messages::activation::v1 as api;
use messages::activation::v1::template::Medium;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

pub(crate) use self::reads::Reads;
pub use self::values::Values;
use crate::limits;
use output::Bounded;

/// Every published template, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    reads: HashMap<Box<str>, Reads>,
}

/// What a template made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, on one line.
    pub subject: String,
    /// The body.
    pub body: String,
}

/// A mistake in the text of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct TemplateMistake {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A template could not be rendered for these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// What went wrong, and on which line where that is known; never the values.
    pub message: String,
    /// Set where the values or the text are larger than they may be.
    pub is_too_large: bool,
}

impl RenderError {
    /// Returns the reason that the activation ends with.
    pub const fn reason(&self) -> Reason {
        if self.is_too_large {
            Reason::SendTooLarge
        } else {
            Reason::TemplateError
        }
    }
}

/// The two texts of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The subject.
    Subject,
    /// The body.
    Body,
}

impl Part {
    const fn limit(self) -> usize {
        match self {
            Self::Subject => limits::SUBJECT_TEMPLATE_BYTES,
            Self::Body => limits::BODY_TEMPLATE_BYTES,
        }
    }
}

impl fmt::Display for Part {
    /// Writes the name of the field of the content that holds the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "subject",
            Self::Body => "body",
        })
    }
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::empty();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(limits::TEMPLATE_FUEL));
        // Debug output would carry the values, which are personal data.
        environment.set_debug(false);
        filters::add(&mut environment);
        Self {
            environment,
            reads: HashMap::new(),
        }
    }
}

impl Templates {
    /// Compiles a template and adds it.
    ///
    /// # Errors
    /// Every [`TemplateMistake`] that was found, with the text that it is in.
    pub fn add(&mut self, template: &api::Template) -> Result<(), Vec<(Part, TemplateMistake)>> {
        let mut mistakes = Vec::new();
        for (part, text) in parts(template) {
            if let Err(found) = self.add_part(&template.name, part, text) {
                mistakes.extend(found.into_iter().map(|mistake| (part, mistake)));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut reads = Reads::default();
        for (key, text) in texts(template) {
            reads.add(&self.environment, &key, text);
        }
        self.reads.insert(template.name.as_str().into(), reads);
        Ok(())
    }

    /// Returns the reads of a template; absent where there is none of this name.
    pub(crate) fn reads(&self, name: &str) -> Option<&Reads> {
        self.reads.get(name)
    }

    /// Returns those of its templates that are among others with the same texts: they need not be
    /// compiled again.
    pub(crate) fn retained(&self, others: &[&api::Template]) -> Self {
        let mut environment = self.environment.clone();
        let texts: HashMap<String, &str> = others.iter().flat_map(|it| texts(it)).collect();
        for (name, template) in self.environment.templates() {
            if texts.get(name).copied() != Some(template.source()) {
                environment.remove_template(name);
            }
        }
        let same = others.iter().filter(|it| self.has_texts_of(it));
        let reads = same
            .filter_map(|it| self.reads.get_key_value(it.name.as_str()))
            .map(|(name, reads)| (name.clone(), reads.clone()))
            .collect();
        Self { environment, reads }
    }

    /// Returns whether it has a template with these texts.
    pub(crate) fn has_texts_of(&self, template: &api::Template) -> bool {
        texts(template).all(|(key, text)| {
            let known = self.environment.get_template(&key);
            known.is_ok_and(|known| known.source() == text)
        })
    }

    /// Whether there is a template of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.environment
            .get_template(&key(name, Part::Body))
            .is_ok()
    }

    /// Renders a template.
    ///
    /// # Errors
    /// [`RenderError`] where the template is not defined, fails, or runs into a limit.
    pub fn render(&self, name: &str, values: &Values) -> Result<Rendered, RenderError> {
        let subject = self.render_part(name, Part::Subject, values)?;
        Ok(Rendered {
            // A subject becomes a header elsewhere: a line break in it would start another one.
            subject: subject
                .split(['\r', '\n'])
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            body: self.render_part(name, Part::Body, values)?,
        })
    }

    fn add_part(&mut self, name: &str, part: Part, text: &str) -> Result<(), Vec<TemplateMistake>> {
        if text.len() > part.limit() {
            return Err(vec![TemplateMistake {
                line: 1,
                message: format!(
                    "the {part} has {} bytes; at most {} are allowed",
                    text.len(),
                    part.limit()
                ),
            }]);
        }
        let found = bounds::check(text);
        if !found.is_empty() {
            return Err(found);
        }
        self.environment
            .add_template_owned(key(name, part), text.to_owned())
            .map_err(|error| {
                vec![TemplateMistake {
                    line: error.line().unwrap_or(1),
                    message: error
                        .detail()
                        .map_or_else(|| error.kind().to_string(), str::to_owned),
                }]
            })
    }

    fn render_part(&self, name: &str, part: Part, values: &Values) -> Result<String, RenderError> {
        let mut text = Bounded::new(limits::OUTPUT_BYTES);
        self.environment
            .get_template(&key(name, part))
            .and_then(|template| {
                template
                    .render_captured_to(values.0.clone(), &mut text)
                    .map(drop)
            })
            .map_err(|error| render_error(part, &error))?;
        Ok(text.into_text())
    }
}

/// Checks and renders a template that is not published.
///
/// # Errors
/// Every mistake in its texts, or why it could not be rendered.
pub fn preview(template: &api::Template, values: &Values) -> Result<Rendered, PreviewError> {
    let mut templates = Templates::default();
    templates.add(template).map_err(PreviewError::Mistakes)?;
    templates
        .render(&template.name, values)
        .map_err(PreviewError::Render)
}

/// Returns every filter, test and name of a template that means nothing. They render as empty, or
/// fail at each send. A text that does not compile has none: its mistakes are told otherwise.
pub fn unknown_names(template: &api::Template) -> Vec<(Part, TemplateMistake)> {
    let mut found = Vec::new();
    for (part, text) in parts(template) {
        let mut templates = Templates::default();
        if templates.add_part(&template.name, part, text).is_ok() {
            let key = key(&template.name, part);
            let mistakes = names::check(&templates.environment, &key, text).into_iter();
            found.extend(mistakes.map(|mistake| (part, mistake)));
        }
    }
    found
}

/// A preview is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// The texts have mistakes.
    #[error("the template has mistakes")]
    Mistakes(Vec<(Part, TemplateMistake)>),
    /// It could not be rendered for these values.
    #[error(transparent)]
    Render(RenderError),
}

/// Returns a template of a subject and a body.
pub fn text_template(name: &str, subject: &str, body: &str) -> api::Template {
    api::Template {
        name: name.to_owned(),
        medium: Some(Medium::Text(api::TextContent {
            subject: subject.to_owned(),
            body: body.to_owned(),
        })),
    }
}

/// Returns the texts of a template; none where it has no medium.
fn parts(template: &api::Template) -> impl Iterator<Item = (Part, &str)> {
    let content = template.medium.as_ref().map(|Medium::Text(text)| text);
    content.into_iter().flat_map(|text| {
        [
            (Part::Subject, text.subject.as_str()),
            (Part::Body, text.body.as_str()),
        ]
    })
}

/// Returns the texts of a template, each with the key of its part.
fn texts(template: &api::Template) -> impl Iterator<Item = (String, &str)> {
    parts(template).map(|(part, text)| (key(&template.name, part), text))
}

fn key(name: &str, part: Part) -> String {
    format!("{name}.{part}")
}

/// Says what went wrong without the values, which errors of the engine may quote.
fn render_error(part: Part, error: &minijinja::Error) -> RenderError {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => format!(
            "the template takes more than {} instructions: shorten its loops",
            limits::TEMPLATE_FUEL
        ),
        ErrorKind::WriteFailure => {
            format!(
                "the text would have more than {} bytes",
                limits::OUTPUT_BYTES
            )
        }
        ErrorKind::TemplateNotFound => "the template is not defined".to_owned(),
        kind => error
            .detail()
            .map_or_else(|| kind.to_string(), str::to_owned),
    };
    RenderError {
        is_too_large: matches!(error.kind(), ErrorKind::WriteFailure),
        message: error.line().map_or_else(
            || format!("{part}: {what}"),
            |line| format!("{part} line {line}: {what}"),
        ),
    }
}

#[cfg(test)]
mod tests;
