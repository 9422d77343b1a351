//! The little SVG and HTML that the report's drawings are made of.

use std::fmt::Write as _;

/// A drawing under way.
pub(super) struct Drawing {
    body: String,
    width: f64,
    height: f64,
}

impl Drawing {
    /// Begins a drawing of this size, in units that scale with the page.
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            body: String::new(),
            width,
            height,
        }
    }

    /// Draws a rectangle with a hover text.
    pub(super) fn rectangle(
        &mut self,
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        class: &str,
        title: &str,
    ) {
        let _ = write!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" class=\"{class}\">\
             <title>{}</title></rect>",
            escape(title)
        );
    }

    /// Writes a text.
    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>",
            escape(text)
        );
    }

    /// Draws a curve that leaves and arrives vertically, with a hover text.
    pub(super) fn curve(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        bend: f64,
        width: f64,
        class: &str,
        title: &str,
    ) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let middle = (y1 + y2) / 2.0;
        let _ = write!(
            self.body,
            "<path d=\"M{x1:.1},{y1:.1} C{:.1},{middle:.1} {:.1},{middle:.1} {x2:.1},{y2:.1}\" \
             stroke-width=\"{width:.1}\" class=\"{class}\"><title>{}</title></path>",
            x1 + bend,
            x2 + bend,
            escape(title)
        );
    }

    /// The drawing as an element; `label` says what it shows to those who cannot see it.
    pub(super) fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">{}</svg>",
            self.width,
            self.height,
            escape(label),
            self.body
        )
    }
}

/// Makes a text safe inside elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A count for people, such as `164,539`.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count as a length.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts far below 2^53, and pixels forgive"
)]
pub(super) fn length(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(count), text);
        }
    }
}
