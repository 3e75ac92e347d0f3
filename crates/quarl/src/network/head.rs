//! The numbers that a distributional head's outputs belong to: atoms and quantile levels.

/// The returns that a categorical head's atoms stand for: evenly spaced from `v_min` to `v_max`.
pub fn support(atoms: usize, v_min: f64, v_max: f64) -> Vec<f32> {
    let gap = if atoms > 1 { (v_max - v_min) / (atoms - 1) as f64 } else { 0.0 };
    (0..atoms).map(|atom| (v_min + gap * atom as f64) as f32).collect()
}

/// The middles of `count` equal parts of (0, 1): a quantile head's levels, and an implicit one's in evaluation.
pub fn midpoints(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| ((i as f64 + 0.5) / count as f64) as f32)
}
