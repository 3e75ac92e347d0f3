//! From a scene to pixels.

pub mod scene;

pub use scene::{Color, Scene, Shape};
