//! The demo's report: one HTML file with everything in it, no network, light and dark.
//!
//! The page is a template, `PAGE`; every text in it is escaped, whoever named it. It shows
//! figures and computes none but shares.

mod chart;
mod drawing;
mod flow;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, context};

use self::drawing::Drawing;
use super::figures::Figures;

/// The page.
const PAGE: &str = include_str!("report/page.html");
/// A drawing of the page.
const DRAWING: &str = include_str!("report/drawing.html");
/// The look of the page, in it so that the file stands alone.
const STYLE: &str = include_str!("report/style.css");

/// Renders the report.
///
/// # Errors
/// The fault of a template that does not fit the figures.
pub fn html(figures: &Figures) -> Result<String, Error> {
    let environment = environment()?;
    let drawing = environment.get_template("drawing")?;
    let draw = |shapes: &Drawing| -> Result<Value, Error> {
        // The template has escaped its texts already.
        let drawn = drawing.render(Serde(shapes))?;
        Ok(Value::from_safe_string(drawn))
    };
    let drawings = context! {
        months => draw(&chart::months(&figures.months))?,
        funnel => draw(&chart::funnel(&figures.happy_path))?,
        flow => draw(&flow::journey(&figures.journey))?,
    };
    environment.get_template("page")?.render(context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        colours => chart::COLOURS,
        drawings,
        ..Value::from(Serde(figures))
    })
}

/// Returns the engine with both templates. It refuses what a template misspells.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("thousands", thousands);
    environment.add_filter("share", share);
    environment.add_template("page", PAGE)?;
    environment.add_template("drawing", DRAWING)?;
    Ok(environment)
}

/// Returns a count for people, such as `164,539`.
fn thousands(count: u64) -> String {
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

/// Returns a share for people, such as `12.3 %`; a dash where there is nothing to have a share of.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let percent = part as f64 * 100.0 / whole as f64;
    format!("{percent:.1} %")
}

#[cfg(test)]
mod tests;
