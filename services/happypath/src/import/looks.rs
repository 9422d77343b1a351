//! The looks of values, beside what they are read as: for advice before a file is sent.

use std::collections::BTreeMap;

use super::numeral::{self, Decimal};
use crate::when::parse_time;

/// Counts of values that look like something else than they are read as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Looks {
    values: u64,
    instants: u64,
    addresses: u64,
    comma_numbers: u64,
    truths: u64,
    shortened: u64,
    /// Whole numbers with a decimal of zero.
    floats: u64,
    /// Words for nothing, each as it was first written.
    nothings: u64,
    nothing: String,
}

/// Words for nothing that programs write, in small letters.
const NOTHINGS: [&str; 10] = [
    "null",
    "(null)",
    "<null>",
    "none",
    "nan",
    "n/a",
    "#n/a",
    "nil",
    "undefined",
    "(not set)",
];

impl Looks {
    /// Sees a value as it was written; only where columns have to be chosen, whether it is a time.
    pub(super) fn see(&mut self, kind: &str, text: &str, is_choice: bool) {
        self.values += 1;
        if is_choice {
            self.instants += u64::from(parse_time(text).is_some());
            self.addresses += u64::from(text.contains('@'));
        }
        if kind != "text" {
            return;
        }
        let is_comma_number =
            text.contains(',') && numeral::parse(text, Some(Decimal::Comma)).is_some();
        let small = text.to_ascii_lowercase();
        self.comma_numbers += u64::from(is_comma_number);
        self.truths += u64::from(matches!(small.as_str(), "true" | "false" | "yes" | "no"));
        self.shortened +=
            u64::from(numeral::is_shortened(text) && numeral::parse(text, None).is_some());
        self.floats +=
            u64::from(text.ends_with(".0") && numeral::parse(text, Some(Decimal::Point)).is_some());
        if NOTHINGS.contains(&small.as_str()) {
            self.nothings += 1;
            if self.nothing.is_empty() {
                text.clone_into(&mut self.nothing);
            }
        }
    }

    /// Returns the flag that may choose this column.
    pub(super) fn choice(&self, name: &str) -> Option<String> {
        match self.values {
            0 => None,
            all if all == self.instants => {
                Some(format!("{name} holds times: --time-column '{name}'"))
            }
            all if all == self.addresses => Some(format!(
                "{name} holds addresses: --customer-column 'email={name}'"
            )),
            _ => None,
        }
    }

    /// Returns what people may want to say of the values of a trait or property without a type.
    pub(super) fn advice_for_values(&self, name: &str, found: &BTreeMap<&str, u64>) -> Vec<String> {
        let mut advice = Vec::new();
        if self.comma_numbers > 0 {
            advice.push(format!(
                "{name}: {} texts look like numbers with a comma before decimals: --decimal comma, or --type {name}=number",
                self.comma_numbers
            ));
        }
        if self.truths > 0 && self.truths + self.nothings == self.values {
            advice.push(format!(
                "{name}: all texts are true or false: --type {name}=boolean"
            ));
        }
        if self.nothings > 0 {
            advice.push(format!(
                "{name}: {} texts such as `{}` may stand for nothing: --null '{}'",
                self.nothings, self.nothing, self.nothing
            ));
        }
        let kinds = found.iter().filter(|(kind, _)| **kind != "nothing");
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        if kinds.len() > 1 && advice.is_empty() {
            advice.push(format!(
                "{name}: values are of several types, {}: --type {name}=text makes them one",
                kinds.join(" and ")
            ));
        }
        advice.extend(self.advice_for_all(name));
        advice
    }

    /// Returns what people may want to know of any column.
    pub(super) fn advice_for_all(&self, name: &str) -> Option<String> {
        (self.shortened > 0).then(|| {
            format!(
                "{name}: {} values were shortened by a spreadsheet, and their digits are lost: format the column as a number there",
                self.shortened
            )
        })
    }

    /// Returns what people may want to say of an identifier without a type.
    pub(super) fn advice_for_ids(&self, name: &str) -> Vec<String> {
        let mut advice = Vec::from_iter(self.advice_for_all(name));
        if self.floats > 0 && self.floats == self.values {
            advice.push(format!(
                "{name}: all ids end with .0, as where a program took them for decimals: --type {name}=integer"
            ));
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(texts: &[&str]) -> Looks {
        let mut looks = Looks::default();
        texts.iter().for_each(|text| looks.see("text", text, true));
        looks
    }

    #[test]
    fn what_a_column_looks_like_is_told_with_its_flag() {
        let found = BTreeMap::from([("text", 2)]);
        for (texts, part) in [
            (&["19,90", "1.249,50"][..], "--decimal comma"),
            (&["True", "no"], "--type x=boolean"),
            (&["a", "NaN"], "--null 'NaN'"),
            (&["4.01E+12", "a"], "were shortened"),
        ] {
            let advice = looks(texts).advice_for_values("x", &found);
            assert!(advice.iter().any(|it| it.contains(part)), "{advice:?}");
        }
        assert!(looks(&["a", "b"]).advice_for_values("x", &found).is_empty());
        let mixed = BTreeMap::from([("number", 1), ("text", 1)]);
        let advice = looks(&["a"]).advice_for_values("x", &mixed);
        assert!(advice[0].contains("1 number and 1 text"), "{advice:?}");
        let advice = looks(&["1.0", "22.0"]).advice_for_ids("x");
        assert!(advice[0].contains("--type x=integer"), "{advice:?}");
        assert!(
            looks(&["2024-05-01"])
                .choice("x")
                .is_some_and(|it| it.contains("--time-column"))
        );
        assert!(
            looks(&["a@b.c"])
                .choice("x")
                .is_some_and(|it| it.contains("email=x"))
        );
        assert_eq!(looks(&["a@b.c", "b"]).choice("x"), None);
    }
}
