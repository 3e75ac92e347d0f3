//! From a scene to pixels, and from pixels to what a person looks at.
//!
//! An environment describes itself as a [`Scene`]. [`pixels`] turns it into a [`Frame`]; a frame becomes a picture
//! ([`png`]), a film ([`gif`]) or text for a terminal ([`terminal`]). A scene needs no features and no dependencies;
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
pub use terminal::{TextStyle, frame_text, scene_text};
