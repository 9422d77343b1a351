//! Compiles everything that was published, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use decision::{Mistake, Mistakes, Names, Source};
use expr::Conditions;
use messages::definition::v1::definition::Kind;

use super::names::Known;
use super::{Definitions, happy_path, journey, journey_map};

impl Definitions {
    /// Compiles maps, happy paths and journeys.
    ///
    /// # Errors
    /// Every [`Mistake`] of every current definition, in their order.
    pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Self, Vec<Mistake>> {
        Self::empty().compile_next(sources, names)
    }

    /// Compiles the set that follows this one, as [`compile`](Self::compile) does.
    ///
    /// Conditions of this set are taken over.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn compile_next(
        &self,
        sources: &[Source<'_>],
        names: &Names,
    ) -> Result<Self, Vec<Mistake>> {
        let mut definitions = Self::empty();
        let mut found = Vec::new();
        let mut path_of_map: BTreeMap<String, Option<String>> = sources
            .iter()
            .filter(|source| source.is_current)
            .filter_map(|source| match source.kind {
                Kind::JourneyMap(map) => Some((map.name.clone(), None)),
                _ => None,
            })
            .collect();
        let mut conditions = Conditions::default();
        // Names that an old version refers to may be gone by now; its runs go on as they can.
        let any = Names::default();
        for (place, source) in sources.iter().enumerate() {
            let mut mistakes = Mistakes::new(place);
            let mut known = Known {
                names: if source.is_current { names } else { &any },
                conditions: &mut conditions,
                last: &self.conditions,
            };
            match source.kind {
                Kind::JourneyMap(map) if source.is_current => {
                    let version = source.version;
                    let map = journey_map::compile(map, version, &mut known, &mut mistakes);
                    if let Some(map) = map {
                        definitions.add_map(Arc::new(map));
                    }
                }
                Kind::HappyPath(path) if source.is_current => {
                    let version = source.version;
                    let maps = &mut path_of_map;
                    if let Some(path) =
                        happy_path::compile(path, version, maps, &mut known, &mut mistakes)
                    {
                        definitions.add_path(Arc::new(path));
                    }
                }
                Kind::Journey(journey) => {
                    let version = source.version;
                    if let Some(journey) =
                        journey::compile(journey, version, &mut known, &mut mistakes)
                    {
                        definitions.add_journey(Arc::new(journey), source.is_current);
                    }
                }
                _ => {}
            }
            if source.is_current {
                found.extend(mistakes.into_vec());
            }
        }
        definitions.conditions = conditions;
        if found.is_empty() {
            Ok(definitions)
        } else {
            Err(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use messages::journey::v1 as api;

    use super::*;

    fn map(name: &str, condition: &str) -> Kind {
        let trigger = api::Trigger {
            kind: Some(api::trigger::Kind::Event("e".to_owned())),
            r#where: condition.to_owned(),
        };
        let stage = api::Stage {
            name: "one".to_owned(),
            enter: vec![trigger],
            ..api::Stage::default()
        };
        Kind::JourneyMap(api::JourneyMap {
            name: name.to_owned(),
            stages: vec![stage],
            ..api::JourneyMap::default()
        })
    }

    fn names(segments: &[&str]) -> Names {
        let segments: BTreeSet<String> = segments.iter().map(ToString::to_string).collect();
        Names {
            segments: Some(Arc::new(segments)),
            ..Names::default()
        }
    }

    fn next(
        last: &Definitions,
        kinds: &[Kind],
        names: &Names,
    ) -> Result<Definitions, Vec<Mistake>> {
        let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
        last.compile_next(&sources, names)
    }

    fn condition<'d>(definitions: &'d Definitions, map: &str) -> &'d Arc<expr::Condition> {
        let trigger = &definitions.maps[map].stages[0].enter[0];
        trigger.condition.as_ref().expect("a condition")
    }

    #[test]
    fn only_conditions_that_changed_are_compiled_anew() {
        let names = names(&[]);
        let before = [map("a", "event.x > 1"), map("b", "event.x > 2")];
        let last = next(&Definitions::empty(), &before, &names).expect("valid");
        let after = [map("a", "event.x > 1"), map("b", "event.x > 3")];
        let next = next(&last, &after, &names).expect("valid");
        assert!(Arc::ptr_eq(condition(&last, "a"), condition(&next, "a")));
        assert_eq!(condition(&next, "b").source(), "event.x > 3");
    }

    #[test]
    fn sets_that_follow_any_other_are_those_compiled_from_scratch() {
        let texts = [
            "segments.has(\"vip\")",
            "segments.has(\"vip\") && event.x > 1",
            "event.x = 1",
            "",
        ];
        let sets = [names(&["vip"]), names(&["vi"]), Names::default()];
        let every = || {
            texts
                .iter()
                .flat_map(|text| sets.iter().map(move |set| (*text, set)))
        };
        let seen = |set: Result<Definitions, Vec<Mistake>>| match set {
            Ok(set) => format!("{:?}", set.maps),
            Err(mistakes) => format!("{mistakes:?}"),
        };
        for (text, before) in every() {
            let kinds = [map("m", text)];
            let Ok(last) = next(&Definitions::empty(), &kinds, before) else {
                continue;
            };
            for (text, after) in every() {
                let kinds = [map("m", text)];
                let scratch = next(&Definitions::empty(), &kinds, after);
                assert_eq!(seen(next(&last, &kinds, after)), seen(scratch), "{text}");
            }
        }
    }
}
