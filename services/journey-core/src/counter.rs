//! The counters that change in the commit of what they count.
//!
//! Groups are `journey/<name>/<version>`, `map/<name>` and `path/<name>`. Names of definitions hold no slash.

use kernel::{CounterKey, Reason};
use messages::journey::v1::DeviationKind;

/// One counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter<'a> {
    /// Of one version of a journey.
    Journey {
        /// The journey.
        journey: &'a str,
        /// The version.
        version: u32,
        /// What is counted.
        of: RunCount<'a>,
    },
    /// Of a map.
    Map {
        /// The map.
        map: &'a str,
        /// What is counted.
        of: StageCount<'a>,
    },
    /// Of a happy path.
    Path {
        /// The happy path.
        path: &'a str,
        /// What is counted.
        of: PathCount<'a>,
    },
}

/// What a group of counters is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group<'a> {
    /// A version of a journey.
    Journey { journey: &'a str, version: u32 },
    /// A map.
    Map(&'a str),
    /// A happy path.
    Path(&'a str),
}

/// What is counted of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunCount<'a> {
    /// Runs that ever started.
    Entered,
    /// Runs under way.
    Active,
    /// Runs that ended for a reason.
    Ended(Reason),
    /// Triggers that started no run for a reason.
    Refused(Reason),
    /// Arrivals at a step.
    In(&'a str),
    /// Departures from a step.
    Out(&'a str),
    /// Runs at a step.
    Present(&'a str),
    /// Departures from a step by one way.
    Exit {
        /// The step.
        step: &'a str,
        /// The next step; empty where the run ended.
        next: &'a str,
        /// Why.
        reason: Reason,
    },
    /// Assignments to an arm of a split.
    Arm {
        /// The split.
        step: &'a str,
        /// The arm.
        arm: &'a str,
    },
    /// Customers joined into others who were given another arm of a split.
    ArmConflict(&'a str),
    /// Passages of a milestone.
    Milestone(&'a str),
}

/// What is counted of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageCount<'a> {
    /// Arrivals at a stage.
    In(&'a str),
    /// Departures from a stage.
    Out(&'a str),
    /// Customers in a stage.
    Present(&'a str),
    /// Moves.
    Move {
        /// The stage left; empty for the first.
        from: &'a str,
        /// The stage entered.
        to: &'a str,
    },
    /// Moves into the map that were refused for a reason.
    Refused(Reason),
}

/// What is counted of happy paths: customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathCount<'a> {
    /// Who began it.
    Started,
    /// Who can still follow it.
    UnderWay,
    /// Who followed it.
    Followed,
    /// Who reached a milestone in order and in time.
    Reached(&'a str),
    /// Who deviated in one way.
    Deviation {
        /// The kind.
        kind: DeviationKind,
        /// The milestone.
        milestone: &'a str,
    },
    /// Beginnings that were refused for a reason.
    Refused(Reason),
}

/// What stands for no step and no stage.
const NONE: &str = "-";

impl RunCount<'_> {
    /// Names the counter within its group. Texts are joined rather than formatted: most steps of
    /// the core count.
    pub fn name(&self) -> String {
        match self {
            Self::Entered => "entered".to_owned(),
            Self::Active => "active".to_owned(),
            Self::Ended(reason) => ["ended/", reason.code()].concat(),
            Self::Refused(reason) => ["refused/", reason.code()].concat(),
            Self::In(step) => ["in/", step].concat(),
            Self::Out(step) => ["out/", step].concat(),
            Self::Present(step) => ["present/", step].concat(),
            Self::Exit { step, next, reason } => {
                ["exit/", step, "/", or_none(next), "/", reason.code()].concat()
            }
            Self::Arm { step, arm } => ["arm/", step, "/", arm].concat(),
            Self::ArmConflict(step) => ["arm_conflict/", step].concat(),
            Self::Milestone(name) => ["milestone/", name].concat(),
        }
    }
}

impl StageCount<'_> {
    /// Names the counter within its group.
    pub fn name(&self) -> String {
        match self {
            Self::In(stage) => ["in/", stage].concat(),
            Self::Out(stage) => ["out/", stage].concat(),
            Self::Present(stage) => ["present/", stage].concat(),
            Self::Move { from, to } => ["move/", or_none(from), "/", to].concat(),
            Self::Refused(reason) => ["refused/", reason.code()].concat(),
        }
    }
}

impl PathCount<'_> {
    /// Names the counter within its group.
    pub fn name(&self) -> String {
        match self {
            Self::Started => "started".to_owned(),
            Self::UnderWay => "under_way".to_owned(),
            Self::Followed => "followed".to_owned(),
            Self::Reached(milestone) => ["reached/", milestone].concat(),
            Self::Deviation { kind, milestone } => {
                ["deviation/", &i32::from(*kind).to_string(), "/", milestone].concat()
            }
            Self::Refused(reason) => ["refused/", reason.code()].concat(),
        }
    }
}

fn or_none(name: &str) -> &str {
    if name.is_empty() { NONE } else { name }
}

impl<'a> Counter<'a> {
    /// The group of a version of a journey.
    pub fn journey_group(journey: &str, version: u32) -> String {
        ["journey/", journey, "/", &version.to_string()].concat()
    }

    /// The group of a map.
    pub fn map_group(map: &str) -> String {
        ["map/", map].concat()
    }

    /// The group of a happy path.
    pub fn path_group(path: &str) -> String {
        ["path/", path].concat()
    }

    /// Names the counter in the store.
    pub fn key(&self) -> CounterKey {
        match self {
            Self::Journey {
                journey,
                version,
                of,
            } => CounterKey::new(Self::journey_group(journey, *version), of.name()),
            Self::Map { map, of } => CounterKey::new(Self::map_group(map), of.name()),
            Self::Path { path, of } => CounterKey::new(Self::path_group(path), of.name()),
        }
    }

    /// Reads a counter back; none where it is not one of these, as a newer version may write.
    pub fn parse(key: &'a CounterKey) -> Option<Self> {
        let name: Vec<&str> = key.name.split('/').collect();
        Some(match Group::parse(&key.group)? {
            Group::Journey { journey, version } => Self::Journey {
                journey,
                version,
                of: RunCount::parse(&name)?,
            },
            Group::Map(map) => Self::Map {
                map,
                of: StageCount::parse(&name)?,
            },
            Group::Path(path) => Self::Path {
                path,
                of: PathCount::parse(&name)?,
            },
        })
    }

    /// Returns whether it says how many are there now, and not how many ever were.
    pub(crate) const fn counts_presence(&self) -> bool {
        match self {
            Self::Journey { of, .. } => matches!(of, RunCount::Active | RunCount::Present(_)),
            Self::Map { of, .. } => matches!(of, StageCount::Present(_)),
            // All but refusals are taken back where a customer lets go of the path.
            Self::Path { of, .. } => !matches!(of, PathCount::Refused(_)),
        }
    }
}

impl<'a> Group<'a> {
    /// Reads a group; none where it is not one of these, as a newer version may write.
    pub(crate) fn parse(group: &'a str) -> Option<Self> {
        let parts: Vec<&str> = group.split('/').collect();
        Some(match *parts.as_slice() {
            ["journey", journey, version] => Self::Journey {
                journey,
                version: version.parse().ok()?,
            },
            ["map", map] => Self::Map(map),
            ["path", path] => Self::Path(path),
            _ => return None,
        })
    }
}

impl<'a> RunCount<'a> {
    fn parse(parts: &[&'a str]) -> Option<Self> {
        Some(match *parts {
            ["entered"] => Self::Entered,
            ["active"] => Self::Active,
            ["ended", reason] => Self::Ended(Reason::from_code(reason)?),
            ["refused", reason] => Self::Refused(Reason::from_code(reason)?),
            ["in", step] => Self::In(step),
            ["out", step] => Self::Out(step),
            ["present", step] => Self::Present(step),
            ["exit", step, next, reason] => Self::Exit {
                step,
                next: if next == NONE { "" } else { next },
                reason: Reason::from_code(reason)?,
            },
            ["arm", step, arm] => Self::Arm { step, arm },
            ["arm_conflict", step] => Self::ArmConflict(step),
            ["milestone", name] => Self::Milestone(name),
            _ => return None,
        })
    }
}

impl<'a> StageCount<'a> {
    fn parse(parts: &[&'a str]) -> Option<Self> {
        Some(match *parts {
            ["in", stage] => Self::In(stage),
            ["out", stage] => Self::Out(stage),
            ["present", stage] => Self::Present(stage),
            ["move", from, to] => Self::Move {
                from: if from == NONE { "" } else { from },
                to,
            },
            ["refused", reason] => Self::Refused(Reason::from_code(reason)?),
            _ => return None,
        })
    }
}

impl<'a> PathCount<'a> {
    fn parse(parts: &[&'a str]) -> Option<Self> {
        Some(match *parts {
            ["started"] => Self::Started,
            ["under_way"] => Self::UnderWay,
            ["followed"] => Self::Followed,
            ["reached", milestone] => Self::Reached(milestone),
            ["deviation", kind, milestone] => Self::Deviation {
                kind: DeviationKind::try_from(kind.parse::<i32>().ok()?).ok()?,
                milestone,
            },
            ["refused", reason] => Self::Refused(Reason::from_code(reason)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_read_back_from_its_key() {
        let journey = |of| Counter::Journey {
            journey: "welcome",
            version: 3,
            of,
        };
        let map = |of| Counter::Map { map: "coupon", of };
        let path = |of| Counter::Path { path: "repeat", of };
        for counter in [
            journey(RunCount::Entered),
            journey(RunCount::Active),
            journey(RunCount::Ended(Reason::GoalReached)),
            journey(RunCount::Refused(Reason::KeyMissing)),
            journey(RunCount::In("a")),
            journey(RunCount::Out("a")),
            journey(RunCount::Present("a")),
            journey(RunCount::Exit {
                step: "a",
                next: "",
                reason: Reason::Completed,
            }),
            journey(RunCount::Arm {
                step: "a",
                arm: "control",
            }),
            journey(RunCount::ArmConflict("a")),
            journey(RunCount::Milestone("m")),
            map(StageCount::In("s")),
            map(StageCount::Out("s")),
            map(StageCount::Present("s")),
            map(StageCount::Move { from: "", to: "s" }),
            map(StageCount::Refused(Reason::PositionLimit)),
            path(PathCount::Started),
            path(PathCount::UnderWay),
            path(PathCount::Followed),
            path(PathCount::Reached("m")),
            path(PathCount::Refused(Reason::PathLimit)),
            path(PathCount::Deviation {
                kind: DeviationKind::Late,
                milestone: "m",
            }),
        ] {
            assert_eq!(Counter::parse(&counter.key()), Some(counter));
        }
        for (group, name) in [
            ("journey/welcome/3", "unheard_of"),
            ("journey/welcome", "entered"),
            ("map/coupon", "entered"),
            ("other", "entered"),
        ] {
            let key = CounterKey::new(group, name);
            assert_eq!(Counter::parse(&key), None, "{key}");
        }
    }
}
