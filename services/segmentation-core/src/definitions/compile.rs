//! Compiles everything that was published, at once.

use std::sync::Arc;

use decision::{Mistake, Mistakes, Names, Source};
use expr::{Condition, Conditions, Scope};
use kernel::StableHash;
use messages::definition::v1::definition::Kind;
use messages::segmentation::v1 as api;

use super::{Definitions, Segment, Table, scope};
use crate::cycle;

/// The path of the field that every mistake is in.
const EXPRESSION: &str = "expression";

/// A segment as it is written.
#[derive(Debug, Clone, Copy)]
struct Written<'a> {
    /// Its place among the sources.
    place: usize,
    segment: &'a api::Segment,
    version: u32,
}

/// A segment with its condition.
type Compiled<'a> = (Written<'a>, Arc<Condition>);

impl Definitions {
    /// Compiles segments. What those read that are not current any more is kept and fed as if they
    /// were: see [`UNREAD_KEPT`](crate::limits::UNREAD_KEPT).
    ///
    /// # Errors
    /// Every [`Mistake`] of every current definition, in their order; names are taken to be unique.
    pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Self, Vec<Mistake>> {
        Self::empty().compile_next(sources, names)
    }

    /// Compiles the set that follows this one, as [`compile`](Self::compile) does.
    ///
    /// Segments and conditions of this set are taken over, so that the cost follows what changed.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn compile_next(
        &self,
        sources: &[Source<'_>],
        _names: &Names,
    ) -> Result<Self, Vec<Mistake>> {
        let mut conditions = Conditions::following(&self.conditions);
        let mut compiled = self.compile_current(sources, &mut conditions)?;
        compiled.sort_by(|(a, _), (b, _)| a.segment.name.cmp(&b.segment.name));
        let order = order(&compiled)?;
        let gone = self.conditions_of_gone(sources, &mut conditions);
        let mut next = Self::with_room(compiled.len(), self);
        let mut hash = StableHash::new();
        for place in order {
            let (written, condition) = &compiled[place];
            let segment = self.segment(written, condition);
            hash = hash.with(&segment.hash.to_le_bytes());
            next.add(segment);
        }
        next.conditions = conditions;
        next.table = Table::of(&next.segments, &gone, &self.table);
        next.fingerprint = next.table.add_to(hash).finish();
        Ok(next)
    }

    /// Compiles the conditions of current segments, in the order of the sources.
    fn compile_current<'a>(
        &self,
        sources: &[Source<'a>],
        conditions: &mut Conditions,
    ) -> Result<Vec<Compiled<'a>>, Vec<Mistake>> {
        let current: Vec<Written<'a>> = written(sources, true).collect();
        let scope = scope(current.iter().map(|it| it.segment.name.clone()));
        let mut compiled = Vec::with_capacity(current.len());
        let mut found = Vec::new();
        for it in current {
            match conditions.compile(&it.segment.expression, &scope, &self.conditions) {
                Ok(condition) => compiled.push((it, condition)),
                Err(of_text) => {
                    let mut mistakes = Mistakes::new(it.place);
                    for mistake in of_text {
                        mistakes.add(EXPRESSION, mistake.to_string());
                    }
                    found.extend(mistakes.into_vec());
                }
            }
        }
        if found.is_empty() {
            Ok(compiled)
        } else {
            Err(found)
        }
    }

    /// Returns the conditions of segments that are gone.
    fn conditions_of_gone(
        &self,
        sources: &[Source<'_>],
        conditions: &mut Conditions,
    ) -> Vec<Arc<Condition>> {
        let anything = Scope {
            segments: None,
            ..scope(std::iter::empty())
        };
        // A text that was valid once may not be valid any more. Then nobody can make it again as it
        // was either.
        let compiled = written(sources, false).filter_map(|it| {
            let text = &it.segment.expression;
            conditions.compile(text, &anything, &self.conditions).ok()
        });
        compiled.collect()
    }

    /// Returns a segment of the next set: the one of this set where that is the same.
    fn segment(&self, written: &Written<'_>, condition: &Arc<Condition>) -> Arc<Segment> {
        let (name, version) = (&written.segment.name, written.version);
        let own = self.place(name).map(|place| &self.segments[place as usize]);
        match own {
            Some(own) if own.version == version && Arc::ptr_eq(&own.condition, condition) => {
                Arc::clone(own)
            }
            _ => Arc::new(Segment::new(name, version, Arc::clone(condition))),
        }
    }
}

/// Returns the segments among the sources that are current, or those that are not.
fn written<'a>(sources: &[Source<'a>], is_current: bool) -> impl Iterator<Item = Written<'a>> {
    let places = sources.iter().enumerate();
    let wanted = places.filter(move |(_, source)| source.is_current == is_current);
    wanted.filter_map(|(place, source)| match source.kind {
        Kind::Segment(segment) => Some(Written {
            place,
            segment,
            version: source.version,
        }),
        _ => None,
    })
}

/// Orders segments, which are sorted by name, so that each follows those that it reads.
fn order(compiled: &[Compiled<'_>]) -> Result<Vec<usize>, Vec<Mistake>> {
    let place = |name: &str| {
        let by_name = |(it, _): &Compiled<'_>| it.segment.name.as_str().cmp(name);
        compiled.binary_search_by(by_name).ok()
    };
    let reads: Vec<Vec<usize>> = compiled
        .iter()
        .map(|(_, condition)| {
            let names = condition.reads().segments.iter();
            names.filter_map(|name| place(name)).collect()
        })
        .collect();
    cycle::order(&reads).map_err(|circle| {
        let circle: Vec<Written<'_>> = circle.into_iter().map(|place| compiled[place].0).collect();
        circle_mistakes(&circle)
    })
}

/// Returns a mistake for each segment of a circle, so that whoever wrote one of them sees it.
fn circle_mistakes(circle: &[Written<'_>]) -> Vec<Mistake> {
    let names: Vec<&str> = circle
        .iter()
        .chain(circle.first())
        .map(|it| it.segment.name.as_str())
        .collect();
    let mistake = expr::Mistake {
        line: 1,
        column: 1,
        message: format!(
            "segments cannot read each other in a circle: {}; drop one of these segments.has(…)",
            names.join(" → ")
        ),
    };
    let mut places: Vec<usize> = circle.iter().map(|it| it.place).collect();
    places.sort_unstable();
    let of_place = |place| {
        let mut mistakes = Mistakes::new(place);
        mistakes.add(EXPRESSION, mistake.to_string());
        mistakes.into_vec()
    };
    places.into_iter().flat_map(of_place).collect()
}
