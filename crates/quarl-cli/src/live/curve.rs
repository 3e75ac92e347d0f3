//! A curve in bounded memory: when it is full, neighbouring points are merged.

/// The largest number of points, about twice the dots across a wide chart.
const MAX: usize = 512;

/// A curve of values over increasing positions. It keeps at most [`MAX`] points, whatever the number of values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    points: Vec<Point>,
    /// The number of values that a point stands for; the last one may stand for fewer.
    per_point: u64,
    latest: Option<f64>,
}

/// Consecutive values of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    x_sum: f64,
    sum: f64,
    /// The smallest value.
    pub(crate) low: f64,
    /// The largest value.
    pub(crate) high: f64,
    count: u64,
}

impl Point {
    /// The mean position.
    pub(crate) fn x(&self) -> f64 {
        self.x_sum / self.count as f64
    }

    /// The mean value.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn merge(&mut self, other: &Self) {
        self.x_sum += other.x_sum;
        self.sum += other.sum;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.count += other.count;
    }
}

impl Curve {
    /// Appends a value. Values that are not finite cannot be drawn and are left out.
    pub(crate) fn push(&mut self, x: f64, value: f64) {
        self.latest = Some(value);
        if !value.is_finite() {
            return;
        }
        let point = Point { x_sum: x, sum: value, low: value, high: value, count: 1 };
        self.per_point = self.per_point.max(1);
        match self.points.last_mut() {
            Some(last) if last.count < self.per_point => last.merge(&point),
            _ => self.points.push(point),
        }
        if self.points.len() > MAX {
            self.points = self.points.chunks(2).map(|pair| pair[1..].iter().fold(pair[0], merged)).collect();
            self.per_point *= 2;
        }
    }

    /// The points in order.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// The latest value, also if it is not finite.
    pub(crate) fn latest(&self) -> Option<f64> {
        self.latest
    }
}

fn merged(mut point: Point, other: &Point) -> Point {
    point.merge(other);
    point
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_curve_keeps_every_value() {
        let mut curve = Curve::default();
        (0..100).for_each(|i| curve.push(f64::from(i), f64::from(i * i)));
        let values: Vec<(f64, f64)> = curve.points().iter().map(|point| (point.x(), point.mean())).collect();
        assert_eq!(values, (0..100).map(|i| (f64::from(i), f64::from(i * i))).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_curve_is_bounded_and_keeps_means_and_extremes() {
        let mut curve = Curve::default();
        let count = 1_000_003_u32;
        // A peak of a single value.
        let value = |i: u32| if i == 654_321 { 1e6 } else { f64::from(i % 7) };
        (0..count).for_each(|i| curve.push(f64::from(i), value(i)));
        let points = curve.points();
        assert!(points.len() <= MAX && points.len() > MAX / 3);
        assert!(points.is_sorted_by(|a, b| a.x() < b.x()));
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), u64::from(count));
        let mean = points.iter().map(|point| point.sum).sum::<f64>() / f64::from(count);
        assert!((mean - (0..count).map(value).sum::<f64>() / f64::from(count)).abs() < 1e-9);
        assert_eq!(points.iter().map(|point| point.high).fold(0.0, f64::max), 1e6);
        assert_eq!(points.iter().filter(|point| point.high > 6.0).count(), 1);
        assert_eq!(curve.latest(), Some(value(count - 1)));
    }

    #[test]
    fn values_that_are_not_finite_are_left_out() {
        let mut curve = Curve::default();
        [1.0, f64::NAN, f64::INFINITY, 3.0].iter().zip(0..).for_each(|(y, x)| curve.push(f64::from(x), *y));
        assert_eq!(curve.points().len(), 2);
        curve.push(4.0, f64::NAN);
        assert!(curve.latest().unwrap().is_nan());
    }
}
