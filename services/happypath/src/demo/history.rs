//! The year of real customers that ships with the product, as events by day.
//!
//! Reads The Complete Journey from the binary itself, so that the demo needs no file and no
//! network.

use std::collections::HashMap;

use flate2::read::GzDecoder;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::identity::v1::Event;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};

/// The events, ordered by time: tests/data/README.md tells their source and licence.
const EVENTS: &[u8] = include_bytes!("../../../../tests/data/complete_journey_events.csv.gz");
/// Names the data as an ordered source, so that playing it twice has no effect.
pub const SOURCE: &str = "complete-journey-2017";
/// Traits of 801 of the households.
const HOUSEHOLDS: &[u8] =
    include_bytes!("../../../../tests/data/complete_journey_customers.csv.gz");

/// The events of one day, in order.
#[derive(Debug)]
pub struct Day {
    /// The date, such as `2017-03-14`.
    pub date: String,
    /// Its events.
    pub events: Vec<Event>,
}

/// Reads the whole history, by day.
///
/// # Errors
/// Where the data in the binary is damaged.
pub fn days() -> Result<Vec<Day>, csv::Error> {
    let mut households = households()?;
    let mut days: Vec<Day> = Vec::new();
    let mut reader = csv::Reader::from_reader(GzDecoder::new(EVENTS));
    let header = reader.headers()?.clone();
    for (line, row) in (1..).zip(reader.records()) {
        let row = row?;
        let cell = |name: &str| {
            header
                .iter()
                .position(|column| column == name)
                .and_then(|place| row.get(place))
                .unwrap_or_default()
        };
        let event = Event {
            name: cell("event").to_owned(),
            time: Some(instant(cell("timestamp"))),
            identifiers: HashMap::from([("user_id".to_owned(), cell("customer_id").to_owned())]),
            properties_form: object(
                ["value", "items", "campaign_id", "campaign_type"]
                    .map(|name| (name.to_owned(), cell(name).to_owned())),
            )
            .map(PropertiesForm::Properties),
            // The traits of a household come with its first event.
            traits_form: households
                .remove(cell("customer_id"))
                .map(TraitsForm::Traits),
            sequence: line,
            ..Event::default()
        };
        let date = &cell("timestamp")[..10];
        match days.last_mut().filter(|day| day.date == date) {
            Some(day) => day.events.push(event),
            None => days.push(Day {
                date: date.to_owned(),
                events: vec![event],
            }),
        }
    }
    Ok(days)
}

fn households() -> Result<HashMap<String, Struct>, csv::Error> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(HOUSEHOLDS));
    let header = reader.headers()?.clone();
    let mut households = HashMap::new();
    for row in reader.records() {
        let row = row?;
        let mut cells = header
            .iter()
            .zip(row.iter())
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        let Some((_, id)) = cells.next() else {
            continue;
        };
        if let Some(traits) = object(cells) {
            households.insert(id, traits);
        }
    }
    Ok(households)
}

/// Numbers where a cell is one, texts elsewhere; empty cells are left out. Identifiers of campaigns
/// stay texts.
fn object(cells: impl IntoIterator<Item = (String, String)>) -> Option<Struct> {
    let fields: std::collections::BTreeMap<_, _> = cells
        .into_iter()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| {
            let kind = match cell.parse::<f64>() {
                Ok(number) if !name.ends_with("_id") => Kind::NumberValue(number),
                _ => Kind::StringValue(cell),
            };
            (name, Value { kind: Some(kind) })
        })
        .collect();
    (!fields.is_empty()).then(|| Struct {
        fields: fields.into_iter().collect(),
    })
}

fn instant(text: &str) -> prost_types::Timestamp {
    proto::convert::timestamp(text.parse().expect("the data was checked when it was made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_whole_and_in_order() {
        let days = days().expect("readable data");
        let events: Vec<_> = days.iter().flat_map(|day| &day.events).collect();
        assert_eq!(events.len(), 164_539);
        assert_eq!(
            events
                .iter()
                .filter(|event| event.traits_form.is_some())
                .count(),
            801
        );
        assert!(events.windows(2).all(|pair| {
            let [a, b] = pair else { return false };
            a.sequence + 1 == b.sequence
                && a.time.map(|t| (t.seconds, t.nanos)) <= b.time.map(|t| (t.seconds, t.nanos))
        }));
        assert!(days.windows(2).all(|pair| pair[0].date < pair[1].date));
    }
}
