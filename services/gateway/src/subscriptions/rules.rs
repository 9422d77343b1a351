//! Subscriptions as their definitions have them, checked and compiled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use definitions::{References, Versioned};
use destination::Destination;
use kernel::{Timestamp, nearest, to_hex};
use prost::Message as _;
use proto::definition::v1::{Definition, DefinitionKind};
use proto::gateway::v1::{ChangeFilter, Subscription};
use sha2::{Digest as _, Sha256};

use crate::changes::Filter;
use crate::limits::{BATCH_DELAY, BATCH_DELAY_MOST, BATCH_SIZE, SUBSCRIPTIONS};

/// Bytes of a digest of a filter.
const DIGEST_BYTES: usize = 16;

/// The subscriptions that somebody defined, by name.
pub type Subscriptions = BTreeMap<String, Arc<SubscriptionRules>>;

/// A subscription, compiled.
#[derive(Clone, PartialEq)]
pub struct SubscriptionRules {
    pub(crate) filter: Filter,
    /// Tells the filter from others.
    pub(crate) filter_digest: String,
    pub(crate) destination: Destination,
    /// Changes in a batch at the most.
    pub(crate) batch_size: usize,
    /// The time for which a batch that is not full waits for more.
    pub(crate) max_delay: Duration,
    pub(crate) is_paused: bool,
    /// When this version of it was stored.
    pub(crate) update_time: Timestamp,
}

impl fmt::Debug for SubscriptionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionRules")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

/// Mistakes of a definition: each with its field, and with what would be right.
type Mistakes = Vec<(String, String)>;

impl SubscriptionRules {
    /// Compiles a subscription whose fields keep the rules of the contract, and before which there
    /// are so many.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) fn compile(
        subscription: &Subscription,
        stored: &Versioned<Definition>,
        references: &References,
        before: usize,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new();
        if before >= SUBSCRIPTIONS {
            let text = format!(
                "there are {SUBSCRIPTIONS} subscriptions, as many as may be: delete one, or have one \
                 receiver take the changes of several"
            );
            mistakes.push(("name".to_owned(), text));
        }
        let Subscription { url, secret, .. } = subscription;
        let destination = Destination::parse(url, secret, subscription.allow_private_network);
        let destination = destination.map_err(|faults| {
            let of = |fault: destination::Fault| (fault.field.name().to_owned(), fault.description);
            mistakes.extend(faults.into_iter().map(of));
        });
        let max_delay = delay(&subscription.max_delay);
        let max_delay = max_delay.map_err(|text| mistakes.push(("max_delay".to_owned(), text)));
        let filter = subscription.filter.clone().unwrap_or_default();
        mistakes.extend(strangers(&filter, references));
        match (destination, max_delay) {
            (Ok(destination), Ok(max_delay)) if mistakes.is_empty() => Ok(Self {
                filter: Filter::new(&filter),
                filter_digest: digest(&filter),
                destination,
                batch_size: match usize::try_from(subscription.batch_size) {
                    Ok(0) | Err(_) => BATCH_SIZE,
                    Ok(size) => size,
                },
                max_delay,
                is_paused: subscription.is_paused,
                update_time: stored.update_time,
            }),
            _ => Err(mistakes),
        }
    }
}

fn delay(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(BATCH_DELAY);
    }
    let parsed: kernel::Duration = text.parse().map_err(|error| format!("{error}"))?;
    let delay = Duration::from_millis(parsed.as_millis().unsigned_abs());
    match delay <= BATCH_DELAY_MOST {
        true => Ok(delay),
        false => Err("must be at most 1h: changes that are older are of little use".to_owned()),
    }
}

/// Lists the names in a filter that nothing has.
fn strangers(filter: &ChangeFilter, references: &References) -> Mistakes {
    use DefinitionKind::{Channel, Journey, JourneyMap, Segment};
    let lists = [
        ("segments", Segment, &filter.segments),
        ("journeys", Journey, &filter.journeys),
        ("journey_maps", JourneyMap, &filter.journey_maps),
        ("channels", Channel, &filter.channels),
    ];
    let mut mistakes = Mistakes::new();
    for (field, kind, names) in lists {
        for (place, name) in names.iter().enumerate() {
            if references.has(kind, name) {
                continue;
            }
            let near = nearest(name, references.names(kind));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let word = definitions::kind_word(kind).replace('_', " ");
            let text = format!("there is no {word} `{name}`{near}");
            mistakes.push((format!("filter.{field}[{place}]"), text));
        }
    }
    mistakes
}

fn digest(filter: &ChangeFilter) -> String {
    let digest = Sha256::digest(filter.encode_to_vec());
    to_hex(&digest[..DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn subscription() -> Subscription {
        Subscription {
            name: "warehouse".to_owned(),
            url: "https://example.com/changes".to_owned(),
            secret: SECRET.to_owned(),
            ..Subscription::default()
        }
    }

    fn compile(subscription: &Subscription, before: usize) -> Result<SubscriptionRules, Mistakes> {
        let stored = Versioned {
            value: Definition { kind: None },
            version: 1,
            is_superseded: false,
            etag: String::new(),
            update_time: Timestamp::from_millis(7),
        };
        let mut references = References::unknown();
        references.add(DefinitionKind::Segment, ["loyal".to_owned()]);
        SubscriptionRules::compile(subscription, &stored, &references, before)
    }

    fn check(change: impl FnOnce(&mut Subscription), expected: &[(&str, &str)]) {
        let mut subscription = subscription();
        change(&mut subscription);
        let mistakes = compile(&subscription, 0).err().unwrap_or_default();
        let fields: Vec<&str> = mistakes.iter().map(|(field, _)| field.as_str()).collect();
        let wanted: Vec<&str> = expected.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, wanted, "{mistakes:?}");
        for ((_, text), (_, part)) in mistakes.iter().zip(expected) {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        check(|_| {}, &[]);
        check(
            |it| {
                it.url = "http://127.0.0.1/".to_owned();
                it.secret = "whsec_AAAA".to_owned();
                it.max_delay = "2h".to_owned();
                it.filter = Some(ChangeFilter {
                    segments: vec!["loyal".to_owned(), "loyl".to_owned()],
                    // Nothing is known of journeys.
                    journeys: vec!["any".to_owned()],
                    ..ChangeFilter::default()
                });
            },
            &[
                ("url", "allow_private_network"),
                ("secret", "24 to 64"),
                ("max_delay", "at most 1h"),
                ("filter.segments[1]", "did you mean `loyal`?"),
            ],
        );
        check(
            |it| it.max_delay = "999999999w".to_owned(),
            &[("max_delay", "is not a duration")],
        );
        check(
            |it| {
                it.url = "http://127.0.0.1/".to_owned();
                it.allow_private_network = true;
            },
            &[],
        );
    }

    #[test]
    fn what_is_left_out_has_its_default_and_the_key_is_not_shown() {
        let rules = compile(&subscription(), 0).expect("right");
        assert_eq!(rules.batch_size, BATCH_SIZE);
        assert_eq!(rules.max_delay, BATCH_DELAY);
        assert!(!format!("{rules:?}").contains("key"));
    }

    #[test]
    fn filters_have_digests_of_their_own() {
        let all = compile(&subscription(), 0).expect("right");
        let some = Subscription {
            filter: Some(ChangeFilter {
                segments: vec!["loyal".to_owned()],
                ..ChangeFilter::default()
            }),
            ..subscription()
        };
        let some = compile(&some, 0).expect("right");
        assert_ne!(all.filter_digest, some.filter_digest);
    }

    #[test]
    fn subscriptions_are_bounded_in_number() {
        assert!(compile(&subscription(), SUBSCRIPTIONS - 1).is_ok());
        let mistakes = compile(&subscription(), SUBSCRIPTIONS).expect_err("too many");
        assert_eq!(mistakes[0].0, "name");
    }
}
