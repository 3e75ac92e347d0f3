//! A view of Q-values, wherever they are kept.

/// Q-values of a batch, wherever they are kept: item b's value of action a is at `a * stride + b`.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a> {
    values: &'a [f32],
    actions: usize,
    stride: usize,
}

impl<'a> QValues<'a> {
    /// A view of `values`, `[actions][stride]`.
    ///
    /// # Panics
    /// When `values` is shorter than that.
    pub fn new(values: &'a [f32], actions: usize, stride: usize) -> Self {
        assert!(actions > 0 && values.len() >= actions * stride, "Q-values need [actions][stride] numbers");
        Self { values, actions, stride }
    }

    /// How many actions there are.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// The value of `action` for `item`.
    #[inline]
    pub fn get(&self, item: usize, action: usize) -> f32 {
        self.values[action * self.stride + item]
    }

    /// The action with the highest value for `item`; the lowest such action where several are equal.
    #[inline]
    pub fn argmax(&self, item: usize) -> usize {
        (1..self.actions).fold(0, |best, a| if self.get(item, a) > self.get(item, best) { a } else { best })
    }
}
