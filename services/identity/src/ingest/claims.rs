//! The accounts of a batch: those of the groups of its events, and those that the domains of new
//! e-mail addresses name.
//!
//! Each group is resolved alone: its key is the only claim to an account, so that the `account` and
//! the `workspace` of one event are two.

use std::collections::{HashMap, HashSet};

use hot::StreamName;
use identity_core::{DomainRule, Identifier, Resolution, Rules, Screened};
use kernel::{CustomerId, FragmentId, Timestamp};

use super::Intake;
use super::batch::{Batch, Customers, Sender};
use super::memberships::Claimed;
use crate::event::{Prepared, PreparedGroup};
use crate::resolve::{Outcome, ResolveError, Resolved, Subject, left_out};
use crate::sources::Source;
use crate::store::{AccountNews, Cause, MembershipSource, News, SentAs};

/// The certainty of what an event in an account's context says of its customer.
const EVENT_CONFIDENCE: f64 = 1.0;
/// The certainty of what the domain of an e-mail address says.
const DOMAIN_CONFIDENCE: f64 = 0.5;

/// The accounts of a batch.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// The groups of its events, in the order of these.
    pub(super) groups: Vec<ResolvedGroup>,
    /// The merges of accounts, to be announced.
    pub(super) news: Vec<News>,
    /// The memberships that began, by the customer.
    pub(super) members: HashMap<CustomerId, Vec<AccountNews>>,
}

/// A group of an event, with its account.
#[derive(Debug)]
pub(crate) struct ResolvedGroup {
    /// The place of the event in the batch.
    pub(super) event: usize,
    pub(crate) group: PreparedGroup,
    /// The account; refused where the key was left out.
    pub(crate) resolution: Resolution,
    /// The graph epoch of the account; 0 where nobody looked.
    pub(crate) epoch: u64,
    /// The merges of accounts that it made.
    pub(crate) news: Vec<News>,
}

/// A claim to an account by the domain of an e-mail address that a customer got.
#[derive(Debug, Clone)]
struct DomainClaim {
    /// The place of the event; 0 without one.
    event: usize,
    customer: CustomerId,
    /// The fragment that has the address.
    fragment: FragmentId,
    time: Timestamp,
    rule: DomainRule,
    /// The domain.
    identifier: Identifier,
}

impl Intake {
    /// Finds or makes the accounts of a batch, and writes who became a member of them.
    ///
    /// # Errors
    /// As [`crate::resolve::Resolver::resolve`]. Sent again, the batch finds what was written.
    pub(super) async fn accounts_of(
        &self,
        prepared: &mut [Prepared],
        customers: &Customers,
        rules: &Rules,
        (sender, lane): (Sender<'_>, StreamName),
    ) -> Result<Accounts, ResolveError> {
        let (groups, subjects, places) = self.claims(prepared, customers, sender);
        let batch = Batch::of(prepared, sender, Some(&places));
        let cause = self.event_cause(sender, &batch);
        let resolved = self.resolve_claims(rules, subjects, cause).await?;
        let mut accounts = collect(groups, resolved);
        let own = accounts.groups.iter();
        own.for_each(|own| self.metrics.resolved_group(&own.resolution));
        let lowers = matches!(sender.source, Source::Import(_)) || lane == StreamName::EventsBulk;
        let mut claimed = claimed_by_events(prepared, customers, &accounts.groups, lowers);
        let domains = domain_claims(prepared, customers, rules);
        if !domains.is_empty() {
            let places: Vec<usize> = domains.iter().map(|own| own.event).collect();
            let batch = Batch::of(prepared, sender, Some(&places));
            let cause = self.event_cause(sender, &batch);
            claimed.extend(self.claimed_by_domains(rules, domains, cause).await?);
        }
        for news in self.join(claimed).await? {
            let own = accounts.members.entry(news.customer).or_default();
            own.push(news);
        }
        Ok(accounts)
    }

    /// Takes the groups out of events that are not refused. Returns them, the claims of those whose
    /// keys may name accounts, and the places of the events of these.
    fn claims(
        &self,
        prepared: &mut [Prepared],
        customers: &Customers,
        sender: Sender<'_>,
    ) -> (Vec<(usize, PreparedGroup)>, Vec<Subject>, Vec<usize>) {
        let (mut groups, mut subjects, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, event) in prepared.iter_mut().enumerate() {
            let own = std::mem::take(&mut event.groups);
            let customer = customers.of(place);
            if !event.is_of_accounts && customer.is_none_or(|it| it.is_refused) {
                continue;
            }
            for mut group in own {
                if !group.screened.kept.is_empty() {
                    let screened = std::mem::take(&mut group.screened);
                    let sent = sender
                        .name
                        .map(|name| sent_as(event, &group, name, sender.source));
                    subjects.push(self.subject(screened, event.time, sent));
                    places.push(place);
                }
                groups.push((place, group));
            }
        }
        (groups, subjects, places)
    }

    async fn resolve_claims(
        &self,
        rules: &Rules,
        subjects: Vec<Subject>,
        cause: Cause<'_>,
    ) -> Result<Resolved, ResolveError> {
        if subjects.is_empty() {
            return Ok(Resolved::default());
        }
        let rules = &rules.accounts().rules;
        let resolved = self.accounts.resolve(rules, subjects, cause).await?;
        // The sizes on record are those of customers.
        let outcome = Outcome {
            largest: 0,
            ..resolved.outcome
        };
        self.metrics.resolved(&resolved.news, outcome);
        let made = resolved.resolutions.iter().filter(|own| own.is_new);
        self.metrics.accounts_made(made.count());
        Ok(resolved)
    }

    /// Writes of what accounts a customer is a member by the domains of addresses that they were
    /// given. Returns the news.
    ///
    /// # Errors
    /// As [`crate::resolve::Resolver::resolve`].
    pub(crate) async fn join_by_domains(
        &self,
        rules: &Rules,
        customer: CustomerId,
        (identifiers, cause): (&[Identifier], Cause<'_>),
    ) -> Result<Vec<AccountNews>, ResolveError> {
        let claims = identifiers.iter().filter_map(|own| {
            let (rule, identifier) = rules.account_claim(own)?;
            Some(DomainClaim {
                event: 0,
                customer,
                fragment: customer.fragment(),
                time: self.clock.now(),
                rule,
                identifier,
            })
        });
        let claims: Vec<DomainClaim> = claims.collect();
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let claimed = self.claimed_by_domains(rules, claims, cause).await?;
        Ok(self.join(claimed).await?)
    }

    /// Finds the accounts that domains name, and makes those that are to be made.
    ///
    /// # Errors
    /// As [`crate::resolve::Resolver::resolve`].
    async fn claimed_by_domains(
        &self,
        rules: &Rules,
        domains: Vec<DomainClaim>,
        cause: Cause<'_>,
    ) -> Result<Vec<Claimed>, ResolveError> {
        let own = &rules.accounts().rules;
        let mut screened: Vec<Screened> = domains.iter().map(|it| it.screened(own)).collect();
        let times = domains.iter().map(|it| it.time);
        self.tombstones.screen(screened.iter_mut().zip(times));
        let named = domains.into_iter().zip(screened);
        let named = named.filter(|(_, screened)| !screened.kept.is_empty());
        let (made, known): (Vec<_>, Vec<_>) =
            named.partition(|(claim, _)| claim.rule == DomainRule::Create);
        let mut claimed = Vec::new();
        let subjects = made.iter();
        let subjects = subjects.map(|(it, own)| self.subject(own.clone(), it.time, None));
        let resolved = self
            .resolve_claims(rules, subjects.collect(), cause)
            .await?;
        for ((claim, _), account) in made.into_iter().zip(resolved.resolutions) {
            if !account.is_refused {
                claimed.push(claim.of((account.fragment, account.customer)));
            }
        }
        if known.is_empty() {
            return Ok(claimed);
        }
        let identifiers: HashSet<&Identifier> = known.iter().map(|it| &it.0.identifier).collect();
        let holders = self.accounts.holders(own, &identifiers).await?;
        for (claim, _) in &known {
            if let Some(account) = holders.get(&claim.identifier) {
                claimed.push(claim.clone().of(*account));
            }
        }
        Ok(claimed)
    }
}

impl DomainClaim {
    fn screened(&self, rules: &Rules) -> Screened {
        let rank = rules.find(&self.identifier.namespace).map(|(rank, _)| rank);
        Screened {
            kept: vec![(rank.unwrap_or_default(), self.identifier.clone())],
            ..Screened::default()
        }
    }

    /// The membership of an account that has the domain.
    fn of(self, (fragment, account): (FragmentId, CustomerId)) -> Claimed {
        Claimed {
            customer: self.customer,
            account,
            fragments: (self.fragment, fragment),
            source: MembershipSource::Domain,
            confidence: DOMAIN_CONFIDENCE,
            time: self.time,
            lowers: false,
        }
    }
}

/// Joins the groups of a batch with their resolutions, which those have that a key is left of.
fn collect(groups: Vec<(usize, PreparedGroup)>, resolved: Resolved) -> Accounts {
    let mut by_claim = resolved.news_by_event();
    let resolutions = resolved.resolutions.into_iter().zip(resolved.epochs);
    let mut resolutions = resolutions.enumerate();
    let groups = groups.into_iter().map(|(event, mut group)| {
        let dropped = std::mem::take(&mut group.screened.dropped);
        // The rest of a key went with its claim.
        let claim = dropped.is_empty().then(|| resolutions.next()).flatten();
        let (number, (resolution, epoch)) =
            claim.unwrap_or_else(|| (usize::MAX, (left_out(dropped), 0)));
        ResolvedGroup {
            event,
            group,
            resolution,
            epoch,
            news: by_claim.remove(&number).unwrap_or_default(),
        }
    });
    Accounts {
        groups: groups.collect(),
        news: resolved.news,
        members: HashMap::new(),
    }
}

/// Returns whom the events of a batch say to be members of the accounts of their groups.
fn claimed_by_events(
    prepared: &[Prepared],
    customers: &Customers,
    groups: &[ResolvedGroup],
    lowers: bool,
) -> Vec<Claimed> {
    let named = groups.iter().filter(|own| !own.resolution.is_refused);
    let claimed = named.filter_map(|own| {
        let customer = customers.of(own.event)?;
        Some(Claimed {
            customer: customer.customer,
            account: own.resolution.customer,
            fragments: (customer.fragment, own.resolution.fragment),
            source: MembershipSource::Event,
            confidence: EVENT_CONFIDENCE,
            time: prepared.get(own.event)?.time,
            lowers,
        })
    });
    claimed.collect()
}

/// Returns the claims of the domains of e-mail addresses that events of a batch attached.
fn domain_claims(prepared: &[Prepared], customers: &Customers, rules: &Rules) -> Vec<DomainClaim> {
    let attached = customers.all().flat_map(|(event, own)| {
        let attached = own.evidence.iter().filter(|it| it.is_attached);
        attached.map(move |evidence| (event, own.customer, evidence))
    });
    let claims = attached.filter_map(|(event, customer, evidence)| {
        let (rule, identifier) = rules.account_claim(&evidence.identifier)?;
        Some(DomainClaim {
            event,
            customer,
            fragment: evidence.fragment,
            time: prepared.get(event)?.time,
            rule,
            identifier,
        })
    });
    claims.collect()
}

/// Returns the name of a group of an event in a source: another one than that of the event, and
/// than those of its other groups.
fn sent_as(event: &Prepared, group: &PreparedGroup, name: &str, source: Source<'_>) -> SentAs {
    let own = group.place.and_then(|place| event.event.groups.get(place));
    let name = own.map_or_else(|| format!("{name}/"), |it| format!("{name}/{}", it.r#type));
    event.sent_as(&name, source)
}
