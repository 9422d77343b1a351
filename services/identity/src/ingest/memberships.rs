//! Memberships that events and domains say of: written once for a new pair, all of a batch at once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use kernel::{CustomerId, Timestamp};
use sea_orm::DbErr;

use super::Intake;
use crate::pairs::Pair;
use crate::store::{AccountNews, MembershipSource, Moment, NewMembership};

/// A membership that something says of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    /// The customer and the account, as they are now.
    pub(crate) customer: CustomerId,
    pub(crate) account: CustomerId,
    /// The fragments of which that was said.
    pub(crate) fragments: Pair,
    pub(crate) source: MembershipSource,
    pub(crate) confidence: f64,
    pub(crate) time: Timestamp,
    /// True where an earlier time moves the beginning of what is known.
    pub(crate) lowers: bool,
}

impl Intake {
    /// Writes memberships that are not known, each pair once with its earliest time. Returns the
    /// news of those that began; nobody else tells them for a while.
    ///
    /// # Errors
    /// As the database says; said again, it is found where it was written.
    pub(crate) async fn join(&self, claimed: Vec<Claimed>) -> Result<Vec<AccountNews>, DbErr> {
        let new = self.not_known(claimed);
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<NewMembership> = new.iter().map(Claimed::row).collect();
        let endings = self.pairs.endings();
        let tables = self.resolver.tables();
        let taken = tables.take_memberships(&rows, self.moment()).await?;
        let left_out = taken.over_limit.iter().map(|place| new[*place].fragments);
        let left_out: HashSet<Pair> = left_out.collect();
        self.metrics.memberships_left_out(left_out.len());
        // A later event revives what was ended, and of somebody who is gone nothing is known. What
        // is beyond a limit is not asked for again for a while.
        let asked_again =
            |place: &usize| taken.unknown.contains(place) || taken.ended.contains(place);
        // The earliest one of a pair last: it stays.
        let held = new.iter().enumerate().rev();
        let held = held.filter(|(place, own)| own.is_of_event() && !asked_again(place));
        let held = held.map(|(_, own)| (own.fragments, own.time));
        self.pairs.hold(held, endings);
        self.count_begun(&new, &taken.news);
        Ok(taken.news)
    }

    /// The time at which something is written about accounts.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            at: self.clock.now(),
            own: self.own_clock.now(),
        }
    }

    /// Returns those that are not known to be on record, each pair of a source with its earliest
    /// time, and behind that with its latest one, which may be after an end that the other is
    /// before.
    fn not_known(&self, claimed: Vec<Claimed>) -> Vec<Claimed> {
        let mut new: Vec<Claimed> = Vec::new();
        let mut places: HashMap<(Pair, MembershipSource), (usize, usize)> = HashMap::new();
        for own in claimed {
            let since = own.is_of_event().then(|| self.pairs.since(&own.fragments));
            let since = since.flatten();
            if since.is_some_and(|since| !own.lowers || since <= own.time) {
                continue;
            }
            match places.entry((own.fragments, own.source)) {
                Entry::Vacant(entry) => {
                    entry.insert((new.len(), new.len()));
                    new.push(own);
                }
                Entry::Occupied(mut entry) => {
                    let (first, last) = *entry.get();
                    let times = (new[first].time.min(own.time), new[last].time.max(own.time));
                    new[first].time = times.0;
                    if first != last {
                        new[last].time = times.1;
                    } else if times.0 < times.1 {
                        entry.get_mut().1 = new.len();
                        new.push(Claimed {
                            time: times.1,
                            ..own
                        });
                    }
                }
            }
        }
        new
    }

    /// Counts the memberships that began, by whoever said so.
    fn count_begun(&self, claimed: &[Claimed], news: &[AccountNews]) {
        let sources = claimed
            .iter()
            .map(|own| ((own.customer, own.account), own.source));
        let sources: HashMap<_, _> = sources.collect();
        for source in [MembershipSource::Event, MembershipSource::Domain] {
            let begun = news.iter().filter(|it| it.is_member);
            let begun = begun.filter(|it| sources.get(&(it.customer, it.account)) == Some(&source));
            self.metrics.memberships_begun(source, begun.count());
        }
    }
}

impl Claimed {
    fn is_of_event(&self) -> bool {
        self.source == MembershipSource::Event
    }

    fn row(&self) -> NewMembership {
        let (customer, account) = self.fragments;
        NewMembership {
            customer,
            account,
            source: self.source,
            confidence: self.confidence,
            time: self.time,
            lowers: self.lowers,
        }
    }
}
