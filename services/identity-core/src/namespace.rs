//! Namespaces: kinds of identifiers, and how far each may be trusted.

use std::collections::HashSet;

use kernel::{FragmentId, Timestamp};
use phonenumber::country;
use regex::RegexSet;

use crate::blocked::{bare, is_blocked, is_name_of, unquote};
use crate::built_in::built_in;
use crate::domain::{host, own_part};
use crate::freemail::{is_freemail, is_relay};
use crate::invisible::without_invisible;
use crate::limits::FAN_OUT;
use crate::normalizer::{MalformedValue, Normalizer, phone};

/// The word of a value about who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Uniqueness {
    /// It is one customer's at a time, and joins those who are seen with it.
    #[default]
    Unique,
    /// It is any number of customers', and joins none of them.
    Shared,
    /// It is one customer's at a time, and joins that one with others only while it is not known.
    Weak,
}

impl Uniqueness {
    /// Its name in definitions.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unique => "UNIQUENESS_UNIQUE",
            Self::Shared => "UNIQUENESS_SHARED",
            Self::Weak => "UNIQUENESS_WEAK",
        }
    }
}

/// The ones whom values of a namespace name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subject {
    /// Customers.
    #[default]
    Customer,
    /// Accounts: organisations, households, workspaces.
    Account,
}

impl Subject {
    /// Its name in definitions.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Customer => "SUBJECT_CUSTOMER",
            Self::Account => "SUBJECT_ACCOUNT",
        }
    }

    /// The subject of a fragment, as its id tells.
    pub const fn of(fragment: FragmentId) -> Self {
        match fragment.is_account() {
            true => Self::Account,
            false => Self::Customer,
        }
    }
}

/// The fate of one value too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It is dropped from its event.
    RefuseNewest,
    /// The value that came first goes.
    DropOldest,
}

/// A kind of identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub(crate) name: Box<str>,
    pub(crate) priority: u32,
    pub(crate) limit: u32,
    pub(crate) normalizer: Normalizer,
    /// Unquoted and lower-cased.
    pub(crate) blocked: HashSet<Box<str>>,
    pub(crate) patterns: Patterns,
    /// Absent: as the policy has it.
    pub(crate) when_full: Option<WhenFull>,
    pub(crate) uniqueness: Uniqueness,
    pub(crate) names_people: bool,
    pub(crate) window_ms: Option<i64>,
    pub(crate) fan_out_limit: u32,
    pub(crate) country: Option<country::Id>,
    /// True where it is switched off: events are resolved without it.
    pub(crate) is_off: bool,
    pub(crate) subject: Subject,
    /// True where its name says what an account is that has a value of it.
    pub(crate) is_type: bool,
}

/// Patterns of values that name nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(pub(crate) Option<RegexSet>);

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        let written = |it: &Self| it.0.as_ref().map(|set| set.patterns().to_vec());
        written(self) == written(other)
    }
}

impl Eq for Patterns {}

impl Namespace {
    /// A namespace of a name and a priority, with the usual settings.
    pub(crate) fn new(name: &str, priority: u32, limit: u32, normalizer: Normalizer) -> Self {
        Self {
            name: name.into(),
            priority,
            limit,
            normalizer,
            blocked: HashSet::new(),
            patterns: Patterns::default(),
            when_full: None,
            uniqueness: Uniqueness::Unique,
            names_people: limit == 1,
            window_ms: None,
            fan_out_limit: FAN_OUT,
            country: None,
            is_off: false,
            subject: Subject::Customer,
            is_type: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rank when an event must drop identifiers: 1 is kept longest.
    pub const fn priority(&self) -> u32 {
        self.priority
    }

    /// The number of values that one customer may have.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The time since which values count for its limit; absent where all do.
    pub(crate) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let window = self.window_ms?;
        let since = now.as_millis().saturating_sub(window).saturating_add(1);
        Some(Timestamp::from_millis(since))
    }

    /// The word of its values about who somebody is.
    pub const fn uniqueness(&self) -> Uniqueness {
        self.uniqueness
    }

    /// Returns whether its values name people: a customer who has one is known.
    pub const fn names_people(&self) -> bool {
        self.names_people
    }

    /// The ones whom its values name.
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns whether an account that has a value of it is of this type, as a workspace is.
    pub const fn is_account_type(&self) -> bool {
        self.is_type
    }

    /// The way in which its values are made comparable.
    pub const fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    /// Makes a value of it comparable.
    ///
    /// # Errors
    /// [`MalformedValue`] where it is none.
    pub fn normalize(&self, value: String) -> Result<String, MalformedValue> {
        match self.normalizer {
            Normalizer::Phone => phone(&value, self.country).ok_or(MalformedValue(value)),
            normalizer => normalizer.normalize(value),
        }
    }

    /// Returns whether a value names nobody: by the built-in list, because it is the name of this
    /// namespace, or by what its definition blocks.
    pub fn is_blocked(&self, value: &str) -> bool {
        if is_blocked(value) || is_name_of(&self.name, value) || self.is_blocked_domain(value) {
            return true;
        }
        if self.blocked.is_empty() && self.patterns.0.is_none() {
            return false;
        }
        let visible = without_invisible(value);
        let patterns = self.patterns.0.as_ref();
        self.blocked.contains(bare(value).to_lowercase().as_str())
            || patterns.is_some_and(|patterns| patterns.is_match(unquote(&visible)))
    }

    /// Returns whether a value is of a domain that is nobody's, in whatever host below it, or of a
    /// host at which addresses stand for others.
    pub(crate) fn is_blocked_domain(&self, value: &str) -> bool {
        let host = (self.normalizer == Normalizer::Domain).then(|| host(value));
        let Some(Ok(host)) = host else {
            return false;
        };
        let Ok(domain) = own_part(&host) else {
            return false;
        };
        is_relay(&host) || is_freemail(&domain) || self.blocked.contains(domain.as_str())
    }
}

/// The namespaces of an installation, by priority, and by name where that is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    on: Vec<Namespace>,
    off: Vec<Namespace>,
}

impl Namespaces {
    pub(crate) fn new(mut namespaces: Vec<Namespace>) -> Self {
        namespaces.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        let (off, on) = namespaces.into_iter().partition(|it| it.is_off);
        Self { on, off }
    }

    /// The namespaces that are switched off.
    pub(crate) fn switched_off(&self) -> impl Iterator<Item = &Namespace> {
        self.off.iter()
    }

    /// The namespace of a name, with its rank: 0 is kept longest.
    pub fn find(&self, name: &str) -> Option<(usize, &Namespace)> {
        self.on
            .iter()
            .enumerate()
            .find(|(_, namespace)| namespace.name.as_ref() == name)
    }

    /// The namespaces, by priority.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Namespace> + DoubleEndedIterator {
        self.on.iter()
    }

    /// The namespace of a rank that [`Self::find`] gave.
    pub(crate) fn at(&self, rank: usize) -> &Namespace {
        &self.on[rank]
    }
}

impl Default for Namespaces {
    /// The built-in ones of customers: `crm_id`, `user_id`, `email`, `phone` and `anonymous_id`.
    fn default() -> Self {
        Self::new(built_in().to_vec())
    }
}
