//! Rendering: an environment as a picture, a film, or text in a terminal.
//!
//! An environment describes its state as a [`Scene`]. [`pixels`] draws the scene into a [`Frame`]; a frame is written as a
//! PNG file ([`png`]), as part of a GIF ([`gif`]), or as text ([`terminal`]). Scenes need no features and no dependencies;
//! everything else here needs the feature `render`.

#[doc(inline)]
pub use quarl_core::scene::{self, Color, Scene, Shape};
#[cfg(feature = "render")]
#[doc(inline)]
pub use quarl_render::{
    Frame, GifWriter, Rasterizer, TextStyle, gif, pixels, png, rasterize, scene_cells, scene_text, terminal, write_png,
};
