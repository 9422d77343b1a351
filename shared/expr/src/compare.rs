//! Checks operators between two operands: comparisons, `in`, and arithmetic.

use kernel::Value;

use crate::ast::NodeId;
use crate::check::Checker;
use crate::program::{Arithmetic, Compare, Item, Number, Test, Text, Time, Typed};
use crate::term::What;

impl Checker<'_> {
    /// Checks `left operator right`.
    pub(crate) fn binary(
        &mut self,
        id: NodeId,
        operator: &str,
        operator_at: usize,
        left: NodeId,
        right: NodeId,
    ) -> Typed {
        let (left, right) = (self.typed(left), self.typed(right));
        if matches!(left, Typed::Error) || matches!(right, Typed::Error) {
            // The type of the result is known nonetheless, so that one mistake does not cause
            // another.
            return Typed::Error;
        }
        let outcome = if operator == "in" {
            among(left, right)
        } else if let Some(compare) = Compare::of(operator) {
            self.compare(compare, operator, left, right)
        } else if let Some(operation) = Arithmetic::of(operator) {
            return match arithmetic(operation, operator, left, right) {
                Ok(typed) => typed,
                Err(message) => {
                    self.mistakes.add(operator_at, message);
                    Typed::Error
                }
            };
        } else {
            Err(format!("`{operator}` is not an operator"))
        };
        match outcome {
            Ok(test) => {
                self.show(id, What::Test(test.clone()));
                Typed::Test(test)
            }
            Err(message) => {
                self.mistakes.add(operator_at, message);
                Typed::Error
            }
        }
    }

    fn compare(
        &mut self,
        compare: Compare,
        operator: &str,
        left: Typed,
        right: Typed,
    ) -> Result<Test, String> {
        let is_equal = compare == Compare::Equal;
        let test = match (left, right) {
            (Typed::Number(left), Typed::Number(right)) => Test::Numbers(compare, left, right),
            (Typed::Number(left), Typed::Place(right)) => {
                Test::Numbers(compare, left, Number::Place(right))
            }
            (Typed::Place(left), Typed::Number(right)) => {
                Test::Numbers(compare, Number::Place(left), right)
            }
            (Typed::Text(left), Typed::Text(right)) => Test::Texts(compare, left, right),
            (Typed::Text(left), Typed::Place(right)) => {
                Test::Texts(compare, left, Text::Place(right))
            }
            (Typed::Place(left), Typed::Text(right)) => {
                Test::Texts(compare, Text::Place(left), right)
            }
            (Typed::Place(left), Typed::Place(right)) => Test::Values(compare, left, right),
            (Typed::Instant(left), Typed::Instant(right))
            | (Typed::Span(left), Typed::Span(right)) => self.times(compare, left, right),
            (Typed::Test(left), Typed::Test(right)) if !compare.is_order() => {
                Test::Tests(is_equal, Box::new((left, right)))
            }
            (Typed::Place(place), Typed::Test(test)) | (Typed::Test(test), Typed::Place(place))
                if !compare.is_order() =>
            {
                Test::TruthIs(is_equal, place, Box::new(test))
            }
            (left, right) => return Err(mismatch(operator, &left, &right)),
        };
        Ok(test)
    }

    fn times(&mut self, compare: Compare, left: Time, right: Time) -> Test {
        if left.slope() != right.slope() {
            self.clocks.push((left.clone(), right.clone()));
        }
        Test::Times(compare, left, right)
    }
}

/// Says what is wrong with a comparison, and what would be right.
fn mismatch(operator: &str, left: &Typed, right: &Typed) -> String {
    let hint = match (left, right) {
        (Typed::Place(_), Typed::Instant(_)) | (Typed::Instant(_), Typed::Place(_)) => {
            ": write timestamp(profile.name) to read it as one"
        }
        (Typed::Text(_), Typed::Instant(_)) | (Typed::Instant(_), Typed::Text(_)) => {
            ": write timestamp(\"2026-01-31T00:00:00Z\")"
        }
        (Typed::Span(_), Typed::Text(_) | Typed::Number(_) | Typed::Place(_))
        | (Typed::Text(_) | Typed::Number(_) | Typed::Place(_), Typed::Span(_)) => {
            ": write duration(\"30d\")"
        }
        (_, Typed::List(_)) => ": use `in` to look for a value in a list",
        (Typed::Test(_), _) | (_, Typed::Test(_)) => ": join conditions with `&&` or `||`",
        (Typed::Number(_), Typed::Text(_)) | (Typed::Text(_), Typed::Number(_)) => {
            ": a number is written without quotes"
        }
        _ => "",
    };
    let (left, right) = (left.describe(), right.describe());
    format!("{left} and {right} cannot be compared by `{operator}`{hint}")
}

fn among(item: Typed, list: Typed) -> Result<Test, String> {
    let (literals, place) = match list {
        Typed::List(values) => (Some(values), None),
        Typed::Place(place) => (None, Some(place)),
        other => {
            return Err(format!(
                "`in` needs a list on its right, such as [\"FI\", \"SE\"], found {}",
                other.describe()
            ));
        }
    };
    if let Some(first) = literals.as_ref().and_then(|values| values.first())
        && !may_equal(&item, first)
    {
        return Err(format!(
            "{} cannot be in a list of {}",
            item.describe(),
            match first {
                Value::Number(_) | Value::Integer(_) => "numbers",
                Value::Text(_) => "texts",
                Value::Bool(_) | Value::List(_) | Value::Json(_) => "conditions",
            }
        ));
    }
    let item = match item {
        Typed::Place(place) => Item::Place(place),
        Typed::Number(number) => Item::Number(number),
        Typed::Text(text) => Item::Text(text),
        Typed::Test(test) => Item::Test(Box::new(test)),
        other => return Err(format!("{} cannot be in a list", other.describe())),
    };
    Ok(match (literals, place) {
        (Some(values), _) => Test::Among(item, values.into()),
        (None, Some(place)) => Test::Within(item, place),
        (None, None) => Test::Const(false),
    })
}

fn may_equal(item: &Typed, literal: &Value) -> bool {
    match item {
        Typed::Place(_) => true,
        Typed::Number(_) => matches!(literal, Value::Number(_) | Value::Integer(_)),
        Typed::Text(_) => matches!(literal, Value::Text(_)),
        Typed::Test(_) => matches!(literal, Value::Bool(_)),
        _ => false,
    }
}

fn arithmetic(
    operation: Arithmetic,
    operator: &str,
    left: Typed,
    right: Typed,
) -> Result<Typed, String> {
    use Arithmetic::{Add, Subtract};
    let number = |left, right| {
        Ok(Typed::Number(Number::Arithmetic(
            operation,
            Box::new((left, right)),
        )))
    };
    match (operation, left, right) {
        (_, Typed::Number(left), Typed::Number(right)) => number(left, right),
        (_, Typed::Number(left), Typed::Place(right)) => number(left, Number::Place(right)),
        (_, Typed::Place(left), Typed::Number(right)) => number(Number::Place(left), right),
        (_, Typed::Place(left), Typed::Place(right)) => {
            number(Number::Place(left), Number::Place(right))
        }
        (Add, Typed::Instant(left), Typed::Span(right))
        | (Add, Typed::Span(left), Typed::Instant(right)) => {
            Ok(Typed::Instant(Time::Add(Box::new((left, right)))))
        }
        (Add, Typed::Span(left), Typed::Span(right)) => {
            Ok(Typed::Span(Time::Add(Box::new((left, right)))))
        }
        (Subtract, Typed::Instant(left), Typed::Span(right)) => {
            Ok(Typed::Instant(Time::Subtract(Box::new((left, right)))))
        }
        (Subtract, Typed::Instant(left), Typed::Instant(right))
        | (Subtract, Typed::Span(left), Typed::Span(right)) => {
            Ok(Typed::Span(Time::Subtract(Box::new((left, right)))))
        }
        (_, left, right) => {
            let hint = match (&left, &right) {
                (Typed::Instant(_), Typed::Place(_)) | (Typed::Place(_), Typed::Instant(_)) => {
                    ": write timestamp(profile.name) to read it as one"
                }
                (Typed::Instant(_) | Typed::Span(_), _) => {
                    ": to a timestamp a duration(\"30d\") can be added"
                }
                _ => ": it is for numbers, timestamps and durations",
            };
            let (left, right) = (left.describe(), right.describe());
            Err(format!(
                "`{operator}` cannot be used between {left} and {right}{hint}"
            ))
        }
    }
}
