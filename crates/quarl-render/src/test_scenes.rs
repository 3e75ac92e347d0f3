//! Scenes for tests, similar to those of real environments.

use quarl_core::scene::{Color, Scene, Shape};

pub(super) const WHITE: Color = Color(255, 255, 255);
pub(super) const BLACK: Color = Color(0, 0, 0);
pub(super) const BROWN: Color = Color(202, 152, 101);

/// Shapes on a white ground.
pub(super) fn shapes(width: f32, height: f32, shapes: Vec<Shape>) -> Scene {
    Scene::Shapes { width, height, background: WHITE, shapes }
}

/// An axis-parallel rectangle.
pub(super) fn rectangle(left: f32, bottom: f32, right: f32, top: f32, color: Color) -> Shape {
    Shape::Polygon { points: vec![(left, bottom), (right, bottom), (right, top), (left, top)], color }
}

/// A cart at `x` (0 to 600) with its pole leaning `angle` radians to the right.
pub(super) fn cart_pole(x: f32, angle: f32) -> Scene {
    let (sin, cos) = angle.sin_cos();
    let corner = |across: f32, along: f32| (x + across * cos + along * sin, 107.0 - across * sin + along * cos);
    shapes(
        600.0,
        400.0,
        vec![
            Shape::Polyline { points: vec![(0.0, 100.0), (600.0, 100.0)], width: 1.0, color: BLACK },
            rectangle(x - 25.0, 85.0, x + 25.0, 115.0, BLACK),
            Shape::Polygon {
                points: vec![corner(-5.0, -5.0), corner(-5.0, 95.0), corner(5.0, 95.0), corner(5.0, -5.0)],
                color: BROWN,
            },
            Shape::Circle { center: (x, 107.0), radius: 5.0, color: Color(129, 132, 203) },
        ],
    )
}

/// Step `i` of a cart that rolls from side to side while its pole sways.
pub(super) fn swaying(i: u32) -> Scene {
    let phase = i as f32 / 40.0;
    cart_pole(300.0 + 150.0 * phase.sin(), 0.2 * (2.3 * phase).sin())
}
