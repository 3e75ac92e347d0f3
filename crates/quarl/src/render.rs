//! Rendering: an environment as a picture, a film, or text in a terminal.
//!
//! An environment describes its state as a [`Scene`]. [`pixels`] draws the scene into a [`Frame`]; a frame is written as a
//! PNG file ([`png`]), as part of a GIF ([`gif`]), or as text ([`terminal`]). Scenes need no features and no dependencies;
//! everything else here needs the feature `render`.

pub mod scene;

#[cfg(feature = "render")]
pub mod gif;
#[cfg(feature = "render")]
pub mod pixels;
#[cfg(feature = "render")]
pub mod png;
#[cfg(feature = "render")]
mod resample;
#[cfg(feature = "render")]
pub mod terminal;
#[cfg(all(test, feature = "render"))]
mod test_scenes;

#[cfg(feature = "render")]
pub use gif::GifWriter;
#[cfg(feature = "render")]
pub use pixels::{Frame, Rasterizer, rasterize};
#[cfg(feature = "render")]
pub use png::write_png;
pub use scene::{Color, Scene, Shape};
#[cfg(feature = "render")]
pub use terminal::{TextStyle, scene_cells, scene_text};
