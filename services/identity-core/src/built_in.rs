//! Namespaces that are there unless they are defined otherwise or switched off.

use crate::namespace::{Namespace, Subject};
use crate::normalizer::Normalizer;

/// The namespace of domains of accounts, which e-mail addresses are compared with.
pub(crate) const DOMAIN: &str = "domain";
/// The time over which the limit of `anonymous_id` counts: a week.
const BROWSER_WINDOW_MS: i64 = 7 * 86_400_000;

/// Those of customers.
pub(crate) fn built_in() -> [Namespace; 5] {
    let mut anonymous = Namespace::new("anonymous_id", 3, 5, Normalizer::Trim);
    anonymous.window_ms = Some(BROWSER_WINDOW_MS);
    [
        Namespace::new("user_id", 1, 1, Normalizer::Trim),
        Namespace::new("crm_id", 1, 1, Normalizer::Trim),
        Namespace::new("email", 2, 5, Normalizer::Email),
        Namespace::new("phone", 2, 5, Normalizer::Phone),
        anonymous,
    ]
}

/// Those of accounts.
pub(crate) fn built_in_of_accounts() -> [Namespace; 6] {
    let own = |name: &str, priority, limit, normalizer| Namespace {
        subject: Subject::Account,
        ..Namespace::new(name, priority, limit, normalizer)
    };
    let of_type = |name: &str| Namespace {
        is_type: true,
        ..own(name, 1, 1, Normalizer::Trim)
    };
    [
        of_type("account"),
        of_type("company"),
        of_type("workspace"),
        of_type("household"),
        own("crm_account_id", 2, 1, Normalizer::Trim),
        own(DOMAIN, 3, 5, Normalizer::Domain),
    ]
}
