//! The history of one event name: the newest events with their times and what definitions read of them, and what the
//! older ones add up to.

use expr::{Aggregate, Feature, Filter, Subject};
use kernel::{Duration, Timestamp, Value};

use crate::limits;

/// What happened under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The name of the events.
    pub name: Box<str>,
    /// How many there were, ever.
    pub count: u64,
    /// When the first happened.
    pub first_time: Timestamp,
    /// When the last happened.
    pub last_time: Timestamp,
    /// When the kept events happened; those of one instant in the order of their arrival.
    pub(crate) times: Vec<Timestamp>,
    /// What definitions read of them, one value for each time.
    pub(crate) columns: Vec<Column>,
    /// What the others add up to.
    pub(crate) folded: Vec<Folded>,
}

/// One property of the kept events.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    pub(crate) values: Vec<Option<Value>>,
}

/// What events that are no longer kept add up to, under one filter, for one property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    pub(crate) filter: Box<str>,
    pub(crate) property: Box<str>,
    pub(crate) sums: Sums,
}

/// Everything that any aggregate can ask of events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums {
    pub(crate) count: u64,
    pub(crate) number_count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// What definitions need of the events of one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// How long events are kept; absent to keep none.
    pub(crate) retention: Option<Duration>,
    /// The properties that are read.
    pub(crate) properties: Vec<Box<str>>,
    /// What older events are folded into.
    pub(crate) folds: Vec<Fold>,
}

/// One way to fold events.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub(crate) filter: Option<Filter>,
    pub(crate) property: Box<str>,
}

/// One kept event, as filters see it.
pub(crate) struct Row<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) place: usize,
}

impl Subject for Row<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }

    fn event(&self, name: &str) -> Option<&Value> {
        let column = self
            .columns
            .iter()
            .find(|column| column.name.as_ref() == name)?;
        column.values[self.place].as_ref()
    }

    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}

impl Sums {
    pub(crate) const NONE: Self = Self {
        count: 0,
        number_count: 0,
        sum: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        first: Timestamp::MAX,
        last: Timestamp::MIN,
    };

    pub(crate) fn add(&mut self, at: Timestamp, number: Option<f64>) {
        self.count += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if let Some(number) = number {
            self.number_count += 1;
            self.sum += number;
            self.min = self.min.min(number);
            self.max = self.max.max(number);
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.number_count += other.number_count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Needs {
    /// Adds what one feature needs.
    pub(crate) fn add(&mut self, feature: &Feature) {
        let retention = feature.window.unwrap_or(Duration::ZERO).as_millis();
        let retention = Duration::from_millis(retention + limits::LATE_HORIZON.as_millis());
        self.retention = self.retention.max(Some(retention));
        for property in feature.properties() {
            if !self
                .properties
                .iter()
                .any(|known| known.as_ref() == property)
            {
                self.properties.push(property.into());
            }
        }
        // How many events there were, ever, is kept for every name.
        let is_total = feature.filter.is_none() && feature.aggregate == Aggregate::Count;
        if feature.window.is_none() && !is_total {
            let fold = Fold {
                filter: feature.filter.clone(),
                property: fold_property(&feature.aggregate).into(),
            };
            let is_known =
                |known: &Fold| known.filter == fold.filter && known.property == fold.property;
            if !self.folds.iter().any(is_known) {
                self.folds.push(fold);
            }
        }
    }
}

/// The property under which a feature's older events are folded.
pub(crate) fn fold_property(aggregate: &Aggregate) -> &str {
    aggregate.property().unwrap_or_default()
}

impl Past {
    /// Of a name that nothing happened under yet.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            count: 0,
            first_time: Timestamp::MAX,
            last_time: Timestamp::MIN,
            times: Vec::new(),
            columns: Vec::new(),
            folded: Vec::new(),
        }
    }

    /// Adds an event at its place in time.
    pub(crate) fn add(
        &mut self,
        at: Timestamp,
        needs: Option<&Needs>,
        value_of: impl Fn(&str) -> Option<Value>,
    ) {
        self.count += 1;
        self.first_time = self.first_time.min(at);
        self.last_time = self.last_time.max(at);
        let Some(needs) = needs.filter(|needs| needs.retention.is_some()) else {
            return;
        };
        self.fit_columns(needs);
        let place = self.times.partition_point(|known| *known <= at);
        self.times.insert(place, at);
        for column in &mut self.columns {
            let value = value_of(&column.name).filter(is_readable);
            column.values.insert(place, value);
        }
    }

    /// Has a column for each property that is read, and no other.
    pub(crate) fn fit_columns(&mut self, needs: &Needs) {
        if self.columns.len() == needs.properties.len()
            && self
                .columns
                .iter()
                .zip(&needs.properties)
                .all(|(column, name)| column.name == *name)
        {
            return;
        }
        let old = std::mem::take(&mut self.columns);
        let rows = self.times.len();
        self.columns = needs
            .properties
            .iter()
            .map(|name| {
                let known = old.iter().find(|column| column.name == *name);
                known.cloned().unwrap_or_else(|| Column {
                    name: name.clone(),
                    values: vec![None; rows],
                })
            })
            .collect();
    }

    /// Folds the events that are older than any window, or too many to keep.
    pub(crate) fn trim(&mut self, now: Timestamp, needs: Option<&Needs>) {
        let oldest = needs
            .and_then(|needs| needs.retention)
            .map_or(Timestamp::MAX, |kept| now - kept);
        let outdated = self.times.partition_point(|at| *at <= oldest);
        let surplus = self.times.len().saturating_sub(limits::EVENTS_PER_NAME);
        let dropped = outdated.max(surplus);
        if dropped == 0 {
            return;
        }
        for fold in needs
            .map(|needs| needs.folds.as_slice())
            .unwrap_or_default()
        {
            let mut sums = Sums::NONE;
            for place in 0..dropped {
                let row = Row {
                    columns: &self.columns,
                    place,
                };
                if fold
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.accepts(&row))
                {
                    let number = row.event(&fold.property).and_then(Value::as_number);
                    sums.add(self.times[place], number);
                }
            }
            let filter = fold.filter.as_ref().map_or("", Filter::source);
            self.fold(filter, &fold.property, &sums);
        }
        self.times.drain(..dropped);
        for column in &mut self.columns {
            column.values.drain(..dropped);
        }
    }

    /// Adds to what older events add up to.
    pub(crate) fn fold(&mut self, filter: &str, property: &str, sums: &Sums) {
        let known = self
            .folded
            .iter_mut()
            .find(|known| known.filter.as_ref() == filter && known.property.as_ref() == property);
        match known {
            Some(known) => known.sums.join(sums),
            None => self.folded.push(Folded {
                filter: filter.into(),
                property: property.into(),
                sums: *sums,
            }),
        }
    }
}

/// Whether a value is small enough to be kept with the history.
fn is_readable(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::Text(text) => text.len() <= limits::PAST_TEXT_BYTES,
        Value::List(values) => {
            values.len() <= limits::PAST_LIST_VALUES
                && values
                    .iter()
                    .all(|value| !matches!(value, Value::List(_)) && is_readable(value))
        }
    }
}
