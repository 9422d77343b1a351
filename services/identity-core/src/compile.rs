//! From definitions of namespaces and of policies to what screening and planning use.

mod policy;

use std::collections::HashSet;

use decision::{Mistake, Mistakes, Names, Source};
use messages::definition::v1::definition::Kind;
use messages::identity::v1;
use regex::RegexSetBuilder;

use self::policy::Policies;
use crate::blocked::bare;
use crate::built_in::{built_in, built_in_of_accounts};
use crate::limits::{
    BLOCKED_PATTERNS, BLOCKED_VALUES, FAN_OUT, FAN_OUT_MAX, IDENTIFIERS_PER_CUSTOMER, NAMESPACES,
    PATTERN_BYTES, PATTERN_CHARS, WINDOW_SECONDS,
};
use crate::namespace::{Namespace, Patterns, Subject, Uniqueness, WhenFull};
use crate::normalizer::Normalizer;
use crate::rules::Rules;

impl Rules {
    /// Compiles the namespaces and the policies of an installation. Built-in namespaces stay unless
    /// they are defined, or switched off, by their name; what such a definition leaves out is as
    /// the built-in namespace has it.
    ///
    /// A definition without a subject is one of customers, also under the name of a built-in
    /// namespace of accounts: it was stored before there were any. [`subject_fault`] holds new ones
    /// to say it.
    ///
    /// # Errors
    /// Every [`Mistake`] of every definition, in their order.
    pub fn compile(sources: &[Source<'_>], _names: &Names) -> Result<Self, Vec<Mistake>> {
        let mut found = Vec::new();
        let mut namespaces = Vec::new();
        let mut names: HashSet<&str> = HashSet::new();
        let mut policies = Policies::default();
        for (place, source) in sources.iter().enumerate() {
            let mut mistakes = Mistakes::new(place);
            match source.kind {
                Kind::Namespace(definition) => {
                    check_name(definition, &mut names, &mut mistakes);
                    namespaces.extend(namespace(definition, &mut mistakes));
                }
                Kind::IdentityPolicy(definition) if source.is_current => {
                    policies.read(definition, source.version, &mut mistakes);
                }
                _ => {}
            }
            found.extend(mistakes.into_vec());
        }
        if !found.is_empty() {
            return Err(found);
        }
        let kept = built_in().into_iter().chain(built_in_of_accounts());
        namespaces.extend(kept.filter(|it| !names.contains(it.name())));
        policies.exclude_domains(&mut namespaces);
        let both = [policies.customers, policies.accounts].map(Option::unwrap_or_default);
        Ok(Self::of(namespaces, both, policies.domain_rule))
    }
}

/// Returns the reason for which a definition that is applied must say its subject; `None` where it
/// need not.
pub fn subject_fault(definition: &v1::Namespace) -> Option<&'static str> {
    let is_silent = definition.subject() == v1::Subject::Unspecified && !definition.disabled;
    (is_silent && usual_of_accounts(&definition.name).is_some()).then_some(
        "the built-in namespace of this name names accounts: say SUBJECT_ACCOUNT to define it \
         otherwise, or SUBJECT_CUSTOMER where its values name customers",
    )
}

fn usual_of_accounts(name: &str) -> Option<Namespace> {
    built_in_of_accounts()
        .into_iter()
        .find(|it| it.name() == name)
}

fn usual_of_customers(name: &str) -> Option<Namespace> {
    built_in().into_iter().find(|it| it.name() == name)
}

fn check_name<'a>(
    definition: &'a v1::Namespace,
    names: &mut HashSet<&'a str>,
    mistakes: &mut Mistakes,
) {
    if names.len() >= NAMESPACES {
        let message = format!("one namespace too many: at most {NAMESPACES} can be defined");
        mistakes.add("name", message);
    }
    if !names.insert(&definition.name) {
        mistakes.add("name", format!("`{}` is defined twice", definition.name));
    }
}

/// Compiles one namespace; none where it is wrong.
fn namespace(definition: &v1::Namespace, mistakes: &mut Mistakes) -> Option<Namespace> {
    let subject = read_subject(definition, mistakes)?;
    let usual = match subject {
        Subject::Customer => usual_of_customers(&definition.name),
        Subject::Account => usual_of_accounts(&definition.name),
    };
    if definition.disabled && usual.is_none() {
        let message = "only built-in namespaces are switched off; delete this one instead";
        mistakes.add("disabled", message);
        return None;
    }
    let is_built_in = usual.is_some();
    check_numbers(definition, (subject, is_built_in), mistakes);
    let plain = || Namespace::new(&definition.name, 0, 0, Normalizer::Trim);
    let usual = usual.unwrap_or_else(plain);
    let normalizer = read_normalizer(definition, usual.normalizer, mistakes)?;
    let uniqueness = match v1::Uniqueness::try_from(definition.uniqueness) {
        Ok(v1::Uniqueness::Unspecified | v1::Uniqueness::Unique) => Uniqueness::Unique,
        Ok(v1::Uniqueness::Shared) => Uniqueness::Shared,
        Ok(v1::Uniqueness::Weak) => Uniqueness::Weak,
        Err(_) => {
            let message = "expected UNIQUENESS_UNIQUE, UNIQUENESS_SHARED or UNIQUENESS_WEAK";
            mistakes.add("uniqueness", message);
            return None;
        }
    };
    let when_full = match v1::WhenFull::try_from(definition.when_full) {
        Ok(v1::WhenFull::Unspecified) => None,
        Ok(v1::WhenFull::RefuseNewest) => Some(WhenFull::RefuseNewest),
        Ok(v1::WhenFull::DropOldest) => Some(WhenFull::DropOldest),
        Err(_) => {
            let message = "expected WHEN_FULL_REFUSE_NEWEST or WHEN_FULL_DROP_OLDEST";
            mistakes.add("when_full", message);
            return None;
        }
    };
    check_shared(definition, uniqueness, mistakes);
    let window_ms = match definition.window_seconds.min(WINDOW_SECONDS) {
        // Shared values have none.
        0 => usual.window_ms.filter(|_| uniqueness != Uniqueness::Shared),
        window => i64::try_from(window * 1_000).ok(),
    };
    let or = |own: u32, usual: u32| if own == 0 { usual } else { own };
    let limit = or(definition.limit, usual.limit);
    let names_one = uniqueness == Uniqueness::Unique && limit == 1 && window_ms.is_none();
    let names_people = definition.names_people.unwrap_or(names_one);
    Some(Namespace {
        subject,
        is_type: match is_built_in {
            true => usual.is_type,
            false => subject == Subject::Account && names_people,
        },
        blocked: blocked_values(definition, mistakes),
        patterns: patterns(definition, mistakes),
        when_full,
        uniqueness,
        names_people,
        window_ms,
        fan_out_limit: match definition.fan_out_limit {
            0 => FAN_OUT,
            limit => limit.min(FAN_OUT_MAX),
        },
        country: country(definition, normalizer, mistakes),
        is_off: definition.disabled,
        normalizer,
        priority: or(definition.priority, usual.priority),
        limit,
        ..usual
    })
}

/// Reads whom values name. The names of built-in namespaces of customers stay with customers.
fn read_subject(definition: &v1::Namespace, mistakes: &mut Mistakes) -> Option<Subject> {
    let is_of_accounts = usual_of_accounts(&definition.name).is_some();
    match v1::Subject::try_from(definition.subject) {
        // It could not be switched off before it was built in.
        Ok(v1::Subject::Unspecified) if definition.disabled && is_of_accounts => {
            Some(Subject::Account)
        }
        Ok(v1::Subject::Unspecified | v1::Subject::Customer) => Some(Subject::Customer),
        Ok(v1::Subject::Account) if usual_of_customers(&definition.name).is_some() => {
            let message = "the built-in namespace of this name names customers: leave it out, or \
                define a namespace of another name";
            mistakes.add("subject", message);
            None
        }
        Ok(v1::Subject::Account) => Some(Subject::Account),
        Err(_) => {
            mistakes.add("subject", "expected SUBJECT_CUSTOMER or SUBJECT_ACCOUNT");
            None
        }
    }
}

/// Checks numbers. Those of a built-in namespace may be left out.
fn check_numbers(
    definition: &v1::Namespace,
    (subject, is_built_in): (Subject, bool),
    mistakes: &mut Mistakes,
) {
    let least = u32::from(!is_built_in);
    if !(least..=1_000).contains(&definition.priority) {
        mistakes.add("priority", "expected 1 to 1000; 1 is kept longest");
    }
    if !(least..=IDENTIFIERS_PER_CUSTOMER).contains(&definition.limit) {
        let whose = match subject {
            Subject::Customer => "a customer",
            Subject::Account => "an account",
        };
        let message = format!("expected 1 to {IDENTIFIERS_PER_CUSTOMER} values {whose}");
        mistakes.add("limit", message);
    }
    if definition.window_seconds > WINDOW_SECONDS {
        let message = format!("expected at most {WINDOW_SECONDS} seconds, which is ten years");
        mistakes.add("window_seconds", message);
    }
    if definition.fan_out_limit > FAN_OUT_MAX {
        let message = format!("expected 1 to {FAN_OUT_MAX}, or 0 for {FAN_OUT}");
        mistakes.add("fan_out_limit", message);
    }
}

fn read_normalizer(
    definition: &v1::Namespace,
    usual: Normalizer,
    mistakes: &mut Mistakes,
) -> Option<Normalizer> {
    match v1::Normalizer::try_from(definition.normalizer) {
        Ok(v1::Normalizer::Unspecified) => Some(usual),
        Ok(v1::Normalizer::Trim) => Some(Normalizer::Trim),
        Ok(v1::Normalizer::Lowercase) => Some(Normalizer::Lowercase),
        Ok(v1::Normalizer::Email) => Some(Normalizer::Email),
        Ok(v1::Normalizer::Phone) => Some(Normalizer::Phone),
        Ok(v1::Normalizer::Nfkc) => Some(Normalizer::Nfkc),
        Ok(v1::Normalizer::Domain) => Some(Normalizer::Domain),
        Err(_) => {
            let message = "expected NORMALIZER_TRIM, NORMALIZER_LOWERCASE, NORMALIZER_EMAIL, \
                NORMALIZER_PHONE, NORMALIZER_NFKC or NORMALIZER_DOMAIN";
            mistakes.add("normalizer", message);
            None
        }
    }
}

/// A shared value says nothing of who somebody is, and is listed for many.
fn check_shared(definition: &v1::Namespace, uniqueness: Uniqueness, mistakes: &mut Mistakes) {
    if uniqueness != Uniqueness::Shared {
        return;
    }
    if definition.names_people == Some(true) {
        let message = "values that are shared name nobody: leave it out, or make them unique";
        mistakes.add("names_people", message);
    }
    if definition.when_full() == v1::WhenFull::DropOldest {
        let message = "of shared values the newest is refused: leave it out";
        mistakes.add("when_full", message);
    }
    if definition.window_seconds > 0 {
        let message = "values that are shared have no window: leave it out";
        mistakes.add("window_seconds", message);
    }
}

fn blocked_values(definition: &v1::Namespace, mistakes: &mut Mistakes) -> HashSet<Box<str>> {
    if definition.blocked_values.len() > BLOCKED_VALUES {
        mistakes.add(
            "blocked_values",
            format!("expected at most {BLOCKED_VALUES}"),
        );
        return HashSet::new();
    }
    let values = definition.blocked_values.iter();
    let values = values.map(|value| bare(value).to_lowercase().into_boxed_str());
    values.collect()
}

fn patterns(definition: &v1::Namespace, mistakes: &mut Mistakes) -> Patterns {
    let written = &definition.blocked_patterns;
    if written.len() > BLOCKED_PATTERNS {
        let message = format!("expected at most {BLOCKED_PATTERNS}");
        mistakes.add("blocked_patterns", message);
        return Patterns::default();
    }
    if written.is_empty() {
        return Patterns::default();
    }
    let mut whole = Vec::with_capacity(written.len());
    for (place, pattern) in written.iter().enumerate() {
        let path = format!("blocked_patterns[{place}]");
        if pattern.chars().count() > PATTERN_CHARS {
            mistakes.add(
                &path,
                format!("expected at most {PATTERN_CHARS} characters"),
            );
            continue;
        }
        // By itself first, so that it cannot close the group around it.
        let compiled = regex::RegexBuilder::new(pattern)
            .size_limit(PATTERN_BYTES)
            .case_insensitive(true)
            .build();
        match compiled {
            Ok(_) => whole.push(format!("^(?:{pattern})$")),
            Err(regex::Error::CompiledTooBig(_)) => {
                mistakes.add(&path, "is too large: shorten it, or its repetitions");
            }
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or("");
                mistakes.add(&path, format!("is no regular expression: {last}"));
            }
        }
    }
    let set = RegexSetBuilder::new(whole)
        .case_insensitive(true)
        .size_limit(PATTERN_BYTES * (BLOCKED_PATTERNS + 1))
        .build();
    Patterns(set.ok())
}

fn country(
    definition: &v1::Namespace,
    normalizer: Normalizer,
    mistakes: &mut Mistakes,
) -> Option<phonenumber::country::Id> {
    if definition.default_country.is_empty() {
        return None;
    }
    if normalizer != Normalizer::Phone {
        let message = "only numbers of NORMALIZER_PHONE have a country: leave it out";
        mistakes.add("default_country", message);
    }
    let country = definition.default_country.parse().ok();
    if country.is_none() {
        let message = "expected a country of ISO 3166-1 alpha-2, such as `DE`";
        mistakes.add("default_country", message);
    }
    country
}

#[cfg(test)]
mod tests;
