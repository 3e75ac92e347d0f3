//! A view of Q-values, wherever they are kept.

use crate::error::Error;

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

    /// The same, with only some actions allowed: `[item][action]`; without a mask, all are.
    ///
    /// # Errors
    /// [`Error::MaskLength`] where the mask is not that of a whole number of items.
    pub fn masked(self, mask: Option<&'a [bool]>) -> Result<Self, Error> {
        let Some(allowed) = mask else { return Ok(self) };
        let items = allowed.len() / self.actions;
        if !allowed.len().is_multiple_of(self.actions) || !(1..=self.stride).contains(&items) {
            return Err(Error::MaskLength { expected: self.actions, actual: allowed.len() });
        }
        Ok(self.with_masks(allowed))
    }

    /// [`QValues::masked`] for masks whose length is known to be right; empty where all actions are allowed.
    pub(crate) fn with_masks(self, allowed: &'a [bool]) -> Self {
        Self { allowed, ..self }
    }

    /// How many actions there are.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// From one action's values to the next one's.
    pub fn stride(&self) -> usize {
        self.stride
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
