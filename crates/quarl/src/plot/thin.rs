//! Splits lines at gaps and reduces their number of points.

use super::marks::Point;

/// The runs of finite points; points that are not finite are gaps.
pub(super) fn stretches(points: impl Iterator<Item = Point>) -> Vec<Vec<Point>> {
    let mut stretches = vec![Vec::new()];
    for point in points {
        if point.0.is_finite() && point.1.is_finite() {
            stretches.last_mut().expect("starts with one, and only grows").push(point);
        } else {
            stretches.push(Vec::new());
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

/// Reduces a line to about `budget` points: of all points within one column of the sheet, the first, the lowest, the
/// highest and the last stay, so that every peak is kept (the M4 aggregation of Jugel et al. 2014). A line within its
/// budget is returned unchanged.
pub(super) fn thinned(line: Vec<Point>, budget: usize) -> Vec<Point> {
    if line.len() <= budget.max(8) {
        return line;
    }
    let (left, right) = line.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.0), b.max(p.0)));
    let columns = (budget / 4).max(1) as f64;
    let width = ((right - left) / columns).max(f64::MIN_POSITIVE);
    let column = |point: &Point| ((point.0 - left) / width) as i64;
    let mut kept = Vec::new();
    for stretch in line.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |&a: &usize, &b: &usize| stretch[a].1.total_cmp(&stretch[b].1);
        let lowest = (0..stretch.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..stretch.len()).max_by(by_height).unwrap_or(0);
        let mut indexes = vec![0, lowest, highest, stretch.len() - 1];
        indexes.sort_unstable();
        indexes.dedup();
        kept.extend(indexes.into_iter().map(|i| stretch[i]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_splits_a_line_and_leaves_no_empty_piece() {
        let nan = f64::NAN;
        let points = [(nan, 1.0), (0.0, 1.0), (1.0, nan), (2.0, f64::INFINITY), (3.0, 4.0), (4.0, 5.0), (5.0, nan)];
        assert_eq!(stretches(points.into_iter()), [vec![(0.0, 1.0)], vec![(3.0, 4.0), (4.0, 5.0)]]);
    }

    #[test]
    fn a_thinned_line_keeps_its_ends_and_its_peaks() {
        let mut line: Vec<Point> = (0..100_000).map(|i| (f64::from(i) * 0.007, f64::from(i % 10))).collect();
        line[41_234].1 = 99.0;
        line[77_777].1 = -99.0;
        let thin = thinned(line.clone(), 1000);
        assert!(thin.len() <= 1100, "{}", thin.len());
        for kept in [line[0], line[41_234], line[77_777], line[99_999]] {
            assert!(thin.contains(&kept));
        }
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
