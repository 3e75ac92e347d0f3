//! A view of Q-values in any memory.

use crate::error::Error;

/// The Q-values of a batch: the value of action `a` for item `b` is at index `a * stride + b`.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a> {
    values: &'a [f32],
    actions: usize,
    stride: usize,
    /// Action masks, `[item][action]`; empty where every action is allowed.
    allowed: &'a [bool],
}

impl<'a> QValues<'a> {
    /// A view of `values`, `[actions][stride]`.
    ///
    /// # Panics
    /// When `values` has fewer numbers than that.
    pub fn new(values: &'a [f32], actions: usize, stride: usize) -> Self {
        assert!(actions > 0 && values.len() >= actions * stride, "Q-values need [actions][stride] numbers");
        Self { values, actions, stride, allowed: &[] }
    }

    /// The same Q-values with action masks `[item][action]`; `None` allows every action.
    ///
    /// # Errors
    /// [`Error::MaskLength`] where the mask does not have a whole number of items.
    pub fn masked(self, mask: Option<&'a [bool]>) -> Result<Self, Error> {
        let Some(allowed) = mask else { return Ok(self) };
        let items = allowed.len() / self.actions;
        if !allowed.len().is_multiple_of(self.actions) || !(1..=self.stride).contains(&items) {
            return Err(Error::MaskLength { expected: self.actions, actual: allowed.len() });
        }
        Ok(self.with_masks(allowed))
    }

    /// [`QValues::masked`] for masks of a correct length; empty where every action is allowed.
    pub(crate) fn with_masks(self, allowed: &'a [bool]) -> Self {
        Self { allowed, ..self }
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// The distance between the values of two successive actions.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The Q-value of `action` for `item`.
    #[inline]
    pub fn get(&self, item: usize, action: usize) -> f32 {
        self.values[action * self.stride + item]
    }

    /// Whether `action` is allowed for `item`.
    #[inline]
    pub fn is_allowed(&self, item: usize, action: usize) -> bool {
        self.allowed.is_empty() || self.allowed[item * self.actions + action]
    }

    /// The greedy action for `item`: the allowed action with the highest Q-value, the lowest such index among equals, and 0
    /// where no action is allowed.
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
