//! Templates of paths, by the grammar of `google.api.http`.
//!
//! <https://github.com/googleapis/googleapis/blob/master/google/api/http.proto>

/// A part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Itself.
    Literal(String),
    /// `*`: any one part.
    One,
    /// `**`: all that is left, slashes included.
    Rest,
}

/// A template such as `/v1/customers/{customer_id}/memberships:explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    /// The word behind the last colon; empty where there is none.
    verb: String,
    variables: Vec<Variable>,
}

/// A variable: the path of a field, and the segments that are its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    field: String,
    from: usize,
    to: usize,
}

impl Template {
    /// Reads a template; none where it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('/')?;
        let mut template = Self {
            segments: Vec::new(),
            verb: String::new(),
            variables: Vec::new(),
        };
        loop {
            if let Some(inner) = rest.strip_prefix('{') {
                let (variable, after) = inner.split_once('}')?;
                let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
                let from = template.segments.len();
                for segment in pattern.split('/') {
                    template.segments.push(Segment::parse(segment)?);
                }
                template.variables.push(Variable {
                    field: field.to_owned(),
                    from,
                    to: template.segments.len(),
                });
                rest = after;
            } else {
                let end = rest.find(['/', ':']).unwrap_or(rest.len());
                template.segments.push(Segment::parse(&rest[..end])?);
                rest = &rest[end..];
            }
            if let Some(after) = rest.strip_prefix('/') {
                rest = after;
            } else {
                break;
            }
        }
        if !rest.is_empty() {
            rest.strip_prefix(':')?.clone_into(&mut template.verb);
            if template.verb.is_empty() {
                return None;
            }
        }
        // A part behind the rest could never be there.
        let rests = template.segments.iter().rev().skip(1);
        let is_sound = !rests.into_iter().any(|segment| *segment == Segment::Rest);
        is_sound.then_some(template)
    }

    /// The values of the variables in a path that fits, still percent-encoded; none where it does
    /// not.
    pub(crate) fn matches(&self, path: &str) -> Option<Vec<String>> {
        let path = path.strip_prefix('/')?;
        let path = if self.verb.is_empty() {
            path
        } else {
            path.strip_suffix(self.verb.as_str())?.strip_suffix(':')?
        };
        let parts: Vec<&str> = path.split('/').collect();
        let has_rest = self.segments.last() == Some(&Segment::Rest);
        if parts.len() < self.segments.len() || (parts.len() > self.segments.len() && !has_rest) {
            return None;
        }
        for (segment, part) in self.segments.iter().zip(&parts) {
            let fits = match segment {
                Segment::Literal(literal) => literal == part,
                // A colon begins a word of a method: it is written as %3A in a value.
                Segment::One | Segment::Rest => !part.is_empty() && !part.contains(':'),
            };
            if !fits {
                return None;
            }
        }
        let value = |variable: &Variable| {
            let reaches_rest = self.segments[variable.from..variable.to].contains(&Segment::Rest);
            let end = if reaches_rest {
                parts.len()
            } else {
                variable.to
            };
            parts[variable.from..end].join("/")
        };
        Some(self.variables.iter().map(value).collect())
    }

    /// Returns how many variables it has.
    pub(crate) fn variables(&self) -> usize {
        self.variables.len()
    }

    /// The paths of the fields that its variables are.
    pub(crate) fn names(&self) -> Vec<&str> {
        let variables = self.variables.iter();
        variables.map(|variable| variable.field.as_str()).collect()
    }

    /// The template with each variable as `name` says, such as `{customerId}`.
    pub(crate) fn written(&self, name: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        let mut place = 0;
        while place < self.segments.len() {
            text.push('/');
            match self
                .variables
                .iter()
                .find(|variable| variable.from == place)
            {
                Some(variable) => {
                    text.push_str(&name(&variable.field));
                    place = variable.to;
                }
                None => {
                    text.push_str(match &self.segments[place] {
                        Segment::Literal(literal) => literal,
                        Segment::One => "*",
                        Segment::Rest => "**",
                    });
                    place += 1;
                }
            }
        }
        if !self.verb.is_empty() {
            text.push(':');
            text.push_str(&self.verb);
        }
        text
    }

    /// The template without the names of its variables: two with one shape are for the same paths.
    #[cfg(test)]
    pub(crate) fn shape(&self) -> String {
        self.written(|_| "*".to_owned())
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "*" => Some(Self::One),
            "**" => Some(Self::Rest),
            literal if literal.contains(['{', '}', '*']) => None,
            literal => Some(Self::Literal(literal.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_find_their_values() {
        for (template, path, expected) in [
            ("/v1/a", "/v1/a", Some(vec![])),
            ("/v1/{a}", "/v1/x", Some(vec!["x"])),
            ("/v1/{a.b}/c", "/v1/x/c", Some(vec!["x"])),
            ("/v1/{a}:go", "/v1/x:go", Some(vec!["x"])),
            ("/v1/{a}:go", "/v1/x:stop", None),
            ("/v1/{a}", "/v1/x:go", None),
            (
                "/v1/{a=shelves/*}/b",
                "/v1/shelves/3/b",
                Some(vec!["shelves/3"]),
            ),
            ("/v1/{a=shelves/*}/b", "/v1/other/3/b", None),
            ("/v1/{a=**}", "/v1/x/y/z", Some(vec!["x/y/z"])),
            ("/v1/*/{b}", "/v1/x/y", Some(vec!["y"])),
            ("/v1/{a}", "/v1/", None),
            ("/v1/{a}", "/v1/x/", None),
        ] {
            let found = Template::parse(template).expect(template).matches(path);
            let expected = expected.map(|values| values.into_iter().map(String::from).collect());
            assert_eq!(found, expected, "{template} {path}");
        }
    }

    #[test]
    fn what_is_no_template_is_none() {
        for text in [
            "",
            "v1",
            "/v1//a",
            "/v1/{a",
            "/v1/{a=**}/b",
            "/v1/a:",
            "/v1/a{b}",
        ] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }

    #[test]
    fn templates_are_written_with_other_names() {
        let template = Template::parse("/v1/{a_b}/c/{d=x/*}:go").expect("a template");
        assert_eq!(
            template.written(|name| format!("<{name}>")),
            "/v1/<a_b>/c/<d>:go"
        );
    }
}
