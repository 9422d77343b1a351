//! The shapes that the report's drawings are made of; the template makes SVG of them.

use serde::Serialize;

/// A drawing, in units that scale with the page.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    /// Says what it shows to those who cannot see it.
    label: String,
    width: f64,
    height: f64,
    /// From the lowest layer to the highest.
    shapes: Vec<Shape>,
}

/// One shape. A title shows while the pointer is over it.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shape {
    Rectangle {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        class: String,
        title: String,
    },
    Text {
        x: f64,
        y: f64,
        class: &'static str,
        text: String,
    },
    Curve {
        /// The commands of SVG 1.1, section 8.3.
        path: String,
        width: f64,
        class: &'static str,
        title: String,
    },
}

/// Where a rectangle lies: its upper left corner, and how far it reaches from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Drawing {
    /// Begins an empty drawing.
    pub(super) fn new(label: &str, width: f64, height: f64) -> Self {
        Self {
            label: label.to_owned(),
            width,
            height,
            shapes: Vec::new(),
        }
    }

    /// Adds a rectangle.
    pub(super) fn rectangle(&mut self, place: Place, class: &str, title: String) {
        self.shapes.push(Shape::Rectangle {
            x: place.x,
            y: place.y,
            width: place.width,
            height: place.height,
            class: class.to_owned(),
            title,
        });
    }

    /// Adds a text.
    pub(super) fn text(&mut self, x: f64, y: f64, class: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.shapes.push(Shape::Text { x, y, class, text });
    }

    /// Adds a curve that leaves and arrives vertically, and keeps `bend` to the side between.
    pub(super) fn curve(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        bend: f64,
        width: f64,
        title: String,
    ) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let middle = (y1 + y2) / 2.0;
        let (bend1, bend2) = (x1 + bend, x2 + bend);
        self.shapes.push(Shape::Curve {
            path: format!(
                "M{x1:.1},{y1:.1} C{bend1:.1},{middle:.1} {bend2:.1},{middle:.1} {x2:.1},{y2:.1}"
            ),
            width,
            class: "line",
            title,
        });
    }
}

/// Returns a count as a length.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts far below 2^53, and pixels forgive"
)]
pub(super) fn length(count: u64) -> f64 {
    count as f64
}
