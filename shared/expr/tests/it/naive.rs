//! An interpreter of trees, written apart from the compiler: no types, no slots, everything looked
//! up when met.

use kernel::Value;

use crate::support::Customer;

/// An expression as a tree.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Bool(bool),
    Number(f64),
    Text(&'static str),
    Profile(&'static str),
    Event(&'static str),
    Segment(&'static str),
    Has(&'static str),
    Count {
        event: &'static str,
        days: Option<u32>,
        at_least: Option<f64>,
    },
    Sum {
        event: &'static str,
        days: Option<u32>,
    },
    Not(Box<Tree>),
    Join(bool, Vec<Tree>),
    Compare(&'static str, Box<Tree>, Box<Tree>),
    Math(&'static str, Box<Tree>, Box<Tree>),
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
    In(Box<Tree>, Vec<&'static str>),
}

impl Tree {
    /// Writes the expression as text, with brackets around everything that is joined.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bool(truth) => truth.to_string(),
            Self::Number(number) => format!("{number:?}"),
            Self::Text(text) => format!("{text:?}"),
            Self::Profile(name) => format!("profile.{name}"),
            Self::Event(name) => format!("event.{name}"),
            Self::Segment(name) => format!("segments.has({name:?})"),
            Self::Has(name) => format!("has(profile.{name})"),
            Self::Count {
                event,
                days,
                at_least,
            } => {
                let filter = at_least.map(|least| format!(".where(event.value >= {least:?})"));
                format!(
                    "events({event:?}){}{}.count()",
                    filter.unwrap_or_default(),
                    within(*days)
                )
            }
            Self::Sum { event, days } => {
                format!("events({event:?}){}.sum(\"value\")", within(*days))
            }
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::Join(is_all, parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| format!("({})", part.text()))
                    .collect();
                parts.join(if *is_all { " && " } else { " || " })
            }
            Self::Compare(operator, left, right) | Self::Math(operator, left, right) => {
                format!("({}) {operator} ({})", left.text(), right.text())
            }
            Self::Choice(condition, yes, no) => {
                format!(
                    "({}) ? ({}) : ({})",
                    condition.text(),
                    yes.text(),
                    no.text()
                )
            }
            Self::In(item, values) => format!("({}) in {values:?}", item.text()),
        }
    }

    /// Returns whether it holds.
    pub(crate) fn holds(&self, customer: &Customer) -> bool {
        matches!(self.value(customer), Some(Value::Bool(true)))
    }

    fn value(&self, customer: &Customer) -> Option<Value> {
        Some(match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::from(*text),
            Self::Profile(name) => customer.traits.value(name)?.clone(),
            Self::Event(name) => customer.event.value(name)?.clone(),
            Self::Segment(name) => Value::Bool(customer.segments.contains(name)),
            Self::Has(name) => Value::Bool(customer.traits.value(name).is_some()),
            Self::Count {
                event,
                days,
                at_least,
            } => {
                let values = happened(customer, event, *days);
                let is_counted = |value: &Option<f64>| {
                    at_least.is_none_or(|least| value.is_some_and(|value| value >= least))
                };
                let mut count = 0.0;
                values
                    .iter()
                    .filter(|value| is_counted(value))
                    .for_each(|_| count += 1.0);
                Value::Number(count)
            }
            Self::Sum { event, days } => {
                let values = happened(customer, event, *days);
                Value::Number(values.iter().flatten().sum())
            }
            Self::Not(inner) => Value::Bool(!inner.holds(customer)),
            Self::Join(true, parts) => Value::Bool(parts.iter().all(|part| part.holds(customer))),
            Self::Join(false, parts) => Value::Bool(parts.iter().any(|part| part.holds(customer))),
            Self::Compare(operator, left, right) => {
                let (left, right) = (left.value(customer), right.value(customer));
                Value::Bool(compare(operator, left, right))
            }
            Self::Math(operator, left, right) => {
                let left = left.value(customer)?.as_number()?;
                let right = right.value(customer)?.as_number()?;
                let result = match *operator {
                    "+" => left + right,
                    "-" => left - right,
                    "*" => left * right,
                    "/" => left / right,
                    _ => left % right,
                };
                if !result.is_finite() {
                    return None;
                }
                Value::Number(result)
            }
            Self::Choice(condition, yes, no) => {
                let chosen = if condition.holds(customer) { yes } else { no };
                return chosen.value(customer);
            }
            Self::In(item, values) => {
                let item = item.value(customer);
                Value::Bool(
                    values
                        .iter()
                        .any(|value| item.as_ref().and_then(Value::as_text) == Some(*value)),
                )
            }
        })
    }
}

fn within(days: Option<u32>) -> String {
    days.map(|days| format!(".within(\"{days}d\")"))
        .unwrap_or_default()
}

/// The values of the events in (now − days, now].
fn happened(customer: &Customer, event: &str, days: Option<u32>) -> Vec<Option<f64>> {
    let now = customer.now.as_millis();
    let from = days.map_or(i64::MIN, |days| now - i64::from(days) * 86_400_000);
    customer
        .past
        .iter()
        .filter(|past| past.name == event && past.at > from && past.at <= now)
        .map(|past| past.properties.value("value").and_then(Value::as_number))
        .collect()
}

fn compare(operator: &str, left: Option<Value>, right: Option<Value>) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => ordered(operator, &left, &right),
        (Some(Value::Text(left)), Some(Value::Text(right))) => ordered(operator, &left, &right),
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => match operator {
            "==" => left == right,
            "!=" => left != right,
            _ => false,
        },
        _ => false,
    }
}

fn ordered<T: PartialOrd>(operator: &str, left: &T, right: &T) -> bool {
    match operator {
        "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}
