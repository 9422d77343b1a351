//! The rules of a source: what its events and identifiers mean here.
//!
//! A source that nobody defined has the rules of [`SourceRules::default`]. Identity knows
//! whether a namespace is there: [`SourceRules::faults`] is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::gateway::v1::Source;

use crate::{Mappings, Webhook};

/// The field of the readings of `CloudEvents`.
const CLOUD_EVENTS: &str = "cloud_events";

/// The namespace of `userId` unless the source says otherwise.
const USER_NAMESPACE: &str = "user_id";
/// The namespace of `anonymousId` unless the source says otherwise.
const ANONYMOUS_NAMESPACE: &str = "anonymous_id";
/// The trait that is an identifier unless the source says otherwise, and its namespace.
const IDENTIFIER_TRAIT: &str = "email";

/// The rules by which the calls of a source are read.
#[derive(Debug, Clone)]
pub struct SourceRules {
    /// Names of events as they are sent, each with its name here. Others stay as they are.
    pub event_names: BTreeMap<String, String>,
    /// The namespace of `userId`.
    pub user_namespace: String,
    /// The namespace of `anonymousId`.
    pub anonymous_namespace: String,
    /// Traits whose text is an identifier too, each with its namespace.
    pub identifier_traits: BTreeMap<String, String>,
    /// The origins of web pages that may send, as browsers write them; empty for all.
    pub origins: Vec<String>,
    /// The readings of its `CloudEvents`, before the default one.
    pub cloud_events: Mappings,
    /// The reading of its webhooks; absent where it takes none.
    pub webhook: Option<Arc<Webhook>>,
}

/// A fault of a definition: the path of the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The path inside the source, such as `identifier_traits[mail]`.
    pub field: String,
    /// The fault, with what would be right.
    pub description: String,
}

impl Default for SourceRules {
    fn default() -> Self {
        Self::of(&Source::default())
    }
}

impl SourceRules {
    /// Reads a definition.
    pub fn of(source: &Source) -> Self {
        let listed = source.identifier_traits.iter();
        let mut identifier_traits: BTreeMap<String, String> =
            listed.map(|(own, to)| (own.clone(), to.clone())).collect();
        if source.keeps_traits_apart {
            identifier_traits.clear();
        } else if identifier_traits.is_empty() {
            let (own, to) = (IDENTIFIER_TRAIT.to_owned(), IDENTIFIER_TRAIT.to_owned());
            identifier_traits.insert(own, to);
        }
        let names = source.event_names.iter();
        let webhook = source.webhook.as_ref();
        let webhook = webhook.and_then(|it| Webhook::compile(it, &|_| true).ok());
        Self {
            event_names: names.map(|(own, to)| (own.clone(), to.clone())).collect(),
            user_namespace: or(&source.user_namespace, USER_NAMESPACE).to_owned(),
            anonymous_namespace: or(&source.anonymous_namespace, ANONYMOUS_NAMESPACE).to_owned(),
            identifier_traits,
            origins: source.origins.iter().map(|it| canonical(it)).collect(),
            // A definition with faults is not stored.
            cloud_events: Mappings::compile(CLOUD_EVENTS, &source.cloud_events, &|_| true)
                .unwrap_or_default(),
            webhook: webhook.map(Arc::new),
        }
    }

    /// The name of an event here.
    pub fn event_name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.event_names.get(sent).map_or(sent, String::as_str)
    }

    /// Returns whether a web page of this origin, as its browser wrote it, may send.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.contains(&canonical(origin))
    }

    /// Finds what is wrong with a definition beside the rules of its contract. `has` returns
    /// whether there is a namespace of a name.
    pub fn faults(source: &Source, has: impl Fn(&str) -> bool) -> Vec<SourceFault> {
        let rules = Self::of(source);
        let mut faults = Vec::new();
        let mut add = |field: &str, description: String| {
            let field = field.to_owned();
            faults.push(SourceFault { field, description });
        };
        for (field, given, namespace) in [
            (
                "user_namespace",
                &source.user_namespace,
                &rules.user_namespace,
            ),
            (
                "anonymous_namespace",
                &source.anonymous_namespace,
                &rules.anonymous_namespace,
            ),
        ] {
            if !has(namespace) {
                add(field, absent(namespace, given.is_empty()));
            }
        }
        if rules.user_namespace == rules.anonymous_namespace {
            let text = format!(
                "`{}` is that of userId too, so that visitors would be taken for people who are \
                 known: name another one",
                rules.anonymous_namespace
            );
            add("anonymous_namespace", text);
        }
        for (name, namespace) in &rules.identifier_traits {
            if has(namespace) {
                continue;
            }
            if source.identifier_traits.is_empty() {
                let text = format!(
                    "takes the trait `{name}` for a `{namespace}` where none is listed, and there \
                     is no such namespace: list others, or set keeps_traits_apart"
                );
                add("identifier_traits", text);
            } else {
                add(
                    &format!("identifier_traits[{name}]"),
                    absent(namespace, false),
                );
            }
        }
        if source.keeps_traits_apart && !source.identifier_traits.is_empty() {
            let text = "takes no trait for an identifier, and identifier_traits lists some: keep \
                        one of the two";
            add("keeps_traits_apart", text.to_owned());
        }
        for (place, origin) in rules.origins.iter().enumerate() {
            if rules.origins[..place].contains(origin) {
                let text = format!("`{origin}` is there twice: keep one");
                add(&format!("origins[{place}]"), text);
            }
        }
        let mapped = Mappings::compile(CLOUD_EVENTS, &source.cloud_events, &has).err();
        let webhook = source.webhook.as_ref();
        let webhook = webhook.and_then(|it| Webhook::compile(it, &has).err());
        faults.extend(mapped.into_iter().chain(webhook).flatten());
        faults
    }
}

fn or<'a>(given: &'a str, default: &'a str) -> &'a str {
    if given.is_empty() { default } else { given }
}

fn absent(namespace: &str, is_default: bool) -> String {
    let default = if is_default {
        ", which counts where none is named"
    } else {
        ""
    };
    format!("there is no namespace `{namespace}`{default}: define it, or name another one")
}

/// Writes an origin as browsers do (RFC 6454, section 6.2): in small letters, without the port
/// that its scheme has anyway.
fn canonical(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let port = if origin.starts_with("https:") {
        ":443"
    } else {
        ":80"
    };
    match origin.strip_suffix(port) {
        Some(short) => short.to_owned(),
        None => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let pairs = pairs
            .iter()
            .map(|(own, to)| ((*own).to_owned(), (*to).to_owned()));
        pairs.collect::<Vec<_>>().into_iter()
    }

    fn faults(source: &Source) -> Vec<String> {
        let known = ["user_id", "email", "anonymous_id", "card"];
        let found = SourceRules::faults(source, |name| known.contains(&name));
        found.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_source_that_nobody_defined_has_the_rules_of_the_standard() {
        let rules = SourceRules::default();
        assert_eq!(rules.user_namespace, "user_id");
        assert_eq!(rules.anonymous_namespace, "anonymous_id");
        let traits: Vec<_> = rules.identifier_traits.iter().collect();
        assert_eq!(traits, [(&"email".to_owned(), &"email".to_owned())]);
        assert_eq!(rules.event_name("Order Completed"), "Order Completed");
        assert!(rules.allows_origin("https://anywhere.example"));
        assert_eq!(faults(&Source::default()), [""; 0]);
    }

    #[test]
    fn a_source_names_events_and_says_which_traits_identify() {
        let mut source = Source {
            event_names: map(&[("Order Completed", "purchase")]).collect(),
            identifier_traits: map(&[("loyaltyCard", "card")]).collect(),
            ..Source::default()
        };
        let rules = SourceRules::of(&source);
        assert_eq!(rules.event_name("Order Completed"), "purchase");
        assert_eq!(rules.event_name("order completed"), "order completed");
        assert_eq!(rules.identifier_traits.len(), 1);
        assert_eq!(rules.identifier_traits["loyaltyCard"], "card");
        source.identifier_traits.clear();
        source.keeps_traits_apart = true;
        assert!(SourceRules::of(&source).identifier_traits.is_empty());
    }

    #[test]
    fn an_origin_is_known_however_it_is_written() {
        let source = Source {
            origins: vec!["https://Shop.example.com:443".to_owned()],
            ..Source::default()
        };
        let rules = SourceRules::of(&source);
        for (origin, is_allowed) in [
            ("https://shop.example.com", true),
            ("https://shop.example.com:443", true),
            ("https://SHOP.example.com", true),
            ("http://shop.example.com", false),
            ("https://shop.example.com:8443", false),
            ("https://shop.example.com.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(rules.allows_origin(origin), is_allowed, "{origin}");
        }
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let source = Source {
            user_namespace: "uid".to_owned(),
            anonymous_namespace: "uid".to_owned(),
            identifier_traits: map(&[("a", "card"), ("b", "carrd")]).collect(),
            keeps_traits_apart: true,
            origins: vec!["https://a.b".to_owned(), "https://A.b:443".to_owned()],
            ..Source::default()
        };
        // Traits that are kept apart name no namespace.
        let expected = [
            "user_namespace",
            "anonymous_namespace",
            "anonymous_namespace",
            "keeps_traits_apart",
            "origins[1]",
        ];
        assert_eq!(faults(&source), expected);
        let source = Source {
            identifier_traits: map(&[("a", "card"), ("b", "carrd")]).collect(),
            ..Source::default()
        };
        assert_eq!(faults(&source), ["identifier_traits[b]"]);
    }

    #[test]
    fn a_default_that_is_no_namespace_is_told_as_one() {
        let found = SourceRules::faults(&Source::default(), |name| name == "user_id");
        let told: Vec<_> = found.iter().map(|it| it.description.as_str()).collect();
        assert!(told[0].contains("counts where none is named"), "{told:?}");
        assert!(told[1].contains("set keeps_traits_apart"), "{told:?}");
        assert_eq!(told.len(), 2);
    }
}
