//! Everything that a pure core is made of: the trait that a service decides through, its inputs,
//! effects and outcomes, and definitions as it compiles them.
//!
//! It does not run cores (`engine` does), and does not know stores, sockets or clocks: it reaches
//! no async runtime.

mod core;
mod counters;
mod definition;
mod effects;
mod input;
pub mod limits;
mod outcome;
mod outside;
mod part;
mod wait;

pub use kernel::{Owner, StreamName};

pub use self::core::{Core, StateOf};
pub use self::counters::{BoundedCounters, gone_groups};
pub use self::definition::{Mistake, Mistakes, Names, Source};
pub use self::effects::{Effects, Forward};
pub use self::input::{Input, Moved, Split, Step};
pub use self::outcome::{Outcome, Poison};
pub use self::outside::{
    erase_once, fold_in_once, split_off_once, step_once, step_without, take_back_once,
    take_leave_once,
};
pub use self::part::{
    AnySection, Group, Grouped, Lent, LentGroup, NotLoaded, Part, PartKey, PartLoad, PartWrites,
    Piece, Section, UnknownParts, fragment_ordinal, is_apart, make_room, read_ordinal,
};
pub use self::wait::WaitKey;
pub use messages::stream::v1::Home;
