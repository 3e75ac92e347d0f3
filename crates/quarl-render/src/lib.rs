//! Drawing: scenes to pixels, PNG, GIF and text, and the fonts of figures.
//!
//! Programs use `quarl::render`, which re-exports this. It is a crate of its own because it has to be compiled with full
//! optimisation: a film consists of millions of pixels.

#[doc(hidden)] // for figures
pub mod encode;
#[doc(hidden)] // for figures
pub mod font;
pub mod gif;
pub mod pixels;
pub mod png;
mod resample;
pub mod terminal;
#[cfg(test)]
mod test_scenes;

pub use gif::GifWriter;
pub use pixels::{Frame, Rasterizer, rasterize};
pub use png::write_png;
pub use terminal::{TextStyle, scene_cells, scene_text};
