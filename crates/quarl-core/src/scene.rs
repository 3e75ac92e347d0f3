//! Scenes: an environment's picture as a short list of shapes, drawn in a window, in a terminal, as GIF or as PNG.

use serde::{Deserialize, Serialize};

/// An opaque colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color(pub u8, pub u8, pub u8);

/// One shape of a scene. Coordinates are in the scene's own units; y points up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// A filled polygon.
    Polygon {
        /// The corners, in order.
        points: Vec<(f32, f32)>,
        /// The fill colour.
        color: Color,
    },
    /// A filled circle.
    Circle {
        /// The centre.
        center: (f32, f32),
        /// The radius.
        radius: f32,
        /// The fill colour.
        color: Color,
    },
    /// A line through all its points.
    Polyline {
        /// The points, in order; at least two.
        points: Vec<(f32, f32)>,
        /// The line width.
        width: f32,
        /// The line colour.
        color: Color,
    },
    /// One line of text.
    Text {
        /// Its centre.
        center: (f32, f32),
        /// Its font size.
        size: f32,
        /// The text; the font has Latin, Greek and Hangul letters.
        words: String,
        /// Its colour.
        color: Color,
    },
}

/// The picture of an environment at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scene {
    /// Shapes on a plain background, which can be drawn at any size.
    Shapes {
        /// Width in the scene's units (600 for CartPole).
        width: f32,
        /// Height in the scene's units.
        height: f32,
        /// The background colour.
        background: Color,
        /// The shapes, back to front.
        shapes: Vec<Shape>,
    },
    /// A picture of pixels, from environments that render themselves.
    Pixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Red, green, blue for each pixel, row by row from the top.
        rgb: Vec<u8>,
    },
}
