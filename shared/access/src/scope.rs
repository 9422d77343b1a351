//! Scopes: the names of what a caller may do. One list for the whole suite.

use std::fmt;

macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Something that a caller may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Scope {
            /// Every scope, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name, as contracts, keys and tokens carry it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns in a few words what it allows, for people.
            pub fn about(self) -> &'static str {
                let text = match self { $(Self::$variant => concat!($($doc),+),)+ };
                text.trim().trim_end_matches('.')
            }

            /// The scope of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

scopes! {
    /// Sends events.
    EventsWrite = "events:write";
    /// Reads the event log.
    EventsRead = "events:read";
    /// Reads customers: profiles, segments, journeys, activations, consent.
    CustomersRead = "customers:read";
    /// Joins customers, and takes them apart.
    CustomersWrite = "customers:write";
    /// Erases customers, and stops their processing.
    CustomersErase = "customers:erase";
    /// Gives and withdraws consent.
    ConsentWrite = "consent:write";
    /// Reads definitions, and checks expressions and templates.
    DefinitionsRead = "definitions:read";
    /// Creates, changes and deletes definitions.
    DefinitionsWrite = "definitions:write";
    /// Reads figures over many customers: flows, happy paths, statistics.
    ReportsRead = "reports:read";
    /// Reads how the installation is doing.
    OperationsRead = "operations:read";
    /// Moves the clock of an installation on stream time.
    OperationsWrite = "operations:write";
    /// Reads records that could not be processed, with what they hold.
    QuarantineRead = "quarantine:read";
    /// Retries and discards records that could not be processed.
    QuarantineWrite = "quarantine:write";
    /// Lists API keys, never their secrets.
    KeysRead = "keys:read";
    /// Creates, rotates and revokes API keys.
    KeysWrite = "keys:write";
    /// Reads the audit log.
    AuditRead = "audit:read";
    /// Makes entries of the audit log nobody's, for an erasure.
    AuditWrite = "audit:write";
    /// Removes old entries of the audit log.
    AuditPrune = "audit:prune";
    /// Reads the metrics of a process.
    MetricsRead = "metrics:read";
}

/// The name for all scopes at once.
const ALL: &str = "*";

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Scopes(u32);

/// A name is none of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScope {
    /// The name, cut where it is long.
    name: String,
}

/// Characters of a wrong name that an error shows.
const SHOWN_CHARS: usize = 60;

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Every scope there is.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// The scopes of a service that asks others: the names of definitions, and how they are doing.
    pub fn of_services() -> Self {
        [Scope::DefinitionsRead, Scope::OperationsRead]
            .into_iter()
            .collect()
    }

    /// The most that the key of a source may do: it stands in web pages, where anybody can read it.
    pub fn of_sources() -> Self {
        Self::NONE.with(Scope::EventsWrite)
    }

    /// Reads names; `*` stands for all.
    ///
    /// # Errors
    /// Every name that is none of a scope.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<UnknownScope>> {
        let (mut scopes, mut unknown) = (Self::NONE, Vec::new());
        for name in names {
            match Scope::from_name(name) {
                Some(scope) => scopes = scopes.with(scope),
                None if name == ALL => scopes = Self::all(),
                None => unknown.push(UnknownScope {
                    name: name.chars().take(SHOWN_CHARS).collect(),
                }),
            }
        }
        if unknown.is_empty() {
            Ok(scopes)
        } else {
            Err(unknown)
        }
    }

    /// Reads the names that there are, and passes over all others: a token may carry scopes of
    /// other programs.
    pub fn known<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let known = names.into_iter().filter_map(Scope::from_name);
        known.collect()
    }

    /// This set and one scope more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | bit(scope))
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The scopes of this set that another one lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether a scope is in the set.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Returns whether there is none in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its scopes, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let all = Scope::ALL.iter().copied();
        all.filter(move |scope| self.has(*scope))
    }

    /// The names of its scopes, in the order of the list.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Scope::name).collect()
    }
}

const fn bit(scope: Scope) -> u32 {
    1 << scope as u32
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str(ALL);
        }
        f.write_str(&self.names().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl fmt::Display for UnknownScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        write!(f, "`{}` is no scope: ", self.name)?;
        match kernel::nearest(&self.name, names.iter().copied()) {
            Some(near) => write!(f, "did you mean `{near}`?"),
            None => write!(f, "there are {} and `*` for all", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_room_for_every_scope_and_knows_it_by_name() {
        assert!(Scope::ALL.len() <= 32);
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.name()), Some(*scope));
            assert!(!scope.about().is_empty());
            let one: Scopes = [*scope].into_iter().collect();
            assert!(one.has(*scope));
            assert_eq!(one.names(), [scope.name()]);
            assert_eq!(one.to_string(), scope.name());
        }
        assert_eq!(Scopes::parse(["*"]), Ok(Scopes::all()));
        assert_eq!(Scopes::all().to_string(), "*");
    }

    #[test]
    fn every_wrong_name_is_told_with_what_was_meant() {
        let unknown = Scopes::parse(["events:wirte", "events:read", "zzz"]).expect_err("unknown");
        let told: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        assert_eq!(
            told[0],
            "`events:wirte` is no scope: did you mean `events:write`?"
        );
        assert!(
            told[1].starts_with("`zzz` is no scope: there are events:write, "),
            "{told:?}"
        );
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn names_of_others_are_passed_over() {
        let scopes = Scopes::known(["openid", "events:write", "*"]);
        assert_eq!(scopes.names(), ["events:write"]);
    }

    #[test]
    fn sets_are_compared_scope_by_scope() {
        let given = Scopes::known(["events:write", "keys:write"]);
        let held = Scopes::known(["keys:write", "keys:read"]);
        assert_eq!(given.without(held).names(), ["events:write"]);
        assert_eq!(given.and(held).names(), ["keys:write"]);
        assert!(given.without(Scopes::all()).is_empty());
    }
}
