//! Axes: their ranges, ticks and tick labels.

/// Larger values are limited to this, so that the difference of any two stays finite.
const LARGEST: f64 = 1e300;

/// A range of values and the ticks within it; `low < high`, both finite.
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The ticks' values and labels.
    pub(super) ticks: Vec<(f64, String)>,
}

/// The smallest and the largest of the finite values.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|x| x.is_finite()).map(|x| x.clamp(-LARGEST, LARGEST)).fold(None, |range, x| match range {
        None => Some((x, x)),
        Some((low, high)) => Some((low.min(x), high.max(x))),
    })
}

impl Scale {
    /// A scale from `low` to `high` with about `count` ticks at multiples of 1, 2 or 5 times a power of ten; only whole
    /// numbers if `whole`.
    pub(super) fn new((low, high): (f64, f64), count: f64, whole: bool) -> Self {
        let (low, high) = widened(low, high);
        let (mantissa, exponent) = step((high - low) / count, whole);
        // Parsing a power of ten is exact on every platform; `pow` need not be.
        let power: f64 = format!("1e{exponent}").parse().unwrap_or(1.0);
        let step = mantissa * power;
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        let values: Vec<f64> =
            (0..100).map(|i| first + f64::from(i)).take_while(|&i| i <= last).map(|i| i * step).collect();
        let largest = values.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let ticks = values.into_iter().map(|value| (value, label(value, largest, exponent))).collect();
        Self { low, high, ticks }
    }

    /// The relative position of a value: 0 at the low end, 1 at the high end.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value.clamp(-LARGEST, LARGEST) - self.low) / (self.high - self.low)
    }
}

/// The range, widened if it is too narrow for ticks.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if high - low > (largest * 1e-9).max(1e-290) {
        (low, high)
    } else if largest < 1e-280 {
        (low - 1.0, high + 1.0)
    } else {
        (low - largest * 0.1, high + largest * 0.1)
    }
}

/// The smallest tick distance of at least `rough`, as mantissa (1, 2 or 5) and power of ten.
fn step(rough: f64, whole: bool) -> (f64, i32) {
    let exponent = libm::floor(libm::log10(rough)) as i32;
    let mantissa = rough / libm::exp10(f64::from(exponent));
    let (mantissa, exponent) = match mantissa {
        m if m <= 1.0 + 1e-9 => (1.0, exponent),
        m if m <= 2.0 + 1e-9 => (2.0, exponent),
        m if m <= 5.0 + 1e-9 => (5.0, exponent),
        _ => (1.0, exponent + 1),
    };
    if whole && exponent < 0 { (1.0, 0) } else { (mantissa, exponent) }
}

/// The label of a tick. All ticks of an axis share one notation: plain, thousands (k), millions (M), or powers of ten.
fn label(value: f64, largest: f64, step_exponent: i32) -> String {
    let text = if value == 0.0 {
        "0".to_owned()
    } else if !(1e-5..1e9).contains(&largest) {
        let exponent = libm::floor(libm::log10(value.abs()) + 1e-12) as i32;
        let digits = (exponent - step_exponent).clamp(0, 12) as usize;
        format!("{value:.digits$e}")
    } else {
        let (unit, exponent, suffix) = match largest {
            x if x >= 1e6 => (1e6, 6, "M"),
            x if x >= 1e4 => (1e3, 3, "k"),
            _ => (1.0, 0, ""),
        };
        let digits = (exponent - step_exponent).clamp(0, 12) as usize;
        let number = format!("{:.digits$}", value / unit);
        // Trailing zeros are removed: 1M, 1.5M, 2M.
        let number = if digits > 0 && !suffix.is_empty() {
            number.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            number
        };
        format!("{}{suffix}", grouped(&number))
    };
    text.replace('-', "\u{2212}")
}

/// Inserts a comma before each group of three digits of the integer part: 2,500.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let mut text = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        Scale::new((low, high), 5.0, false).ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_readable_at_every_size() {
        assert_eq!(labels(0.0, 200.0), ["0", "50", "100", "150", "200"]);
        assert_eq!(labels(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-500.0, 0.0), ["−500", "−400", "−300", "−200", "−100", "0"]);
        assert_eq!(labels(0.0, 5000.0), ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]);
        assert_eq!(labels(0.0, 100_000.0), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(labels(0.0, 2.2e6), ["0", "0.5M", "1M", "1.5M", "2M"]);
        assert_eq!(labels(0.0, 4e12), ["0", "1e12", "2e12", "3e12", "4e12"]);
        assert_eq!(labels(0.0, 3e-7), ["0", "1e−7", "2e−7", "3e−7"]);
    }

    #[test]
    fn any_range_has_at_least_one_tick_and_at_most_a_dozen() {
        let ends = [0.0, -1.0, 1.0, 1e-320, 1e-12, 0.1, 1.0 + 1e-12, 199.0, 1e9, 1e9 + 1.0, 1e300, -1e300];
        for (low, high) in ends.iter().flat_map(|&a| ends.iter().map(move |&b| (f64::min(a, b), f64::max(a, b)))) {
            let scale = Scale::new((low, high), 5.0, false);
            assert!((1..=12).contains(&scale.ticks.len()), "{low}..{high}: {:?}", scale.ticks);
            assert!(scale.share(low).is_finite() && scale.share(high).is_finite());
        }
    }

    #[test]
    fn whole_ticks_never_fall_between_episodes() {
        assert_eq!(Scale::new((0.0, 2.0), 8.0, true).ticks.len(), 3);
    }
}
