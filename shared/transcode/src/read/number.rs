//! Numbers as JSON writes them, and as protobuf keeps them.

/// A number of a document, or of a text that stands for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

/// The first power of two that a whole number of 128 bits may not reach; far beyond those that
/// fields take.
const WHOLE_END: f64 = 1e30;

impl Number {
    /// Reads a text that stands for a number, by the grammar of JSON.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        // Others that the library of Rust takes, such as `inf` or `+1`, are not of JSON.
        let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
            && !(digits.len() > 1
                && digits.starts_with('0')
                && digits[1..].starts_with(|next: char| next.is_ascii_digit()))
            && !text.ends_with('.');
        if !is_number || text.len() > 400 {
            return None;
        }
        if let Ok(whole) = text.parse::<i128>() {
            return Some(Self::Whole(whole));
        }
        let float: f64 = text.parse().ok()?;
        float.is_finite().then_some(Self::Float(float))
    }

    /// The whole number that it is; none where it has a fraction.
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(whole) => Some(whole),
            Self::Float(float) if float.fract() == 0.0 && float.abs() < WHOLE_END => {
                // Exact: in range, and without a fraction.
                #[expect(clippy::cast_possible_truncation, reason = "in range, and whole")]
                Some(float as i128)
            }
            Self::Float(_) => None,
        }
    }

    /// The nearest number of 64 bits.
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    /// The nearest number of 32 bits; none where that is infinite.
    pub(super) fn single(self) -> Option<f32> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the nearest one is what is asked for"
        )]
        let single = self.float() as f32;
        single.is_finite().then_some(single)
    }
}
