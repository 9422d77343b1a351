//! The policy: what may be sent to a customer at all.

use std::collections::BTreeSet;

use kernel::Duration;
use messages::activation::v1 as api;

use crate::cap::FrequencyCap;
use crate::limits;

/// The policy, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    exempt_purposes: BTreeSet<Box<str>>,
    /// Whether a customer who has said nothing has consented.
    pub consent_by_default: bool,
    /// How many may be sent; absent for no cap.
    pub frequency_cap: Option<FrequencyCap>,
}

impl Default for Policy {
    /// What counts until a policy is published: consent is assumed, there is no cap, and `transactional` is exempt.
    fn default() -> Self {
        Self {
            exempt_purposes: [Box::from("transactional")].into(),
            consent_by_default: true,
            frequency_cap: None,
        }
    }
}

impl Policy {
    /// Whether a purpose needs no consent. Such sends neither count towards the frequency cap nor are held back by it:
    /// an order confirmation is not the message too many.
    pub fn is_exempt(&self, purpose: &str) -> bool {
        self.exempt_purposes.contains(purpose)
    }
}

/// Compiles a policy.
///
/// # Errors
/// Every mistake: the path of the field, and what would be right.
pub fn compile(policy: &api::Policy) -> Result<Policy, Vec<(String, String)>> {
    let mut mistakes = Vec::new();
    for (place, purpose) in policy.exempt_purposes.iter().enumerate() {
        if !is_name(purpose) {
            mistakes.push((
                format!("exempt_purposes[{place}]"),
                "expected a name such as `transactional`: a small letter, then up to 63 small letters, digits or _"
                    .to_owned(),
            ));
        }
    }
    if policy.frequency_caps.len() > 1 {
        let message = "only one cap is possible so far: keep one".to_owned();
        mistakes.push(("frequency_caps[1]".to_owned(), message));
    }
    let frequency_cap = policy.frequency_caps.first().and_then(|cap| {
        compile_cap(cap)
            .map_err(|(path, message)| mistakes.push((path.to_owned(), message)))
            .ok()
    });
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Policy {
        exempt_purposes: policy
            .exempt_purposes
            .iter()
            .map(|purpose| purpose.as_str().into())
            .collect(),
        consent_by_default: policy.consent_by_default,
        frequency_cap,
    })
}

fn compile_cap(cap: &api::FrequencyCap) -> Result<FrequencyCap, (&'static str, String)> {
    let window: Duration = cap
        .window
        .parse()
        .map_err(|error: kernel::ParseDurationError| {
            ("frequency_caps[0].window", error.to_string())
        })?;
    if window == Duration::ZERO {
        return Err((
            "frequency_caps[0].window",
            "a window of no time caps nothing: expected one such as 7d".to_owned(),
        ));
    }
    let limit = usize::try_from(cap.limit).unwrap_or(usize::MAX);
    if !(1..=limits::SEND_TIMES).contains(&limit) {
        return Err((
            "frequency_caps[0].limit",
            format!("expected 1 to {}", limits::SEND_TIMES),
        ));
    }
    Ok(FrequencyCap { limit, window })
}

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_policy_is_found() {
        let policy = api::Policy {
            exempt_purposes: vec!["ok".to_owned(), "Not OK".to_owned()],
            frequency_caps: vec![
                api::FrequencyCap {
                    limit: 3,
                    window: "0s".to_owned(),
                },
                api::FrequencyCap {
                    limit: 3,
                    window: "1d".to_owned(),
                },
            ],
            ..api::Policy::default()
        };
        let paths: Vec<_> = compile(&policy)
            .expect_err("mistakes")
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            paths,
            [
                "exempt_purposes[1]",
                "frequency_caps[1]",
                "frequency_caps[0].window"
            ]
        );
    }

    #[test]
    fn a_policy_is_what_it_says() {
        let policy = compile(&api::Policy {
            exempt_purposes: vec!["service".to_owned()],
            frequency_caps: vec![api::FrequencyCap {
                limit: 3,
                window: "7d".to_owned(),
            }],
            ..api::Policy::default()
        })
        .expect("a policy");
        assert!(policy.is_exempt("service") && !policy.is_exempt("transactional"));
        assert_eq!(
            policy.frequency_cap,
            Some(FrequencyCap {
                limit: 3,
                window: Duration::from_days(7)
            })
        );
    }
}
