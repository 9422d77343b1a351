//! Methods, and the paths of HTTP that they are bound to.

use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage as _, Value};

use super::message::Compiler;
use crate::route::Template;

/// The option of a method that binds it to HTTP.
const HTTP_OPTION: &str = "google.api.http";

/// A method of the contracts.
#[derive(Debug)]
pub(crate) struct Method {
    /// The path in gRPC, such as `/happypath.identity.v1.IdentityService/Ingest`.
    pub(crate) path: String,
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// Returns whether a caller may send more than one message.
    pub(crate) is_client_stream: bool,
    /// Returns whether it may be answered with more than one message.
    pub(crate) is_server_stream: bool,
    /// The paths of HTTP that lead to it: the one of the contract, then its additional ones.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) descriptor: MethodDescriptor,
}

/// A path of HTTP that leads to a method.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) verb: Verb,
    pub(crate) template: Template,
    pub(crate) body: Body,
}

/// The verbs of HTTP that contracts bind methods to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verb {
    Get,
    Put,
    Post,
    Delete,
    Patch,
}

/// The part of the request that the body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
    Absent,
    /// All of it.
    Whole,
    /// The field at this place.
    Field(usize),
}

impl Verb {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Get, Self::Put, Self::Post, Self::Delete, Self::Patch];

    /// The verb as the request line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
        }
    }

    /// The field of `google.api.HttpRule` that holds its path.
    fn field(self) -> String {
        self.name().to_ascii_lowercase()
    }
}

impl Method {
    pub(super) fn compile(descriptor: &MethodDescriptor, compiler: &mut Compiler) -> Self {
        let input = compiler.message(&descriptor.input());
        let output = compiler.message(&descriptor.output());
        let service = descriptor.parent_service();
        let mut bindings = Vec::new();
        if let Some(rule) = http_rule(descriptor) {
            bindings.extend(binding(&rule, compiler, input));
            if let Some(Value::List(more)) =
                rule.get_field_by_name("additional_bindings").as_deref()
            {
                let more = more.iter().filter_map(Value::as_message);
                bindings.extend(more.filter_map(|rule| binding(rule, compiler, input)));
            }
        }
        Self {
            path: format!("/{}/{}", service.full_name(), descriptor.name()),
            input,
            output,
            is_client_stream: descriptor.is_client_streaming(),
            is_server_stream: descriptor.is_server_streaming(),
            bindings,
            descriptor: descriptor.clone(),
        }
    }

    /// Returns whether it takes and gives one message.
    pub(crate) fn is_unary(&self) -> bool {
        !self.is_client_stream && !self.is_server_stream
    }

    /// Returns whether its answers can be server-sent events: one message is asked, and many come.
    pub(crate) fn answers_events(&self) -> bool {
        self.is_server_stream && !self.is_client_stream
    }

    /// Returns whether it only reads, as its first path says.
    pub(crate) fn is_read(&self) -> bool {
        let mut bindings = self.bindings.iter();
        bindings.any(|binding| binding.verb == Verb::Get)
    }
}

fn http_rule(method: &MethodDescriptor) -> Option<DynamicMessage> {
    let options = method.options();
    let extension = options
        .descriptor()
        .get_extension_by_full_name(HTTP_OPTION)?;
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).as_message().cloned())
        .flatten()
}

/// The binding of a rule; none where it is one that this build does not understand, which a test
/// of all contracts excludes.
fn binding(rule: &DynamicMessage, compiler: &Compiler, input: usize) -> Option<Binding> {
    let verb = Verb::ALL
        .into_iter()
        .find(|verb| rule.has_field_by_name(&verb.field()))?;
    let path = rule.get_field_by_name(&verb.field())?;
    let template = Template::parse(path.as_str()?)?;
    let body = rule.get_field_by_name("body")?;
    let body = match body.as_str()? {
        "" => Body::Absent,
        "*" => Body::Whole,
        name => Body::Field(compiler.messages[input].field(name)?),
    };
    Some(Binding {
        verb,
        template,
        body,
    })
}
