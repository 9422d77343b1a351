//! All customers there are, in memory, as the service's tables would hold them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{Held, Subject};

/// One row of the table of identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) holding: Holding,
    pub(super) attach_time: Timestamp,
}

/// All customers there are, as the service's tables would hold them.
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) rows: BTreeMap<Identifier, Row>,
    pub(super) shared: BTreeSet<(Identifier, FragmentId, bool)>,
    pub(super) roots: BTreeMap<FragmentId, CustomerId>,
    pub(super) ages: BTreeMap<FragmentId, Timestamp>,
    pub(super) customers: BTreeMap<CustomerId, (CustomerView, u64)>,
    pub(super) cannot_links: BTreeSet<(FragmentId, FragmentId)>,
    pub(super) evidence: Vec<crate::EvidenceRow>,
    pub(super) log: Vec<(usize, CustomerId, CustomerId)>,
    pub(super) now: i64,
    pub(super) drawn: usize,
    /// Each event's fragment, absent where it was refused.
    pub(super) events: Vec<Option<FragmentId>>,
    /// True once there was an alias, for which limits are others.
    pub(super) has_alias: bool,
}

impl World {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            rows: BTreeMap::new(),
            shared: BTreeSet::new(),
            roots: BTreeMap::new(),
            ages: BTreeMap::new(),
            customers: BTreeMap::new(),
            cannot_links: BTreeSet::new(),
            evidence: Vec::new(),
            log: Vec::new(),
            now: 0,
            drawn: 0,
            events: Vec::new(),
            has_alias: false,
        }
    }

    /// Takes one event, such as `user_id=u1 email=e@x.io`, as a batch of its own. The word `alias`
    /// among the identifiers makes it one.
    pub(super) fn event(&mut self, identifiers: &str) -> Resolution {
        self.batch(&[identifiers]).remove(0)
    }

    /// Takes a batch of events at once, a millisecond each.
    pub(super) fn batch(&mut self, events: &[&str]) -> Vec<Resolution> {
        let screened: Vec<_> = events.iter().map(|event| self.read(event)).collect();
        self.has_alias |= screened.iter().any(|screened| screened.is_alias);
        let mut needed = BTreeSet::new();
        loop {
            match self.attempt(&screened, &needed) {
                Ok(resolutions) => return resolutions,
                Err(Need::Detail(customers)) => {
                    let before = needed.len();
                    needed.extend(customers);
                    assert!(needed.len() > before, "nothing is asked for twice");
                }
                Err(Need::View(customer)) => panic!("{customer} was told"),
            }
        }
    }

    fn read(&self, event: &str) -> Screened {
        let words = event.split_whitespace();
        let pairs = words.clone().filter(|word| *word != "alias").map(|pair| {
            let (namespace, value) = pair.split_once('=').expect("namespace=value");
            (namespace.to_owned(), value.to_owned())
        });
        let mut screened = screen(&self.rules, pairs);
        screened.is_alias = words.clone().any(|word| word == "alias");
        screened
    }

    fn attempt(
        &mut self,
        screened: &[Screened],
        needed: &BTreeSet<CustomerId>,
    ) -> Result<Vec<Resolution>, Need> {
        let rules = self.rules.clone();
        let mut overlay = Overlay::new(&rules);
        let identifiers: BTreeSet<_> = screened.iter().flat_map(|it| &it.kept).collect();
        for (_, identifier) in identifiers {
            self.tell(&mut overlay, identifier, needed);
        }
        for (a, b) in &self.cannot_links {
            overlay.know_cannot_link(self.roots[a], self.roots[b]);
        }
        let (mut now, mut drawn) = (self.now, self.drawn);
        let mut resolutions = Vec::new();
        for screened in screened {
            now += 1;
            let fragment = || {
                drawn += 1;
                let drawn = FragmentId::new(uuid(drawn));
                match rules.subject() {
                    Subject::Customer => drawn,
                    Subject::Account => drawn.into_account(),
                }
            };
            let at = Timestamp::from_millis(now);
            resolutions.push(match screened.kept.is_empty() {
                true => refused(screened),
                false => overlay.resolve(screened, fragment, at)?,
            });
        }
        for (place, resolution) in resolutions.iter().enumerate() {
            let event = self.events.len() + 1;
            let merged = resolution.merged.iter();
            self.log
                .extend(merged.map(|from| (event, *from, resolution.customer)));
            let is_refused = screened[place].kept.is_empty() || resolution.is_refused;
            self.events
                .push((!is_refused).then_some(resolution.fragment));
        }
        (self.now, self.drawn) = (now, drawn);
        self.apply(&overlay.into_changes());
        Ok(resolutions)
    }

    fn tell(
        &self,
        overlay: &mut Overlay<'_>,
        identifier: &Identifier,
        needed: &BTreeSet<CustomerId>,
    ) {
        if let Some(row) = self.rows.get(identifier) {
            let Row { holding, .. } = row.clone();
            let root = self.roots[&holding.fragment];
            overlay.hold(
                identifier.clone(),
                holding.fragment,
                root,
                holding.state,
                holding.fan_out,
            );
            self.know(overlay, root, needed);
        }
        for (_, fragment, is_alone) in self.shared.iter().filter(|(it, ..)| it == identifier) {
            let root = self.roots[fragment];
            if *is_alone {
                let state = HolderState::Alone;
                overlay.hold(
                    identifier.clone(),
                    *fragment,
                    root,
                    state,
                    FanOut::default(),
                );
            }
            overlay.know_shared(identifier.clone(), root);
        }
    }

    fn know(&self, overlay: &mut Overlay<'_>, id: CustomerId, needed: &BTreeSet<CustomerId>) {
        let (mut view, epoch) = self.customers[&id].clone();
        if needed.contains(&id) {
            let own = |fragment: &FragmentId| self.roots[fragment] == id;
            let fragments = self.ages.iter().filter(|(fragment, _)| own(fragment));
            let rows = self.rows.iter().filter(|(_, row)| is_live(row));
            let held = rows.filter(|(_, row)| own(&row.holding.fragment));
            let detail = Detail {
                fragments: fragments
                    .map(|(id, create_time)| NewFragment {
                        id: *id,
                        create_time: *create_time,
                    })
                    .collect(),
                held: held
                    .map(|(identifier, row)| Held {
                        identifier: identifier.clone(),
                        fragment: row.holding.fragment,
                        attach_time: row.attach_time,
                    })
                    .collect(),
                listed: self
                    .shared
                    .iter()
                    .filter(|(_, fragment, _)| own(fragment))
                    .map(|(identifier, fragment, _)| (identifier.clone(), *fragment))
                    .collect(),
            };
            view.detail = Some(detail.into());
        }
        overlay.know(view, epoch);
    }

    pub(super) fn apply(&mut self, changes: &Changes) {
        let now = Timestamp::from_millis(self.now);
        for fragment in &changes.fragments {
            self.roots.insert(fragment.id, fragment.id.into());
            self.ages.insert(fragment.id, fragment.create_time);
        }
        for (from, into) in &changes.redirects {
            for root in self.roots.values_mut().filter(|root| *root == from) {
                *root = *into;
            }
        }
        for moved in &changes.refits {
            self.roots.insert(moved.fragment, moved.to);
        }
        for (identifier, fragment) in &changes.identifiers {
            let row = Row {
                holding: Holding {
                    fragment: *fragment,
                    state: HolderState::Live,
                    fan_out: FanOut::default(),
                },
                attach_time: now,
            };
            let before = self.rows.insert(identifier.clone(), row);
            assert!(before.is_none(), "an identifier has one holder");
        }
        for change in &changes.holdings {
            self.apply_holding(change, now);
        }
        for listing in &changes.shared {
            self.shared.insert((
                listing.identifier.clone(),
                listing.fragment,
                listing.is_alone,
            ));
        }
        for (id, epoch) in &changes.removed {
            assert_eq!(self.customers.remove(id).map(|(_, own)| own), Some(*epoch));
        }
        for change in &changes.customers {
            let before = self.customers.get(&change.view.id).map(|(_, epoch)| *epoch);
            assert_eq!(before, change.epoch, "the plan was made for what is there");
            let mut view = change.view.clone();
            view.detail = None;
            let epoch = change.epoch.unwrap_or(0) + 1;
            self.customers.insert(view.id, (view, epoch));
        }
        self.evidence.extend(changes.evidence.iter().cloned());
        self.check();
    }

    fn apply_holding(&mut self, change: &crate::HoldingChange, now: Timestamp) {
        let before = self.rows.get(&change.identifier);
        let place = |it: &Holding| (it.fragment, it.state);
        let known = before.map(|it| place(&it.holding));
        assert_eq!(known, change.before.as_ref().map(place));
        let attach_time = before.map(|it| it.attach_time);
        let Some(after) = &change.after else {
            self.rows.remove(&change.identifier);
            return;
        };
        let row = Row {
            holding: after.clone(),
            attach_time: attach_time.filter(|_| !change.is_attached).unwrap_or(now),
        };
        self.rows.insert(change.identifier.clone(), row);
    }

    /// Checks everything that holds whatever happens.
    fn check(&self) {
        let mut fragments: BTreeMap<CustomerId, Vec<FragmentId>> = BTreeMap::new();
        for (fragment, root) in &self.roots {
            fragments.entry(*root).or_default().push(*fragment);
        }
        let mut counts: BTreeMap<(CustomerId, &str), (u32, u32)> = BTreeMap::new();
        let now = Timestamp::from_millis(self.now);
        for (identifier, row) in self.rows.iter().filter(|(_, row)| is_live(row)) {
            let name = identifier.namespace.as_str();
            let since = self.rules.find(name).and_then(|(_, own)| own.since(now));
            let key = (self.roots[&row.holding.fragment], name);
            let count = counts.entry(key).or_default();
            count.0 += 1;
            count.1 += u32::from(since.is_none_or(|since| row.attach_time >= since));
        }
        for (identifier, fragment, _) in &self.shared {
            let key = (self.roots[fragment], identifier.namespace.as_str());
            counts.entry(key).or_default().0 += 1;
        }
        assert!(
            fragments.keys().eq(self.customers.keys()),
            "redirects lead to customers"
        );
        for (id, (view, _)) in &self.customers {
            let own = &fragments[id];
            assert_eq!(CustomerId::from(own[0]), *id, "the oldest survives");
            assert_eq!(own.len(), view.fragment_count as usize);
            assert!(view.fragment_count <= limits::FRAGMENTS_PER_CUSTOMER);
            assert!(view.identifier_count() <= limits::IDENTIFIERS_PER_CUSTOMER);
            let is_bounded = self.rules.policy.rule != ConflictRule::UnionAll;
            for namespace in self.rules.iter() {
                let name = namespace.name();
                let (count, in_window) = counts.get(&(*id, name)).copied().unwrap_or_default();
                assert_eq!(count, view.identifiers_in(name));
                let least = if self.has_alias {
                    limits::ALIAS_VALUES
                } else {
                    0
                };
                let limit = namespace.limit().max(least);
                assert!(!is_bounded || in_window <= limit, "{name} over its limit");
            }
        }
    }

    fn identifiers(&self, customer: CustomerId) -> Vec<&Identifier> {
        let rows = self.rows.iter();
        rows.filter(|(_, row)| is_live(row) && self.roots[&row.holding.fragment] == customer)
            .map(|(identifier, _)| identifier)
            .collect()
    }

    /// Every customer as the values of its identifiers, oldest first.
    pub(super) fn picture(&self) -> Vec<String> {
        let values = |id: &CustomerId| {
            let own = self.identifiers(*id);
            let values: Vec<_> = own.iter().map(|it| it.value.as_str()).collect();
            values.join(" ")
        };
        self.customers.keys().map(values).collect()
    }

    /// The customer of an event, by its number from 1, as known now.
    pub(super) fn customer_of(&self, event: usize) -> CustomerId {
        self.roots[&self.events[event - 1].expect("it was not refused")]
    }

    pub(super) fn merge(&mut self, customers: &[CustomerId]) -> CustomerId {
        let roots: BTreeSet<_> = customers
            .iter()
            .map(|id| self.roots[&id.fragment()])
            .collect();
        let rules = self.rules.clone();
        let mut overlay = Overlay::new(&rules);
        let views: Vec<_> = roots.iter().map(|root| &self.customers[root]).collect();
        for (view, epoch) in &views {
            overlay.know(view.clone(), *epoch);
        }
        let views: Vec<_> = views.iter().map(|(view, _)| view).collect();
        let (into, others) = plan_merge(&rules, &views).expect("small customers");
        overlay.merge(into, &others);
        self.apply(&overlay.into_changes());
        into
    }
}

fn is_live(row: &Row) -> bool {
    row.holding.state == HolderState::Live
}

fn refused(screened: &Screened) -> Resolution {
    Resolution {
        customer: CustomerId::new(uuid(0)),
        fragment: FragmentId::new(uuid(0)),
        is_new: false,
        merged: Vec::new(),
        evidence: Vec::new(),
        dropped: screened.dropped.clone(),
        moved: Vec::new(),
        is_refused: true,
    }
}
