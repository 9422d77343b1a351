//! The last words on each trait of a customer. Each is written when something is said of it: a
//! state is stored with every event, and most of them say nothing.
//!
//! The last word on a trait is that of the event that happened last, in whatever order events come
//! and customers are joined. Of events of one time it is the one that came last; between customers
//! who are joined the hash of the id decides, so that it never matters who is joined into whom. A
//! removal is a word like any other, and is remembered. Nobody behind segmentation decides this
//! again.

mod changes;
mod said;

use kernel::limits::TRAITS_PER_PROFILE;
use kernel::{Value, names_around, outermost_name};

use crate::limits;

pub(crate) use changes::TraitChanges;
pub(crate) use said::{Content, Said, Stamp};

/// The traits, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traits(Vec<Said>);

impl Traits {
    /// Takes traits as they are stored, in their order.
    pub(crate) const fn stored(said: Vec<Said>) -> Self {
        Self(said)
    }

    /// The last word on each trait, by name.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Said> {
        self.0.iter()
    }

    /// The values of all traits, with when they were set. Those of one trait stand together.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &Value, Stamp)> {
        self.0.iter().flat_map(|said| {
            let values = said.content().values().iter();
            values.map(|(name, value)| (name.as_ref(), value, said.stamp()))
        })
    }

    /// The value of a path.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let place = self.place(outermost_name(name)).ok()?;
        self.0[place].value(name)
    }

    /// Returns whether there is a value of a path, or an object that has values.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut known = self.names_under(name);
        known.any(|own| own == name || names_around(own).any(|around| around == name))
    }

    /// The paths that have values now under the name of a trait.
    pub(crate) fn names_under(&self, name: &str) -> impl Iterator<Item = &str> {
        let place = self.place(outermost_name(name));
        let values = place.map(|place| self.0[place].content().values());
        let values = values.unwrap_or_default().iter();
        values.map(|(name, _)| name.as_ref())
    }

    /// Takes what an event says of traits. It does not replace what newer events said; of events of
    /// one time the one that comes last has the word. A value that finds no room is left out, and
    /// so is the value before it, which is outdated.
    pub(crate) fn take(&mut self, said: impl IntoIterator<Item = Said>) -> TraitChanges {
        self.take_all(said, Said::is_no_earlier_than)
    }

    /// Takes what a customer who is joined into this one knows of traits, as [`take`](Self::take)
    /// does; of one time an event of either has the word, the same whoever is joined into whom.
    pub(crate) fn join(&mut self, said: impl IntoIterator<Item = Said>) -> TraitChanges {
        self.take_all(said, Said::is_after)
    }

    fn take_all(
        &mut self,
        said: impl IntoIterator<Item = Said>,
        replaces: fn(&Said, &Said) -> bool,
    ) -> TraitChanges {
        let mut changes = TraitChanges::default();
        let mut said: Vec<Said> = said.into_iter().collect();
        // Removals come first, whatever its name is.
        said.sort_by_key(|said| said.content().has_values());
        for said in said {
            let place = self.place(said.name());
            let before = place.ok().map(|place| &self.0[place]);
            if before.is_none_or(|before| replaces(&said, before)) {
                self.take_one(said, &mut changes);
            }
        }
        self.forget_oldest();
        changes.sort();
        changes
    }

    fn take_one(&mut self, mut said: Said, changes: &mut TraitChanges) {
        let place = self.place(said.name());
        let before = place.ok().map(|place| &self.0[place]);
        let is_same = before.is_some_and(|before| before.content() == said.content());
        if !is_same && !self.has_room(&said) {
            changes.left_out += 1;
            said = said.left_out();
        }
        let before = before.map_or(&[][..], |before| before.content().values());
        changes.note(before, &said);
        match place {
            Ok(place) => self.0[place] = said,
            Err(place) => self.0.insert(place, said),
        }
    }

    /// Returns whether values fit beside those of the other traits. What has none needs no room.
    fn has_room(&self, said: &Said) -> bool {
        if said.content().values().is_empty() {
            return true;
        }
        let others = self.0.iter().filter(|own| own.name() != said.name());
        let all = others.chain([said]);
        let (values, bytes) = all.fold((0, 0), |(values, bytes), own| {
            let content = own.content();
            (values + content.values().len(), bytes + content.bytes())
        });
        values <= TRAITS_PER_PROFILE && bytes <= limits::TRAIT_BYTES
    }

    /// Forgets the oldest words on traits without a value, where there are too many. What was
    /// removed is remembered before what was left out.
    fn forget_oldest(&mut self) {
        let absent = self.0.iter().filter(|said| !said.content().has_values());
        let mut absent: Vec<(bool, Stamp, &str)> = absent
            .map(|said| {
                let is_removed = *said.content() == Content::Removed;
                (is_removed, said.stamp(), said.name())
            })
            .collect();
        let surplus = absent.len().saturating_sub(limits::ABSENT_TRAITS);
        if surplus == 0 {
            return;
        }
        absent.sort_unstable();
        let mut gone: Vec<Box<str>> = absent[..surplus]
            .iter()
            .map(|(_, _, name)| (*name).into())
            .collect();
        gone.sort_unstable();
        self.0.retain(|said| {
            gone.binary_search_by(|name| name.as_ref().cmp(said.name()))
                .is_err()
        });
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|own| own.name().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use messages::convert;
    use messages::stream::v1::NamedValue;

    use super::*;

    /// Words of an event of an id and a time: of each name a text, or null for `-`.
    fn event(id: &str, at: i64, says: &[(&str, &str)]) -> Vec<Said> {
        let named = says.iter().map(|(name, value)| NamedValue {
            name: (*name).to_owned(),
            value: (*value != "-").then(|| convert::stream_value(&Value::from(*value))),
        });
        let named: Vec<NamedValue> = named.collect();
        Said::by_event(&named, Stamp::of(id, Timestamp::from_millis(at)))
    }

    /// Takes events of one time each; shows the values that are known then.
    fn known(events: &[(i64, &[(&str, &str)])]) -> String {
        let mut traits = Traits::default();
        for (at, says) in events {
            traits.take(event(&at.to_string(), *at, says));
        }
        show(&traits)
    }

    fn show(traits: &Traits) -> String {
        let values = traits.values();
        let values = values.map(|(name, value, _)| format!("{name}={value}").replace('"', ""));
        values.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_latest_event_has_the_word_whenever_it_comes() {
        for (events, expected) in [
            (
                &[(9, &[("plan", "pro")][..]), (1, &[("plan", "free")])][..],
                "plan=pro",
            ),
            // A removal stands against what was said before it, and only against that.
            (
                &[
                    (1, &[("plan", "a")]),
                    (5, &[("plan", "-")]),
                    (3, &[("plan", "b")]),
                ],
                "",
            ),
            (&[(5, &[("plan", "-")]), (1, &[("plan", "a")])], ""),
            (&[(5, &[("plan", "-")]), (6, &[("plan", "a")])], "plan=a"),
            (&[(6, &[("plan", "a")]), (5, &[("plan", "-")])], "plan=a"),
        ] {
            assert_eq!(known(events), expected, "{events:?}");
        }
    }

    #[test]
    fn an_object_is_one_trait() {
        let graz: &[(&str, &str)] = &[("address.city", "Graz"), ("address.zip", "8010")];
        let vienna: &[(&str, &str)] = &[("address.city", "Vienna")];
        for (events, expected) in [
            (&[(1, graz), (2, vienna)][..], "address.city=Vienna"),
            (&[(2, vienna), (1, graz)], "address.city=Vienna"),
            (&[(1, graz), (2, &[("address", "-")])], ""),
            (&[(2, &[("address", "-")]), (1, graz)], ""),
            // A null inside says that the rest is all there is.
            (&[(1, graz), (2, &[("address.zip", "-")])], ""),
            (&[(1, graz), (2, &[("address", "Graz")])], "address=Graz"),
            (
                &[(1, &[("address", "Graz")]), (2, vienna)],
                "address.city=Vienna",
            ),
            // Names that only begin alike are others.
            (
                &[(1, graz), (2, &[("address-2", "x"), ("addresses", "y")])],
                "address.city=Graz address.zip=8010 address-2=x addresses=y",
            ),
            // Of a value and an object of one name the object stands.
            (&[(1, &[("plan", "a"), ("plan.name", "b")])], "plan.name=b"),
            (
                &[(1, &[("a.b", "x"), ("a.b-c", "y"), ("a.b.c", "z")])],
                "a.b-c=y a.b.c=z",
            ),
        ] {
            assert_eq!(known(events), expected, "{events:?}");
        }
    }

    #[test]
    fn of_one_time_the_event_that_comes_last_has_the_word() {
        let says = |id: &str| event(id, 1, &[("plan", id), ("price", id)]);
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            let mut traits = Traits::default();
            for id in order {
                traits.take(says(id));
            }
            let last = order[2];
            assert_eq!(show(&traits), format!("plan={last} price={last}"));
        }
    }

    #[test]
    fn of_one_time_ids_decide_between_customers_who_are_joined() {
        let says = |id: &str| event(id, 1, &[("plan", id), ("price", id)]);
        let mut seen = Vec::new();
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            let mut traits = Traits::default();
            for id in order {
                traits.join(says(id));
            }
            seen.push(show(&traits));
        }
        let one = seen[0].chars().last().expect("a value");
        assert_eq!(
            seen,
            [
                format!("plan={one} price={one}"),
                seen[0].clone(),
                seen[0].clone()
            ]
        );
    }

    #[test]
    fn only_what_changes_is_told() {
        let mut traits = Traits::default();
        traits.take(event(
            "a",
            1,
            &[
                ("address.city", "Graz"),
                ("address.zip", "8010"),
                ("plan", "x"),
            ],
        ));
        let changes = traits.take(event("b", 2, &[("address.city", "Vienna"), ("plan", "x")]));
        let set: Vec<_> = changes
            .set
            .iter()
            .map(|it| (it.name.as_str(), it.set_time_ms))
            .collect();
        assert_eq!(set, [("address.city", 2)]);
        let removed = changes
            .removed
            .iter()
            .map(|it| (it.name.as_str(), it.remove_time_ms));
        assert_eq!(removed.collect::<Vec<_>>(), [("address.zip", 2)]);
        // The time is known all the same.
        let changes = traits.take(event("c", 1, &[("plan", "y")]));
        assert_eq!(changes, TraitChanges::default());
        let changes = traits.take(event("d", 3, &[("unknown", "-")]));
        assert_eq!(changes, TraitChanges::default(), "it was not there");
    }

    #[test]
    fn what_finds_no_room_is_told_and_leaves_nothing_outdated() {
        let mut traits = Traits::default();
        let names: Vec<String> = (0..TRAITS_PER_PROFILE).map(|it| format!("t{it}")).collect();
        let full: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(traits.take(event("a", 1, &full)).left_out, 0);
        let changes = traits.take(event("b", 2, &[("more", "x"), ("t0.a", "x"), ("t1", "y")]));
        assert_eq!(changes.left_out, 1);
        assert_eq!(traits.value("more"), None);
        let wide = [("t1.a", "x"), ("t1.b", "x")];
        let changes = traits.take(event("c", 3, &wide));
        assert_eq!(
            (changes.left_out, changes.removed.len()),
            (1, 1),
            "two for one"
        );
        assert_eq!(traits.value("t1"), None);
        let changes = traits.take(event("d", 4, &[("t2", "-"), ("t3", "-"), ("t1.a", "x")]));
        assert_eq!((changes.left_out, changes.set.len()), (0, 1));
        let left_out = traits
            .iter()
            .filter(|said| *said.content() == Content::LeftOut);
        assert_eq!(left_out.map(Said::name).collect::<Vec<_>>(), ["more"]);
    }

    #[test]
    fn one_event_makes_room_for_its_own_traits() {
        let names: Vec<String> = (0..TRAITS_PER_PROFILE).map(|it| format!("t{it}")).collect();
        let full: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        for more in ["a", "z"] {
            let mut traits = Traits::default();
            traits.take(event("a", 1, &full));
            let changes = traits.take(event("b", 2, &[(more, "x"), ("t1", "-")]));
            assert_eq!(changes.left_out, 0, "{more}");
            assert_eq!(traits.value(more), Some(&Value::from("x")));
        }
    }

    #[test]
    fn what_is_kept_has_room_wherever_it_is_told() {
        // Short texts in lists take more room than their letters.
        let list = Value::List(vec![Value::from("abc"); 100]);
        let mut traits = Traits::default();
        for number in 0..TRAITS_PER_PROFILE {
            let named = NamedValue {
                name: format!("t{number}"),
                value: Some(convert::stream_value(&list)),
            };
            let stamp = Stamp::of("a", Timestamp::from_millis(1));
            traits.take(Said::by_event(&[named], stamp));
        }
        let values = traits.values();
        let kept: kernel::Properties = values
            .map(|(name, value, _)| (name, value.clone()))
            .collect();
        assert!(kept.bytes() <= limits::TRAIT_BYTES, "{}", kept.bytes());
        assert!(kept.len() > 50, "{}", kept.len());
    }

    #[test]
    fn a_profile_is_bounded() {
        let mut traits = Traits::default();
        let text = "x".repeat(8 * 1024);
        for number in 0..300 {
            let name = format!("t{number}");
            traits.take(event("a", 1, &[(&name, &text)]));
            traits.take(event("b", number, &[(&format!("n{number}"), "-")]));
        }
        assert!(traits.values().count() < 10);
        let removed = traits
            .iter()
            .filter(|said| *said.content() == Content::Removed);
        assert_eq!(
            removed.count(),
            limits::ABSENT_TRAITS,
            "rather than what was left out"
        );
        assert_eq!(
            traits.iter().filter(|said| said.name() == "n299").count(),
            1
        );
        assert_eq!(traits.iter().filter(|said| said.name() == "n0").count(), 0);
    }
}
