//! A view of Q-values, wherever they are kept.

/// Q-values of a batch, wherever they are kept: item b's value of action a is at `a * stride + b`.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a> {
    values: &'a [f32],
    actions: usize,
    stride: usize,
    /// Which actions are allowed, `[item][action]`; empty where all are.
    allowed: &'a [bool],
}

impl<'a> QValues<'a> {
    /// A view of `values`, `[actions][stride]`.
    ///
    /// # Panics
    /// When `values` is shorter than that.
    pub fn new(values: &'a [f32], actions: usize, stride: usize) -> Self {
        assert!(actions > 0 && values.len() >= actions * stride, "Q-values need [actions][stride] numbers");
        Self { values, actions, stride, allowed: &[] }
    }

    /// The same, with only some actions allowed: `[item][action]`; without a mask, or with an empty one, all are.
    ///
    /// # Panics
    /// When the mask is not a whole number of items.
    pub fn masked(self, mask: Option<&'a [bool]>) -> Self {
        let allowed = mask.unwrap_or(&[]);
        assert!(allowed.len().is_multiple_of(self.actions), "a mask has one entry an action");
        Self { allowed, ..self }
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

    /// Whether `action` is allowed for `item`.
    #[inline]
    pub fn is_allowed(&self, item: usize, action: usize) -> bool {
        self.allowed.is_empty() || self.allowed[item * self.actions + action]
    }

    /// The allowed action with the highest value for `item`; the lowest such action where several are equal, and action 0
    /// where none is allowed.
    #[inline]
    pub fn argmax(&self, item: usize) -> usize {
        if !self.allowed.is_empty() {
            let better = |best: Option<usize>, a: usize| match best {
                Some(best) if self.get(item, a) <= self.get(item, best) => Some(best),
                _ => Some(a),
            };
            return (0..self.actions).filter(|a| self.is_allowed(item, *a)).fold(None, better).unwrap_or(0);
        }
        (1..self.actions).fold(0, |best, a| if self.get(item, a) > self.get(item, best) { a } else { best })
    }
}
