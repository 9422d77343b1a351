//! The findings of the demo, as `--json` prints them and the report shows them. It measures nothing
//! itself.

use serde::Serialize;

/// Everything that the demo found.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Events streamed in.
    pub events: u64,
    /// Customers that identity resolved them to.
    pub customers: u64,
    /// Events by name, as segmentation counted them.
    pub events_by_name: Vec<Named>,
    /// Wall-clock seconds from the first event to the last figure.
    pub seconds: f64,
    /// Events a second over that time, through all four services.
    pub events_per_second: f64,
    /// Customers in each stage of the map at the end of each month.
    pub months: Vec<Month>,
    /// The map at the end.
    pub map: MapFigures,
    /// The happy path at the end.
    pub happy_path: HappyPathFigures,
    /// Segments with their sizes at the end.
    pub segments: Vec<SegmentFigures>,
    /// The journey at the end.
    pub journey: JourneyFigures,
    /// Activations by outcome and reason.
    pub activations: Vec<ActivationFigures>,
}

/// A name and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The number of them.
    pub count: u64,
}

/// The map at the end of one month.
#[derive(Debug, Clone, Serialize)]
pub struct Month {
    /// The month, such as `2017-03`.
    pub month: String,
    /// Customers in each stage, in the order of the map.
    pub stages: Vec<Named>,
}

/// The moves of customers through the map.
#[derive(Debug, Clone, Serialize)]
pub struct MapFigures {
    /// The map.
    pub name: String,
    /// Its stages in order.
    pub stages: Vec<StageFigures>,
    /// Moves between stages, most frequent first.
    pub moves: Vec<MoveFigures>,
}

/// One stage of the map.
#[derive(Debug, Clone, Serialize)]
pub struct StageFigures {
    /// The stage.
    pub name: String,
    /// Arrivals.
    #[serde(rename = "in")]
    pub arrived: u64,
    /// Departures.
    #[serde(rename = "out")]
    pub left: u64,
    /// Customers who are here.
    pub present: u64,
}

/// Moves from one stage to another.
#[derive(Debug, Clone, Serialize)]
pub struct MoveFigures {
    /// The stage left; empty for the first stage of a customer.
    pub from: String,
    /// The stage entered.
    pub to: String,
    /// The number of times.
    pub count: u64,
}

/// The number of those who follow the happy path, and where and how the others leave it.
#[derive(Debug, Clone, Serialize)]
pub struct HappyPathFigures {
    /// The happy path.
    pub name: String,
    /// Customers who began it.
    pub started: u64,
    /// Customers who followed it to the end.
    pub followed: u64,
    /// Customers who are on it still.
    pub under_way: u64,
    /// Customers who reached each milestone in order and in time.
    pub milestones: Vec<Named>,
    /// The departures of the others.
    pub deviations: Vec<DeviationFigures>,
}

/// Customers who left the happy path in one way.
#[derive(Debug, Clone, Serialize)]
pub struct DeviationFigures {
    /// The kind, such as `stalled`.
    pub kind: String,
    /// The milestone.
    pub milestone: String,
    /// The number of customers.
    pub count: u64,
}

/// A segment.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentFigures {
    /// Its name.
    pub name: String,
    /// Its condition.
    pub expression: String,
    /// The number of customers in it.
    pub members: u64,
}

/// The flow of runs through the journey.
#[derive(Debug, Clone, Serialize)]
pub struct JourneyFigures {
    /// The journey.
    pub name: String,
    /// Runs that started.
    pub entered: u64,
    /// Runs under way.
    pub active: u64,
    /// The reasons of ends, and of triggers that started no run.
    pub reasons: Vec<Named>,
    /// Its steps in order.
    pub steps: Vec<StepFigures>,
}

/// One step of the journey.
#[derive(Debug, Clone, Serialize)]
pub struct StepFigures {
    /// The step.
    pub name: String,
    /// Its kind, such as `send`.
    pub kind: String,
    /// Arrivals.
    #[serde(rename = "in")]
    pub arrived: u64,
    /// Departures.
    #[serde(rename = "out")]
    pub left: u64,
    /// Runs that are here.
    pub present: u64,
    /// Where they went.
    pub exits: Vec<ExitFigures>,
}

/// Departures from a step by one way.
#[derive(Debug, Clone, Serialize)]
pub struct ExitFigures {
    /// The next step; empty where the run ended.
    pub next: String,
    /// The reason code.
    pub reason: String,
    /// The number of them.
    pub count: u64,
}

/// Activations with one outcome.
#[derive(Debug, Clone, Serialize)]
pub struct ActivationFigures {
    /// The channel.
    pub channel: String,
    /// Their status, such as `delivered`.
    pub status: String,
    /// The reason code.
    pub reason: String,
    /// The number of them.
    pub count: u64,
}
