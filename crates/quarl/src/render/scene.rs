//! What an environment looks like, as a short list of shapes: the one description behind window, terminal, GIF and PNG.

use serde::{Deserialize, Serialize};

/// An opaque colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color(pub u8, pub u8, pub u8);

/// One shape of a scene. Coordinates are in the scene's own units; y points up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// A filled polygon.
    Polygon {
        /// Its corners, in order.
        points: Vec<(f32, f32)>,
        /// What it is filled with.
        color: Color,
    },
    /// A filled circle.
    Circle {
        /// Its centre.
        center: (f32, f32),
        /// Its radius.
        radius: f32,
        /// What it is filled with.
        color: Color,
    },
    /// A line through all its points.
    Polyline {
        /// The points, in order; at least two.
        points: Vec<(f32, f32)>,
        /// How thick it is.
        width: f32,
        /// What it is drawn with.
        color: Color,
    },
}

/// What an environment looks like at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scene {
    /// Shapes on a plain ground, to be drawn at any size.
    Shapes {
        /// Width in the scene's units (600 for CartPole).
        width: f32,
        /// Height in the scene's units.
        height: f32,
        /// What lies behind all shapes.
        background: Color,
        /// Back to front.
        shapes: Vec<Shape>,
    },
    /// A finished picture, as environments give that render themselves.
    Pixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Red, green, blue for each pixel, row by row from the top.
        rgb: Vec<u8>,
    },
}
